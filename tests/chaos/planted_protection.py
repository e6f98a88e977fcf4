"""Faults in protecting: stops that are missing, moved away, too large, or taken for placed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from planting import plants

from tradectl.domain import intent as intent_module
from tradectl.domain.intent import cancel_draft
from tradectl.domain.position import Coverage, covers, protective_stops
from tradectl.domain.system_state import SystemState, system_state
from tradectl.engine import protecting
from tradectl.execution import exits, observe, protect, stop_level
from tradectl.execution.protected import Protected
from tradectl.execution.stop_level import Arrangement
from tradectl.operations import stops_place
from tradectl.operations.stop_hands import PlacedStops
from tradectl.store import latches


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


@plants("covered exactly once", seed=34)
def stops_are_sized_past_the_position() -> Iterator[None]:
    real = intent_module.stop_drafts

    def doubled(*args: Any, held: Any = None, **more: Any) -> Any:
        return real(args[0], args[1], args[2] * 2, *args[3:], **more)

    with patch.object(protect, "stop_drafts", doubled):
        yield


@plants("no position stays naked", "every position is covered", seed=4)
def a_missing_stop_is_not_placed() -> Iterator[None]:
    async def nothing(self: Any, look: Any) -> None:
        return None

    with patch.object(protect._Pass, "_cover", nothing):
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


@plants("exit codes match outcomes", seed=1)
def a_stop_that_was_placed_is_not_looked_at_again() -> Iterator[None]:
    """An operator's command calls a position covered because it has sent a stop."""

    async def surely(books: Any, desk: Any, symbol: str) -> tuple[bool, None]:
        return True, None

    with patch.object(stops_place, "covered", surely), patch.object(stops_place, "place_stops", _unsent):
        yield


async def _unsent(own: Any, books: Any, drafts: Any, newest: int) -> PlacedStops:
    return PlacedStops(("sent",), (), None)


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


@plants("no position stays naked", "every position is covered", seed=54)
def a_halt_blocks_protection() -> Iterator[None]:
    cover = protecting.protect_all

    async def unless_halted(bot: Any, snapshot: Any, trades: Any, **more: Any) -> Any:
        with bot.db.read() as conn:
            halted = system_state(latches.active(conn)) is SystemState.HALTED
        return Protected({}, {}, {}) if halted else await cover(bot, snapshot, trades, **more)

    with patch.object(protecting, "protect_all", unless_halted):
        yield
