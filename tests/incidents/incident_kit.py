"""What the incidents share: people at the exchange's own page, a daemon's attempt at a cycle, and what then stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from bot_kit import SOL, D, Rig

from tradectl.domain.intent import Intent, Purpose
from tradectl.domain.order import Confirmed, OrderFact, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.sim import views
from tradectl.sim.ops import CancelOrder, PlaceOrder
from tradectl.store import cycles, intents

Fault = Callable[[], AbstractContextManager[None]]


def by_hand(
    desk: Rig, side: OrderSide, kind: OrderType, qty: str | None, *, symbol: str = SOL, client_id: str = "", **more: Any
) -> OrderFact:
    """An order straight at the exchange, as somebody places it who knows nothing of the bot."""
    host = desk.embedded.host
    now_ms = host.state.server_ms
    if kind.conditional:
        more.setdefault("trigger_by", TriggerBy.LAST)
    name = client_id or f"web-{host.state.next_order}"
    request = OrderRequest(name, symbol, side, kind, None if qty is None else D(qty), now_ms, now_ms + 5_000, **more)
    reply = host.execute(PlaceOrder(request, now_ms)).reply
    assert isinstance(reply, Confirmed), reply
    return reply.order


def cancel_by_hand(desk: Rig, *orders: OrderFact) -> None:
    host = desk.embedded.host
    for order in orders:
        now_ms = host.state.server_ms
        assert isinstance(
            host.execute(CancelOrder(order.symbol, order.order_id, now_ms, now_ms + 5_000)).reply, Confirmed
        )


def picture(desk: Rig) -> Snapshot:
    """What is true at the exchange now; also from within a call to it."""
    return views.snapshot(desk.embedded.host.state)


def strip(desk: Rig, *symbols: str) -> None:
    """Somebody cancels every stop of these symbols."""
    cancel_by_hand(desk, *(one for one in picture(desk).orders if one.symbol in symbols and one.protective))


def attempt(desk: Rig, *, step: bool = True) -> bool:
    """One turn of the daemon's loop, start-up's recovery included while it has not succeeded. False: not completed."""
    if step:
        desk.step()
    desk.assembled = replace(desk.assembled, bot=desk.bot)
    with desk.db.read() as conn:
        number = cycles.progress(conn).cycle
    return desk.run(daemon._attempt(desk.assembled, daemon.Run(RunOptions(), number=number)))


def held(desk: Rig) -> dict[str, Decimal]:
    """{symbol: signed quantity at the venue}."""
    return {position.symbol: position.qty for position in picture(desk).positions if position.qty}


def protections(desk: Rig) -> dict[str, Protection]:
    snapshot = picture(desk)
    return {one.symbol: coverage(one, snapshot.orders).protection for one in snapshot.positions if one.qty}


def sent(desk: Rig, *purposes: Purpose) -> list[Intent]:
    """Intents of these purposes, oldest first."""
    with desk.db.read() as conn:
        found = intents.latest(conn, None, 1000)
    return [one for one in found[::-1] if one.purpose in purposes]


@contextmanager
def must_be_seen(saying: str) -> Iterator[None]:
    """The check inside fails where it says so: with the old fault back in place, it has to."""
    with pytest.raises(AssertionError, match=saying):
        yield
