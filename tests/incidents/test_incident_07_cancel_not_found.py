"""Incident 07: the cancel of the old stop answered "not found", the new one stood in the same try block and was never
placed; the naked position tripped an emergency.

A new stop is placed and confirmed before the old one is cancelled, and no answer to that cancel undoes it (promise 5).
A stop that the venue refuses once is no emergency: it takes refusals in two passes in a row, and what is unknown or
passes by itself is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from bot_kit import SOL, UP, D, Rig, Row, refuse, rig
from incident_kit import attempt, cancel_by_hand, held, must_be_seen, picture, protections, sent, strip
from old_faults import cancel_and_place_share_one_block

from tradectl.domain.intent import Purpose
from tradectl.domain.order import OrderFact, Rejected, Unknown
from tradectl.domain.position import Protection
from tradectl.execution import protect, submit, unprotectable
from tradectl.sim.faults import Answer, Call, DropRequest, Fault, LoseAnswer, Refuse
from tradectl.store import latches, outbox

KNOBS: dict[str, object] = {
    "exits.targets": [{"distance_r": D("0.5"), "fraction": D("0.5")}, {"distance_r": D(3), "fraction": D("0.5")}]
}
HIT: Row = ("100.7", "101.6", "100.6", "101.5")  # the first target fills: the stop is resized, then goes to break-even
AFTER: Row = ("101.5", "101.6", "101.4", "101.5")
ROWS: list[Row] = [UP, ("100.5", "100.8", "100.4", "100.7"), HIT, *[AFTER] * 3]
OLD, NEW = D("99.52"), D("100.64")
NOT_FOUND = ("order_not_found", "order does not exist")


def refused(desk: Rig) -> None:
    """Both cancels are answered "not found", and the stops stand all the same."""
    desk.plan.before_faults["cancel"] = [Refuse(*NOT_FOUND)] * 2


def answered_so(desk: Rig) -> None:
    """They are carried out, and answered "not found" (a client library has repeated them)."""
    desk.plan.after_faults["cancel"] = [Answer(*NOT_FOUND)] * 2


def gone_before(desk: Rig) -> None:
    """The venue itself has cancelled the old stop, the instant before."""
    watch = desk.plan.on_before
    assert watch is not None

    def first(call: Call) -> None:
        watch(call)
        if call.name == "cancel" and not done:
            done.append(call)
            cancel_by_hand(desk, *(one for one in stops(desk) if one.order_id == call.subject))

    done: list[Call] = []
    desk.plan.on_before = first


def lost(desk: Rig) -> None:
    desk.plan.after_faults["cancel"] = [LoseAnswer()] * 2


def never_arrived(desk: Rig) -> None:
    desk.plan.before_faults["cancel"] = [DropRequest()] * 2


# With the cycles within which the new stop must stand: a cancel in doubt is waited for, the old stop covers meanwhile.
ANSWERS: dict[Callable[[Rig], None], int] = {refused: 1, answered_so: 1, gone_before: 1, lost: 2, never_arrived: 2}


def stops(desk: Rig) -> list[OrderFact]:
    return [order for order in picture(desk).orders if order.protective]


def covered(desk: Rig) -> bool:
    return protections(desk) == {SOL: Protection.COVERED}


def the_new_stop_stands_whatever_the_cancel_of_the_old_one_comes_to(
    folder: Path, answer: Callable[[Rig], None]
) -> None:
    """The check: covered at every call to the venue, at the new level in time, and nothing is alarmed."""
    with rig(folder, ROWS, KNOBS) as desk:
        assert attempt(desk) and attempt(desk)
        assert [one.trigger_price for one in stops(desk)] == [OLD]
        uncovered: list[Call] = []
        desk.plan.on_before = lambda call: None if covered(desk) else uncovered.append(call)
        answer(desk)
        for _ in range(ANSWERS[answer]):
            assert attempt(desk)
        assert not uncovered and covered(desk), f"naked by our own hand, at {uncovered[:1]}"
        (qty,) = held(desk).values()
        assert (NEW, qty) in [(one.trigger_price, one.qty) for one in stops(desk)], "the new stop was never placed"
        for _ in range(2):
            assert attempt(desk)
        assert [(one.trigger_price, one.qty) for one in stops(desk)] == [(NEW, qty)], "the old one goes in time"
        assert not uncovered, "naked by our own hand"
        assert len([one for one in sent(desk, Purpose.STOP) if one.trigger_price == NEW]) == 1
        no_emergency(desk, qty)


def no_emergency(desk: Rig, qty: Any) -> None:
    assert held(desk) == {SOL: qty}
    assert not sent(desk, Purpose.EXIT, Purpose.CLOSE)
    assert desk.read(latches.active) == ()
    assert "safety_naked_position" not in desk.read(outbox.count_by_type)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: one.__name__)
def test_a_cancel_that_fails_keeps_no_stop_from_being_placed(tmp_path: Path, answer: Callable[[Rig], None]) -> None:
    the_new_stop_stands_whatever_the_cancel_of_the_old_one_comes_to(tmp_path, answer)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: one.__name__)
def test_a_placement_in_the_same_block_as_the_cancel_is_seen(tmp_path: Path, answer: Callable[[Rig], None]) -> None:
    with cancel_and_place_share_one_block(), must_be_seen("never placed|naked by our own hand"):
        the_new_stop_stands_whatever_the_cancel_of_the_old_one_comes_to(tmp_path, answer)


@pytest.mark.parametrize("fault", [Refuse("engine_busy", "try later"), DropRequest(), LoseAnswer()])
def test_a_new_stop_that_is_not_confirmed_leaves_the_old_one_where_it_is(tmp_path: Path, fault: Fault) -> None:
    with rig(tmp_path, ROWS, KNOBS) as desk:
        assert attempt(desk) and attempt(desk)
        uncovered: list[Call] = []
        desk.plan.on_before = lambda call: None if covered(desk) else uncovered.append(call)
        faults = desk.plan.after_faults if isinstance(fault, LoseAnswer) else desk.plan.before_faults
        faults["place"] = [fault] * 2
        assert attempt(desk)
        (qty,) = held(desk).values()
        assert covered(desk) and OLD in [one.trigger_price for one in stops(desk)]
        for _ in range(3):
            assert attempt(desk)
        assert not uncovered and [(one.trigger_price, one.qty) for one in stops(desk)] == [(NEW, qty)]
        no_emergency(desk, qty)


# The position that is naked all the same


def a_stop_taken_away_is_no_emergency(folder: Path, trouble: Sequence[Fault | None], turns: int) -> None:
    """The check: it is put back within `turns` cycles, at its level, and the position is kept."""
    with rig(folder, [UP, *[("100.5", "100.6", "100.4", "100.5")] * 4]) as desk:
        assert attempt(desk)
        before = held(desk)
        strip(desk, SOL)
        desk.plan.before_faults["place"] = list(trouble)
        for _ in range(turns):
            assert attempt(desk)
        assert held(desk) == before and not sent(desk, Purpose.EXIT, Purpose.CLOSE), "the position was ended for it"
        assert covered(desk)
        assert [one.trigger_price for one in stops(desk)] == [OLD]
        assert desk.read(latches.active) == ()
        said = 1 if turns != 2 else 2  # when it begins, and why it lasts
        assert desk.read(outbox.count_by_type)["safety_naked_position"] == said


TROUBLES: dict[str, tuple[list[Fault | None], int]] = {
    "none": ([], 1),
    "refused once": ([Refuse("engine_busy", "try later")], 1),
    "busy for a pass": ([Refuse("engine_busy", "try later")] * 4, 2),
    "too many requests": ([Refuse("limit", "too many requests", retry_after_ms=1_000)] * 4, 2),
    "refused in a pass": ([Refuse("no", "not now")] * 4, 2),
    "lost on the way, twice": ([DropRequest(), DropRequest()], 3),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_stop_taken_away_is_put_back_and_the_position_kept(tmp_path: Path, name: str) -> None:
    a_stop_taken_away_is_no_emergency(tmp_path, *TROUBLES[name])


def test_closing_at_the_first_refusal_is_seen(tmp_path: Path) -> None:
    at_once = patch.object(unprotectable, "borne", lambda *_: "")
    with patch.object(protect, "TRIES", 1), at_once, must_be_seen("was ended for it"):
        a_stop_taken_away_is_no_emergency(tmp_path, *TROUBLES["refused once"])


@pytest.mark.parametrize("name", ["busy for a pass", "too many requests", "refused in a pass"])
def test_closing_for_what_one_pass_came_to_is_seen(tmp_path: Path, name: str) -> None:
    with patch.object(unprotectable, "borne", lambda *_: ""), must_be_seen("was ended for it"):
        a_stop_taken_away_is_no_emergency(tmp_path, *TROUBLES[name])


def test_taking_silence_for_a_refusal_is_seen(tmp_path: Path) -> None:
    real = submit.Door._send

    async def impatient(self: Any, intent: Any) -> Any:
        outcome = await real(self, intent)
        return Rejected("timeout", outcome.reason) if isinstance(outcome, Unknown) else outcome

    at_once = patch.object(unprotectable, "borne", lambda *_: "")
    with patch.object(submit.Door, "_send", impatient), at_once, must_be_seen("was ended for it"):
        a_stop_taken_away_is_no_emergency(tmp_path, *TROUBLES["lost on the way, twice"])


def test_refusals_in_two_passes_in_a_row_end_the_position_and_nothing_else(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[("100.5", "100.6", "100.4", "100.5")] * 4]) as desk:
        assert attempt(desk)
        strip(desk, SOL)
        refuse(desk, "symbol_halted", "st")
        assert attempt(desk)
        assert held(desk) and not sent(desk, Purpose.EXIT), "once is no emergency"
        assert attempt(desk)
        assert held(desk) == {} and desk.snapshot().orders == ()
        (ended,) = sent(desk, Purpose.EXIT)
        assert ended.reduce_only and "keeps refusing its stop" in ended.reason
        assert desk.read(latches.active) == (), "no halt: one position could not be protected, and is gone"
        assert attempt(desk)
