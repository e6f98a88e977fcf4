"""The knobs of pace: how often the bot looks, how long its requests live, and how it spaces and repeats them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from bot_kit import FLAT, SOL, UP, D, rig
from knob_kit import QUIET, Proofs, folder

from tradectl.engine import daemon
from tradectl.engine.recover import recover
from tradectl.errors import VenueUnreachable
from tradectl.sim.faults import DropRequest
from tradectl.venue.pace import Pace
from tradectl.venue.paced import PacedVenue

proves = Proofs()


@proves("engine.cycle_seconds")
def cycle_seconds_is_the_pause_on_a_wall_clock(tmp_path: Path) -> None:
    for seconds in (15, 40):
        knobs: dict[str, object] = {"engine.cycle_seconds": seconds, "sim.clock": "wall"}
        with rig(folder(tmp_path, seconds), None, knobs, ready=False) as desk:
            assert daemon._pause_seconds(desk.assembled, True) == seconds
            assert daemon._pause_seconds(desk.assembled, False) == daemon.RETRY_SECONDS


@proves("engine.closed_trades_seconds")
def closed_trades_seconds_is_how_often_fills_are_asked_for_while_nothing_happens(tmp_path: Path) -> None:
    asked = {}
    for seconds in (300, 1200):
        with rig(folder(tmp_path, seconds), QUIET, {"engine.closed_trades_seconds": seconds}) as desk:
            desk.plan.calls.clear()
            for _ in range(8):
                desk.cycle()
            asked[seconds] = len(desk.plan.names("account_events"))
    assert asked == {300: 8, 1200: 2}


@proves("venue.recv_window_ms")
def recv_window_is_how_long_a_request_lives(tmp_path: Path) -> None:
    for window in (5000, 900):
        with rig(folder(tmp_path, window), QUIET, {"venue.recv_window_ms": window}) as desk:
            intent = desk.run(desk.assembled.bot.door.submit(desk.entry())).intent
            assert intent.expires_ms - intent.created_ms == window


class Skewed:
    """A venue whose clock runs ahead of ours."""

    def __init__(self, inner: object, ahead_ms: int) -> None:
        self._inner = inner
        self._ahead_ms = ahead_ms

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def skew_ms(self) -> int:
        return self._ahead_ms


@proves("venue.max_clock_skew_ms")
def clock_skew_beyond_the_bound_refuses_entries(tmp_path: Path) -> None:
    seen = {}
    for bound in (1000, 2000):
        with rig(folder(tmp_path, bound), [UP], {"venue.max_clock_skew_ms": bound}, ready=False) as desk:
            desk.bot = replace(desk.bot, clock=Skewed(desk.bot.clock, 1500))  # type: ignore[arg-type]
            assert desk.run(recover(desk.bot))
            seen[bound] = desk.cycle().decisions[0].code
    assert seen == {1000: "fresh", 2000: "entered"}


@proves("perps.max_requests_per_second", "perps.max_requests_per_minute")
def the_paces_slow_a_cycle_down(tmp_path: Path) -> None:
    waited = {}
    for name, value in (("second", 1), ("second", 1000), ("minute", 3), ("minute", 60000)):
        with rig(folder(tmp_path, f"{name}{value}"), QUIET, {f"perps.max_requests_per_{name}": value}) as desk:
            desk.bot.pace.take_throttled_ms()
            waited[name, value] = desk.cycle().throttled_ms
            pace = desk.assembled.bot.pace
            assert {"second": pace.per_second, "minute": pace.per_minute}[name] == value
    assert waited["second", 1000] == waited["minute", 60000] == 0
    assert waited["second", 1] >= 2000 and waited["minute", 3] >= 55_000


@proves("execution.read_backoff_seconds")
def read_backoff_is_how_often_and_how_long_a_read_is_tried_again(tmp_path: Path) -> None:
    for pauses in ([], [D(2), D(3)]):
        with rig(folder(tmp_path, len(pauses)), QUIET, {"execution.read_backoff_seconds": pauses}) as desk:
            desk.plan.before_faults["snapshot"] = [DropRequest()] * 9
            before, calls = desk.bot.clock.now_ms(), len(desk.plan.names("snapshot"))
            with pytest.raises(VenueUnreachable):
                desk.cycle(step=False)
            assert len(desk.plan.names("snapshot")) - calls == len(pauses) + 1
            assert desk.bot.clock.now_ms() - before == sum(pauses) * 1000
            built = desk.assembled.bot.venue._inner
            assert isinstance(built, PacedVenue) and isinstance(built.pace, Pace)


@proves("execution.symbol_spacing_ms")
def symbol_spacing_keeps_the_orders_of_a_split_entry_apart(tmp_path: Path) -> None:
    for spacing in (500, 1700):
        knobs: dict[str, object] = {
            "execution.symbol_spacing_ms": spacing,
            f"sim.instruments.{SOL}": {"max_market_qty": 20},
        }
        with rig(folder(tmp_path, spacing), [UP], knobs) as desk:
            assert desk.cycle().decisions[0].outcome == "entered"
            sent = [one.created_ms for one in desk.intents()]
            assert len(sent) == 3
            assert {after - before for before, after in pairwise(sent)} == {spacing}


@proves("engine.reconcile_seconds")
def reconcile_seconds_is_how_often_both_sides_are_compared(tmp_path: Path) -> None:
    compared = {}
    for seconds in (120, 1500):
        with rig(folder(tmp_path, seconds), [FLAT] * 10, {"engine.reconcile_seconds": seconds}) as desk:
            seen = []
            for _ in range(10):
                desk.cycle()
                seen.append(desk.bot.memory.reconciled_ms)
            compared[seconds] = len(set(seen))
    assert compared == {120: 10, 1500: 3}


test_the_knob_changes_what_it_says = proves.tested()
