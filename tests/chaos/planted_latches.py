"""Faults in what restricts trading: latches, limits, the kill switch, the lease, and how a halt ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from planting import plants

from tradectl.domain.intent import Purpose
from tradectl.domain.signal import Verdict
from tradectl.domain.system_state import LatchName
from tradectl.engine import daemon, guarding, recover
from tradectl.execution import admission, submit
from tradectl.execution.drain import Drained
from tradectl.operations import killswitch_activate
from tradectl.risk import pipeline, sizing
from tradectl.safety import recovery
from tradectl.store import lease, positions


@plants("fence", seed=15)
def latches_are_not_asked_when_an_entry_is_recorded() -> Iterator[None]:
    def nothing(*args: Any, **more: Any) -> None:
        return None

    with patch.object(submit, "admit", nothing), patch.object(pipeline, "BEFORE_DATA", _without(pipeline.BEFORE_DATA)):
        names = tuple(name for name in pipeline._BEFORE_SIGNAL if name != "latches")
        with patch.object(pipeline, "_BEFORE_SIGNAL", names):
            yield


def _without(gates: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(gate for gate in gates if not gate.__module__.endswith("latches"))


@plants("one position per symbol", seed=13)
def a_symbol_that_is_taken_takes_another_entry() -> Iterator[None]:
    def free(ctx: Any, signal: Any) -> Verdict:
        return Verdict("occupied", True, "planted")

    gates = tuple(gate for gate in pipeline.ON_SIGNAL if not gate.__module__.endswith("occupied"))
    with (
        patch.object(pipeline, "ON_SIGNAL", gates),
        patch.object(admission, "_one_position", lambda conn, draft: None),
        patch.object(positions, "recorded", _lenient(positions.recorded)),
    ):
        yield


def _lenient(real: Any) -> Any:
    def record(conn: Any, intent: Any, sized: Any) -> None:
        held = positions.of(conn, intent.symbol)
        if intent.purpose is Purpose.ENTRY and held is not None and held.state.value == "closing":
            return
        real(conn, intent, sized)

    return record


@plants("limits", seed=10)
def the_number_of_positions_is_not_limited() -> Iterator[None]:
    kept = tuple(gate for gate in sizing.BEFORE_SIZING if not gate.__module__.endswith("position_count"))
    with patch.object(sizing, "BEFORE_SIZING", kept):
        yield


@plants("exit codes match outcomes", seed=109)
def the_kill_switch_calls_itself_verified() -> Iterator[None]:
    with patch.object(killswitch_activate._Run, "_left", lambda self: []):
        yield


@plants("fence", seed=144)
def the_kill_switch_does_not_wait_for_what_is_under_way() -> Iterator[None]:
    async def at_once(*args: Any, **more: Any) -> Drained:
        return Drained((), 0, True)

    with patch.object(killswitch_activate, "drain", at_once):
        yield


@plants("one bot per account", seed=38)
def two_bots_may_hold_one_account() -> Iterator[None]:
    def share(conn: Any, holder: Any, wall_ms: int) -> int:
        row = lease.current(conn)
        return row.epoch if row is not None and row.released_ms is None else real(conn, holder, wall_ms)

    real = lease.acquire
    with patch.object(lease, "acquire", share), patch.object(lease, "release", lambda *args: False):
        yield


@plants("a latch holds", seed=2)
def a_latch_is_lost_at_restart() -> Iterator[None]:
    restore = recover.restore

    def forgetful(bot: Any) -> Any:
        with bot.db.transaction() as conn:
            conn.execute("DELETE FROM latches WHERE name IN ('halt', 'ess_tripped', 'ess_cooling', 'kill_switch')")
        return restore(bot)

    with patch.object(recover, "restore", forgetful), patch.object(daemon, "restore", forgetful):
        yield


@plants("a cooldown takes its time", seed=10)
def a_cooldown_is_what_this_machines_clock_says() -> Iterator[None]:
    def by_the_wall(now: Any, venue_ms: int, wall_ms: int, process_ms: Any, *, stepped: bool) -> Any:
        return replace(now, cooled_ms=max(wall_ms - now.since_ms, 0), venue_ms=venue_ms, wall_ms=wall_ms)

    with patch.object(guarding, "cool", by_the_wall):
        yield


@plants("a halt waits for a person", seed=3)
def a_halt_recovers_with_an_order_in_doubt() -> Iterator[None]:
    refusals = recovery.refusals

    def trusting(facts: Any, rules: Any) -> Any:
        halts = tuple(latch for latch in facts.latches if latch.name is not LatchName.UNKNOWN_ORDER)
        return refusals(replace(facts, in_doubt=False, latches=halts), rules)

    with patch.object(recovery, "refusals", trusting):
        yield


@plants("a halt waits for a person", seed=55)
def every_halt_recovers_by_itself() -> Iterator[None]:
    refusals = recovery.refusals

    def generous(facts: Any, rules: Any) -> Any:
        return refusals(facts, rules.model_copy(update={"reasons": tuple(latch.code for latch in facts.latches)}))

    with patch.object(recovery, "refusals", generous):
        yield
