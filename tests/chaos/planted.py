"""Faults put into the product on purpose, each one that a bot of this kind has had. The checker has to see them all.

Each is a context manager that breaks one mechanism and puts it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from tradectl.domain import intent as intent_module
from tradectl.domain.intent import IntentState, Purpose, cancel_draft
from tradectl.domain.order import Unknown
from tradectl.domain.position import Coverage, covers, protective_stops
from tradectl.domain.signal import Verdict
from tradectl.domain.system_state import LatchName, SystemState, system_state
from tradectl.engine import daemon, guarding, protecting, recover, state
from tradectl.execution import admission, booking, exits, observe, protect, resolve, stop_level, submit
from tradectl.execution.drain import Drained
from tradectl.execution.ingest import Ingested
from tradectl.execution.protected import Protected
from tradectl.execution.stop_level import Arrangement
from tradectl.operations import killswitch_activate, stops_place
from tradectl.operations.stop_hands import PlacedStops
from tradectl.risk import pipeline, sizing
from tradectl.safety import recovery
from tradectl.sim.venue import SimVenue
from tradectl.store import intents, latches, lease, ledger, outbox, positions

Fault = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Planted:
    """`laws`: those of the checker that have to notice it; that the code stumbles over the fault is not enough.

    `seed`: one that showed it, to be tried first.
    """

    fault: Fault
    laws: frozenset[str]
    seed: int


FAULTS: dict[str, Planted] = {}


def plants(*laws: str, seed: int) -> Callable[[Callable[[], Iterator[None]]], Fault]:
    def keep(make: Callable[[], Iterator[None]]) -> Fault:
        fault = contextmanager(make)
        FAULTS[make.__name__] = Planted(fault, frozenset(laws), seed)
        return fault

    return keep


@plants("one order per intent", "unknown needs evidence", seed=10)
def an_order_is_sent_again_when_nothing_came_back() -> Iterator[None]:
    send = submit.Door._send

    async def again(self: Any, intent: Any) -> Any:
        outcome = await send(self, intent)
        return await send(self, intent) if isinstance(outcome, Unknown) else outcome

    with patch.object(submit.Door, "_send", again):
        yield


@plants("never naked by our own hand", seed=7)
def the_old_stop_is_cancelled_before_the_new_one_is_placed() -> Iterator[None]:
    put = protect._Pass._put_in_order

    async def first_cancel(self: Any, look: Any, snapshot: Any, whose: Any) -> None:
        ours = self._ours(look.position)
        if ours is not None and ours.stop_price is not None:
            stops, _ = protective_stops(look.position, snapshot.orders_of(look.position.symbol))
            for order in stops:
                if (order.trigger_price - self._wanted(look.position, look.cover)) * look.position.side.sign < 0:
                    await self._cancel(order, "planted")
        await put(self, look, snapshot, whose)

    with patch.object(protect._Pass, "_put_in_order", first_cancel):
        yield


@plants("write before act", seed=2)
def an_intent_is_committed_after_its_order_was_sent() -> Iterator[None]:
    real = submit.Door.submit

    async def late(self: Any, draft: Any, **asked: Any) -> Any:
        if draft.purpose is not Purpose.STOP:
            return await real(self, draft, **asked)
        held: list[Any] = []
        record = intents.record

        def remember(conn: Any, *args: Any, **more: Any) -> Any:
            made = record(conn, *args, **more)
            held.append((args, more, made))
            raise _Later

        with patch.object(intents, "record", remember):
            try:
                return await real(self, draft, **asked)
            except _Later:
                pass
        _, _, made = held[0]
        outcome = await self._send(made)
        args, more, _ = held[0]
        with self._db.transaction() as conn:
            record(conn, *args, **more)
        return submit.Submitted(self._settle(made, outcome), outcome)

    with patch.object(submit.Door, "submit", late):
        yield


class _Later(Exception):
    pass


@plants("fence", "unknown needs evidence", seed=31)
def a_request_is_dated_when_it_leaves() -> Iterator[None]:
    """Its window then begins with the sending, whenever that is: a frozen bot's entry is as good as new."""
    place = SimVenue.place

    async def dated_now(self: Any, request: Any) -> Any:
        fresh = replace(request, timestamp_ms=request.timestamp_ms, expires_ms=request.expires_ms + 600_000)
        return await place(self, fresh)

    with patch.object(SimVenue, "place", dated_now):
        yield


