"""Incident 05: one invalid target rejected the whole take-profit plan, and the position had none.

Each target is looked at by itself: what cannot be placed is said and put back later, and the others are placed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bot_kit import SOL, UP, D, Row, lines, rig
from incident_kit import attempt, held, must_be_seen, protections, sent
from old_faults import a_plan_is_placed_whole_or_not_at_all

from tradectl.domain.intent import ClientId, Purpose
from tradectl.domain.position import Protection
from tradectl.sim.faults import Fault, Refuse

STILL: Row = ("100.5", "100.6", "100.4", "100.5")
# At 101.52 and 103.52, of an entry of 49.7 at 100.52.
TARGETS = [{"distance_r": D(1), "fraction": D("0.5")}, {"distance_r": D(3), "fraction": D("0.5")}]


@dataclass(frozen=True)
class Case:
    """One way in which one of two targets cannot be placed. `then`: the candle in which they should be."""

    valid: Purpose
    qty: str
    why: str  # what the log says of the other
    then: Row = STILL
    knobs: dict[str, object] = field(default_factory=dict)
    refusals: tuple[Fault | None, ...] = ()
    comes_back: bool = True  # the other one is placed once what stood in its way is gone


CASES = {
    "passed": Case(Purpose.TP2, "24.9", "is already passed", ("101.6", "102", "101.6", "101.8")),
    "too close": Case(Purpose.TP2, "24.9", "is too close", ("100.5", "101.51", "100.4", "101.51")),
    "dust": Case(
        Purpose.TP2,
        "44.737",
        "is below the venue's smallest order",
        knobs={
            "exits.targets": [TARGETS[0] | {"fraction": D("0.1")}, TARGETS[1] | {"fraction": D("0.9")}],
            f"sim.instruments.{SOL}": {"min_qty": D(10)},
        },
        comes_back=False,
    ),
    "the first refused": Case(Purpose.TP2, "24.9", "rejected by the venue", refusals=(Refuse("price", "no"),)),
    "the second refused": Case(Purpose.TP1, "24.8", "rejected by the venue", refusals=(None, Refuse("price", "no"))),
}


def the_valid_target_is_placed(folder: Path, case: Case) -> None:
    """The check: it rests in its full size, the other is named with its reason, the stop covers all of it."""
    knobs: dict[str, object] = {"exits.targets": TARGETS, "exits.break_even_after_tp1": False, **case.knobs}
    with rig(folder, [UP, case.then, *[STILL] * 2], knobs) as desk, lines(desk, folder) as log:
        assert attempt(desk)
        (qty,) = held(desk).values()
        assert not sent(desk, Purpose.TP1, Purpose.TP2), "targets are placed in the cycle after the entry"
        desk.plan.before_faults["place"] = list(case.refusals)
        assert attempt(desk)
        other = Purpose.TP1 if case.valid is Purpose.TP2 else Purpose.TP2
        assert resting(desk) == {case.valid: D(case.qty)}, "the valid one rests without the other"
        said = [line for line in log() if f"{other.value} of" in line and "WARNING" in line]
        assert said and all(case.why in line for line in said)
        assert set(protections(desk).values()) == {Protection.COVERED} and held(desk) == {SOL: qty}
        for _ in range(2):
            assert attempt(desk)
        both = {Purpose.TP1, Purpose.TP2} if case.comes_back else {case.valid}
        assert resting(desk).keys() == both
        assert len([one for one in sent(desk, case.valid) if one.order_id]) == 1, "placed once"


def resting(desk: Any) -> dict[Purpose, Any]:
    """{target: quantity that rests for it at the venue}."""
    found: dict[Purpose, Any] = {}
    for order in desk.snapshot().orders:
        parsed = ClientId.parse(order.client_id)
        if parsed is not None and order.take_profit:
            found[parsed.purpose] = found.get(parsed.purpose, D(0)) + order.remaining_qty
    return found


@pytest.mark.parametrize("name", CASES)
def test_one_target_that_cannot_be_placed_keeps_no_other_from_being_placed(tmp_path: Path, name: str) -> None:
    the_valid_target_is_placed(tmp_path, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_a_plan_that_is_rejected_whole_is_seen(tmp_path: Path, name: str) -> None:
    with a_plan_is_placed_whole_or_not_at_all(), must_be_seen("rests without the other"):
        the_valid_target_is_placed(tmp_path, CASES[name])


def test_without_a_problem_both_ways_place_the_same(tmp_path: Path) -> None:
    """So what the check sees is the invalid target and nothing else."""
    with (
        a_plan_is_placed_whole_or_not_at_all(),
        rig(tmp_path, [UP, STILL], {"exits.targets": TARGETS}) as desk,
    ):
        assert attempt(desk) and attempt(desk)
        assert resting(desk) == {Purpose.TP1: D("24.8"), Purpose.TP2: D("24.9")}
