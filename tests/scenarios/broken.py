"""For each scenario the mechanism that it proves, taken out of the product. With it gone the scenario has to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from tradectl.domain import risk_state
from tradectl.domain.intent import Purpose
from tradectl.domain.money import ZERO
from tradectl.domain.order import Unknown
from tradectl.engine import daemon, guarding, reconciling, recover, state
from tradectl.errors import VenueUnreachable
from tradectl.execution import booking, observe, protect, reconcile, submit, sweep
from tradectl.operations import ess
from tradectl.risk import caps, pipeline, sizing
from tradectl.risk.gates import daily_loss_room
from tradectl.safety import recovery
from tradectl.sim.venue import SimVenue
from tradectl.store import lease, ledger, risk, safety
from tradectl.venue.pace import Pace

Break = Callable[[], AbstractContextManager[None]]
BROKEN: dict[str, list[Break]] = {}


def breaks(*scenarios: str) -> Callable[[Callable[..., Iterator[None]]], Break]:
    def keep(make: Callable[..., Iterator[None]]) -> Break:
        made = contextmanager(make)
        for name in scenarios:
            BROKEN.setdefault(name, []).append(made)
        return made

    return keep


def gate_is_gone(name: str) -> Break:
    """As if its line in the table of gates had been forgotten."""

    @contextmanager
    def gone() -> Iterator[None]:
        def without(gates: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(gate for gate in gates if gate.__module__.rpartition(".")[2] != name)

        with ExitStack() as stack:
            for module, table in ((pipeline, "BEFORE_DATA"), (pipeline, "WITH_DATA"), (pipeline, "ON_SIGNAL"),
                                  (sizing, "BEFORE_SIZING")):  # fmt: skip
                stack.enter_context(patch.object(module, table, without(getattr(module, table))))
            known = tuple(each for each in pipeline._BEFORE_SIGNAL if each != name)
            stack.enter_context(patch.object(pipeline, "_BEFORE_SIGNAL", known))
            yield

    return gone


for _scenario, _gate in (
    ("daily-loss", "daily_loss"),
    ("utc-rollover", "daily_loss"),
    ("drawdown", "drawdown"),
    ("circuit-breaker", "circuit_breaker"),
    ("state-persistence", "circuit_breaker"),
    ("margin-block", "margin_ratio"),
    ("session-trades", "session_trades"),
    ("session-runtime", "session_runtime"),
    ("volatility", "volatility"),
    ("clock-skew", "fresh"),
    ("delisting", "new_candle"),  # a refused entry is sent again in each cycle
):
    BROKEN.setdefault(_scenario, []).append(gate_is_gone(_gate))


@breaks("daily-loss")
def what_a_stop_could_cost_is_not_looked_at() -> Iterator[None]:
    real = daily_loss_room.check

    def fits(*args: Any) -> Any:
        said = real(*args)
        return replace(said, passed=True, sentence="it fits")

    with patch.object(daily_loss_room, "check", fits):
        yield


@breaks("state-persistence")
def counters_begin_anew_with_each_start() -> Iterator[None]:
    """As with a bot that keeps its losses in memory."""
    real = recover.restore

    def forgetful(bot: Any) -> None:
        with bot.db.transaction() as conn:
            counters = risk.load(conn)
            if counters is not None:
                risk.save(conn, replace(counters, streak=0))
        real(bot)

    with patch.object(daemon, "restore", forgetful), _no_streak_from_before():
        yield


@contextmanager
def _no_streak_from_before() -> Iterator[None]:
    """A loss that was booked while no bot ran is not counted either."""
    real = recover.recover

    async def recover_and_forget(bot: Any) -> bool:
        done = await real(bot)
        with bot.db.transaction() as conn:
            counters = risk.load(conn)
            if counters is not None:
                risk.save(conn, replace(counters, streak=0))
        return done

    with patch.object(daemon, "recover", recover_and_forget):
        yield


@breaks("naked-position", "pause-and-resume", "reconcile-block", "incident-03", "delisting", "rate-limit")
def a_missing_stop_is_not_placed() -> Iterator[None]:
    async def nothing(self: Any, look: Any) -> None:
        return None

    with patch.object(protect._Pass, "_cover", nothing):
        yield


@breaks("kill-switch-keeps-stops", "emergency-stop", "incident-01")
def the_sweep_takes_stops_with_it() -> Iterator[None]:
    def everything(order: Any) -> str:
        return "everything goes"

    with patch.object(sweep, "must_go", everything), patch.object(guarding, "must_go", everything):
        yield


@breaks("kill-switch-keeps-stops")
def the_sweep_leaves_what_could_open_more() -> Iterator[None]:
    with patch.object(sweep, "must_go", lambda order: ""), patch.object(guarding, "must_go", lambda order: ""):
        yield


@breaks(
    "kill-switch-keeps-stops", "pause-and-resume", "reconcile-block", "emergency-stop", "auto-recovery", "incident-03"
)
def latches_are_not_asked_when_an_entry_is_made() -> Iterator[None]:
    with patch.object(submit, "admit", lambda *args, **more: None), gate_is_gone("latches")():
        yield


@breaks("emergency-stop", "clock-skew")
def the_cooldown_is_what_this_machines_clock_says() -> Iterator[None]:
    def by_the_wall(now: Any, venue_ms: int, wall_ms: int, process_ms: Any = None, *, stepped: bool) -> Any:
        return replace(now, cooled_ms=wall_ms + 3_600_000 - now.since_ms, venue_ms=venue_ms, wall_ms=wall_ms)

    with patch.object(guarding, "cool", by_the_wall):
        yield


@breaks("emergency-stop")
def a_reset_is_never_too_early() -> Iterator[None]:
    with patch.object(ess, "_against", lambda page: ()):
        yield


@breaks("auto-recovery")
def a_halt_never_recovers() -> Iterator[None]:
    with patch.object(recovery, "refusals", lambda facts, rules: ("a person decides",)):
        yield


@breaks("auto-recovery")
def a_halt_recovers_as_often_as_it_likes() -> Iterator[None]:
    real = recovery.refusals
    with patch.object(recovery, "refusals", lambda facts, rules: real(replace(facts, recovered_ms=()), rules)):
        yield


@breaks("pause-and-resume")
def latches_are_lost_at_a_restart() -> Iterator[None]:
    real = recover.restore

    def forgetful(bot: Any) -> None:
        with bot.db.transaction() as conn:
            conn.execute("DELETE FROM latches")
        real(bot)

    with patch.object(daemon, "restore", forgetful):
        yield


@breaks("drawdown")
def the_peak_begins_anew_with_each_start() -> Iterator[None]:
    real = recover.restore

    def forgetful(bot: Any) -> None:
        with bot.db.transaction() as conn:
            counters = risk.load(conn)
            if counters is not None:
                risk.save(conn, replace(counters, peak_equity=counters.last_equity))
        real(bot)

    with patch.object(daemon, "restore", forgetful):
        yield


@breaks("utc-rollover")
def a_day_never_ends() -> Iterator[None]:
    def same_day(stored: Any, snapshot: Any, realised: Any) -> Any:
        moved = real(stored, snapshot, realised)
        if stored is None:
            return moved
        return replace(
            moved,
            day=stored.day,
            day_start_equity=stored.day_start_equity,
            realised_today=stored.realised_today,
        )

    real = state.moved_on
    with patch.object(state, "moved_on", same_day), patch.object(state, "_new_day", lambda stored, snapshot: False):
        yield


@breaks("stop-level-passed")
def what_cannot_be_protected_is_kept() -> Iterator[None]:
    async def nothing(self: Any, look: Any, reason: str) -> None:
        return None

    with patch.object(protect._Pass, "_close", nothing):
        yield


@breaks("answer-lost")
def an_order_is_sent_again_when_no_answer_came() -> Iterator[None]:
    """Under another id, as a bot does that takes a timeout for a refusal."""
    send = submit.Door._send

    async def again(self: Any, intent: Any) -> Any:
        outcome = await send(self, intent)
        if not isinstance(outcome, Unknown) or intent.purpose is not Purpose.ENTRY:
            return outcome
        fresh: dict[str, Any] = {"client_id": f"{intent.client_id[:-1]}9", "expires_ms": intent.expires_ms + 600_000}
        return await send(self, replace(intent, **fresh))

    with patch.object(submit.Door, "_send", again):
        yield


@breaks("reconcile-block", "incident-03")
def what_nobody_explains_blocks_nothing() -> Iterator[None]:
    with patch.object(reconcile, "_blocks", lambda findings, local, *, in_doubt: []):
        yield


@breaks("deposit-withdrawal")
def a_withdrawal_is_a_loss() -> Iterator[None]:
    with patch.object(risk_state, "transfer", lambda stored, amount, before: stored):
        yield


@breaks("deposit-withdrawal", "balance-hundredfold")
def a_transfer_explains_nothing() -> Iterator[None]:
    with patch.object(safety, "cash_between", lambda conn, before, after: ZERO):
        yield


@breaks("balance-hundredfold")
def sizes_are_of_the_first_balance() -> Iterator[None]:
    real = sizing.size

    def small(admitted: Any, ctx: Any) -> Any:
        found: Any = real(admitted, ctx)
        if not hasattr(found, "qty"):
            return found
        qty = max(found.instrument.floor_qty(found.qty / 100), found.instrument.min_qty)
        return replace(found, qty=qty, slices=(qty,), notional=qty * found.reference_price)

    with patch.object(sizing, "size", small):
        yield


@breaks("venue-outage", "rate-limit-ban")
def an_exchange_that_is_silent_is_an_error_of_ours() -> Iterator[None]:
    real = observe.Evident.snapshot

    async def surprised(self: Any) -> Any:
        try:
            return await real(self)
        except VenueUnreachable as error:
            raise KeyError("positions") from error

    with patch.object(observe.Evident, "snapshot", surprised):
        yield


@breaks("rate-limit-ban")
def a_ban_is_not_waited_for() -> Iterator[None]:
    with patch.object(Pace, "hold", lambda self, ms: None):
        yield


@breaks("two-bots")
def two_bots_may_hold_one_account() -> Iterator[None]:
    real = lease.acquire

    def share(conn: Any, holder: Any, wall_ms: int) -> int:
        row = lease.current(conn)
        return row.epoch if row is not None and row.released_ms is None else real(conn, holder, wall_ms)

    with patch.object(lease, "acquire", share), patch.object(lease, "release", lambda *args: False):
        yield


@breaks("flash-crash")
def fills_that_came_meanwhile_are_passed_over() -> Iterator[None]:
    real = ledger.set_cursor

    def ahead(conn: Any, seq: int) -> None:
        real(conn, seq + 20)

    with patch.object(ledger, "set_cursor", ahead):
        yield


@breaks("store-locked", "disk-full")
def without_a_store_nothing_is_protected() -> Iterator[None]:
    async def nothing(bot: Any) -> None:
        return None

    with patch.object(daemon, "_protect_blind", nothing):
        yield


@breaks("store-locked", "disk-full")
def what_was_done_without_a_store_is_never_booked() -> Iterator[None]:
    with ExitStack() as stack:
        for module in (daemon, recover, reconciling):
            stack.enter_context(patch.object(module, "import_emergency", lambda bot: None))
        yield


@breaks("incident-02")
def no_cap_binds() -> Iterator[None]:
    with patch.object(caps, "rules", lambda ctx, terms: iter(())):
        yield


@breaks("rate-limit")
def nobody_waits_for_a_turn() -> Iterator[None]:
    async def at_once(self: Any, *, urgent: bool = False) -> None:
        return None

    with patch.object(Pace, "turn", at_once):
        yield


@breaks("funding-spike")
def funding_is_not_booked() -> Iterator[None]:
    with patch.object(booking.Booking, "_funding", lambda self, fact: None):
        yield


@breaks("kill-switch-frozen-bot")
def a_request_is_dated_when_it_leaves() -> Iterator[None]:
    """A frozen bot's entry is then as good as new when it wakes up, whatever was set meanwhile."""
    place = SimVenue.place

    async def dated_now(self: Any, request: Any) -> Any:
        return await place(self, replace(request, expires_ms=request.expires_ms + 600_000))

    with patch.object(SimVenue, "place", dated_now):
        yield