@plants("never naked by our own hand", "no position stays naked", seed=3)
def a_list_is_taken_at_its_word() -> Iterator[None]:
    """What is not listed is not there, and what a missing position left is cancelled."""

    async def raw(self: Any) -> Any:
        return await self._inner.snapshot()

    async def left_behind(self: Any, snapshot: Any, whose: Any) -> None:
        held = {position.symbol for position in snapshot.positions if position.qty}
        for order in snapshot.orders:
            if order.symbol not in held and order.reduces and whose.ours(order):
                await self._cancel(order, "its position is gone")

    with (
        patch.object(observe.Evident, "snapshot", raw),
        patch.object(protect._Pass, "cancel_left_behind", left_behind),
    ):
        yield


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


@plants("covered exactly once", seed=34)
def stops_are_sized_past_the_position() -> Iterator[None]:
    real = intent_module.stop_drafts

    def doubled(*args: Any, held: Any = None, **more: Any) -> Any:
        return real(args[0], args[1], args[2] * 2, *args[3:], **more)

    with patch.object(protect, "stop_drafts", doubled):
        yield


@plants("unknown needs evidence", seed=14)
def not_found_is_not_placed() -> Iterator[None]:
    """One search is enough, whether the request has expired or not."""

    async def at_once(db: Any, venue: Any, clock: Any, intent: Any, max_skew_ms: int) -> Any:
        if intent.purpose is Purpose.CANCEL:
            return await resolve._look_up_change(db, venue, clock, intent, max_skew_ms)
        order = await venue.find_order(intent.symbol, intent.client_id)
        if order is not None:
            return resolve._settle(db, clock, intent, IntentState.CONFIRMED, "found", order=order)
        return resolve._settle(db, clock, intent, IntentState.NOT_PLACED, "not found")

    with patch.object(resolve, "_look_up", at_once):
        yield


@plants("doubts end", seed=3)
def what_was_in_flight_at_a_crash_is_forgotten() -> Iterator[None]:
    with patch.object(recover, "adopt_doubt", lambda *args, **more: ()), patch.object(resolve, "_left_open", _never):
        yield


def _never(*args: Any) -> bool:
    return False


@plants("fills are booked once", seed=0)
def a_fill_is_booked_again() -> Iterator[None]:
    """Its execution id is not looked at: whatever a list brings twice counts twice."""
    real = booking.Booking._fill

    def twice(self: Any, fill: Any) -> None:
        real(self, fill)
        trade = self._trades.get(fill.symbol)
        if trade is not None and fill.seq % 5 == 0:
            again = replace(fill, execution_id=f"{fill.execution_id}b", seq=-fill.seq)
            real(self, again)

    with patch.object(booking.Booking, "_fill", twice):
        yield


@plants("fills are booked once", "money agrees", "the bot runs", seed=2)
def the_cursor_goes_where_the_picture_is() -> Iterator[None]:
    """Fills that a list did not have yet are never asked for again."""
    real = ledger.set_cursor

    def ahead(conn: Any, seq: int) -> None:
        real(conn, seq + 2)

    with patch.object(ledger, "set_cursor", ahead):
        yield


@plants("no position stays naked", "every position is covered", seed=4)
def a_missing_stop_is_not_placed() -> Iterator[None]:
    async def nothing(self: Any, look: Any) -> None:
        return None

    with patch.object(protect._Pass, "_cover", nothing):
        yield


@plants("alerts commit with their cause", seed=0)
def an_alert_is_lost() -> Iterator[None]:
    real = outbox.put

    def forgetful(conn: Any, **more: Any) -> int:
        return 0 if more["type"] in ("position_closed", "safety_unknown_order") else real(conn, **more)

    with patch.object(outbox, "put", forgetful):
        yield


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


