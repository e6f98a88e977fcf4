"""A halt clears itself only where every condition holds; the emergency stop moves along its table and no other way."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.config.section_safety import AutoRecovery, Ess
from tradectl.domain.emergency_stop import ESS_TRANSITIONS, Emergency, EssEvent, EssState, advance
from tradectl.domain.seen_time import SeenTime
from tradectl.domain.system_state import Latch, LatchName
from tradectl.safety.emergency_stop import cool, execution_errors, left_ms
from tradectl.safety.recovery import DAY_MS, Facts, refusals

D = Decimal
NOW = 10 * DAY_MS
RULES = AutoRecovery()
MARGIN = Latch(LatchName.HALT, "margin_utilisation", "bot", NOW - 300_000, "MARGIN_CRITICAL: margin utilisation 93.0%")
FINE = Facts(NOW, 300_000, (MARGIN,), False, D("0.84"), (), reconciled=True, covered=True, in_doubt=False)


def test_where_everything_holds_it_recovers() -> None:
    assert refusals(FINE, RULES) == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"stood_ms": 299_999}, "it has stood for 299 s of 300"),
        ({"stood_ms": 0}, "it has stood for 0 s of 300"),
        ({"latches": (replace(MARGIN, reason="DRAWDOWN_CRITICAL: 16%"),)}, "DRAWDOWN_CRITICAL waits for a person"),
        ({"latches": (MARGIN, Latch(LatchName.KILL_SWITCH, "", "ann", 1, "stop"))}, "kill_switch is set as well"),
        ({"latches": (MARGIN, Latch(LatchName.PAUSE, "", "ann", 1, "lunch"))}, "pause is set as well"),
        ({"halt_file": True}, "a halt file is set as well"),
        ({"utilisation": D("0.85")}, "margin utilisation is 85.00%, not below 85.00%"),
        ({"utilisation": None}, "margin utilisation is not measurable, not below 85.00%"),
        ({"recovered_ms": (NOW - DAY_MS + 1, NOW - 1)}, "it has recovered 2 times in 24 hours (limit 2)"),
        ({"reconciled": False}, "venue and books do not agree"),
        ({"covered": False}, "a position is not covered by its stops"),
        ({"in_doubt": True}, "an order is in doubt"),
        ({"breached": True}, "what halts it still holds"),
    ],
)
def test_each_condition_alone_keeps_it_from_recovering(change: dict[str, object], why: str) -> None:
    assert refusals(replace(FINE, **change), RULES) == (why,)  # type: ignore[arg-type]


def test_nothing_recovers_where_no_halt_of_its_own_stands() -> None:
    assert refusals(replace(FINE, latches=()), RULES)[0] == "no halt of its own waits for a person"


def test_old_recoveries_do_not_count() -> None:
    assert refusals(replace(FINE, recovered_ms=(NOW - DAY_MS, NOW - 2 * DAY_MS)), RULES) == ()


def test_the_emergency_stop_has_these_changes_and_no_others() -> None:
    table = {(before, on): after for before, on, after in ESS_TRANSITIONS}
    assert len(table) == len(ESS_TRANSITIONS)
    for state, event in itertools.product(EssState, EssEvent):
        assert advance(state, event) is table.get((state, event))
    assert [before for before, _, after in ESS_TRANSITIONS if after is EssState.ARMED] == [
        EssState.COOLING_DOWN, EssState.DISABLED,
    ], "nothing goes from tripped to armed"  # fmt: skip


clocks = st.integers(-10_000_000, 10_000_000)


@given(st.lists(st.tuples(clocks, clocks), max_size=30))
def test_a_cooldown_is_never_longer_than_time_by_either_clock_and_never_runs_back(steps: list[tuple[int, int]]) -> None:
    """Whatever the clocks do: jump ahead, go back, come again after a restart."""
    now = Emergency(EssState.COOLING_DOWN)
    venue_ms = wall_ms = forward_venue = forward_wall = 0
    for venue_step, wall_step in steps:
        venue_ms, wall_ms = venue_ms + venue_step, wall_ms + wall_step
        forward_venue, forward_wall = forward_venue + max(venue_step, 0), forward_wall + max(wall_step, 0)
        later = cool(now, venue_ms, wall_ms, stepped=False)
        assert later.cooled_ms >= now.cooled_ms
        now = later
    assert now.cooled_ms <= min(forward_venue, forward_wall)


@given(st.lists(st.tuples(clocks, clocks, st.none() | clocks), max_size=30))
def test_time_that_is_seen_to_pass_is_never_more_than_any_clock_shows(
    steps: list[tuple[int, int, int | None]],
) -> None:
    now, most = SeenTime(), 0
    for venue_step, wall_step, process_step in steps:
        venue_ms, wall_ms = now.venue_ms + venue_step, now.wall_ms + wall_step
        later = now.later(venue_ms, wall_ms, process_step, stepped=False)
        most += max(min(venue_step, wall_step, venue_step if process_step is None else process_step), 0)
        assert now.total_ms <= later.total_ms <= most and (later.venue_ms, later.wall_ms) == (venue_ms, wall_ms)
        now = later


def test_a_stepped_market_has_its_own_time() -> None:
    before = SeenTime(venue_ms=1_000, wall_ms=5_000)
    assert before.later(301_000, 5_001, 300_000, stepped=True).total_ms == 300_000
    assert before.later(301_000, 5_001, 300_000, stepped=False).total_ms == 1


def test_both_clocks_agreeing_it_cools_down_also_while_no_bot_runs() -> None:
    rules = Ess()
    cooling = Emergency(EssState.COOLING_DOWN, venue_ms=1_000, wall_ms=5_000)
    assert left_ms(cool(cooling, 601_000, 605_000, stepped=False), rules) == 300_000
    assert left_ms(cool(cooling, 1_000 + 900_000, 5_000 + 900_000, stepped=False), rules) == 0
    assert left_ms(cool(cooling, 10**9, 6_000, stepped=False), rules) == 899_000, "a clock that jumped shortens nothing"
    assert left_ms(cool(cooling, 10**9, 10**9, 1_000, stepped=False), rules) == 899_000, "nor two that jump together"


def test_errors_in_a_row_trip_whatever_their_kind() -> None:
    rules = Ess()
    assert execution_errors(rules, Emergency(errors=2, aborted=2)) == ()
    (trip,) = execution_errors(rules, Emergency(errors=2, aborted=3))
    assert trip.evaluator == "execution_errors" and "3 cycles aborted" in trip.evidence