@plants("stops only tighten", "restarting twice equals once", seed=34)
def a_stop_is_moved_to_the_larger_loss() -> Iterator[None]:
    def looser(instrument: Any, side: Any, trade: Any, taker_fee: Any) -> Any:
        return instrument.floor_price(trade.lot.average_price * (1 - side.sign * Decimal("0.02")))

    async def keep_the_loosest(self: Any, look: Any, snapshot: Any, whose: Any) -> None:
        stops, _ = protective_stops(look.position, snapshot.orders_of(look.position.symbol))
        if len(stops) > 1:
            tight = max(stops, key=lambda order: order.trigger_price * look.position.side.sign)
            await self._door.submit(cancel_draft(tight.symbol, tight.side, tight.order_id, "planted"))
            return
        await put(self, look, snapshot, whose)

    put = protect._Pass._put_in_order
    with (
        patch.object(exits, "break_even_price", looser),
        patch.object(exits, "_may_move", lambda position, ours, level: True),
        patch.object(protect, "arrange", _loosest(stop_level.arrange)),
    ):
        yield


def _loosest(real: Any) -> Any:
    """Every stop that is not at the wanted level makes way, tighter ones too."""

    def arrange(position: Any, orders: Any, wanted: Any, ours: Any) -> Any:
        stops, _ = protective_stops(position, orders)
        mine = [order for order in stops if ours(order)]
        if wanted is None or all(order.trigger_price == wanted for order in mine):
            return real(position, orders, wanted, ours)
        kept = sum((covers(order, position) for order in mine if order.trigger_price == wanted), 0)
        return Arrangement(abs(position.qty) - kept, tuple(o for o in mine if o.trigger_price != wanted))

    return arrange


@plants("covered exactly once", "fills are booked once", "local equals venue", seed=34)
def recovery_is_skipped() -> Iterator[None]:
    """Entries go on from whatever the books say, however old."""

    async def no_news(bot: Any, snapshot: Any) -> Any:
        return snapshot, Ingested(bot.memory.cursor)

    with patch.object(state, "take_in", no_news):
        yield


@plants("exit codes match outcomes", seed=1)
def a_stop_that_was_placed_is_not_looked_at_again() -> Iterator[None]:
    """An operator's command calls a position covered because it has sent a stop."""

    async def surely(books: Any, desk: Any, symbol: str) -> tuple[bool, None]:
        return True, None

    with patch.object(stops_place, "covered", surely), patch.object(stops_place, "place_stops", _unsent):
        yield


async def _unsent(own: Any, books: Any, drafts: Any, newest: int) -> PlacedStops:
    return PlacedStops(("sent",), (), None)


@plants("doubts end", seed=61)
def what_a_command_left_in_flight_is_forgotten() -> Iterator[None]:
    """A running bot settles its own orders only."""

    def own_only(intent: Any, epoch: int | None, too_late_ms: int = 0) -> bool:
        return intent.state is not IntentState.UNKNOWN and epoch in (None, intent.epoch)

    with patch.object(resolve, "_left_open", own_only):
        yield


@plants("stops only tighten", seed=91)
def stops_go_back_to_the_stored_level() -> Iterator[None]:
    """Stops are arranged at the level in the store, also where tighter ones stand."""
    real = stop_level.arrange

    def exact(position: Any, orders: Any, wanted: Any, ours: Any) -> Any:
        return real(position, orders, wanted, ours, exactly=wanted is not None)

    def at_the_stored(self: Any) -> None:
        return None

    with patch.object(protect, "arrange", exact), patch.object(Coverage, "loosest_price", property(at_the_stored)):
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


@plants("no position stays naked", "every position is covered", seed=54)
def a_halt_blocks_protection() -> Iterator[None]:
    cover = protecting.protect_all

    async def unless_halted(bot: Any, snapshot: Any, trades: Any, **more: Any) -> Any:
        with bot.db.read() as conn:
            halted = system_state(latches.active(conn)) is SystemState.HALTED
        return Protected({}, {}, {}) if halted else await cover(bot, snapshot, trades, **more)

    with patch.object(protecting, "protect_all", unless_halted):
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
