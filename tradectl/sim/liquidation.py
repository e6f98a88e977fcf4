"""Closing what can no longer be held: an isolated position for itself, the cross pool position by position.

A pool under water first loses the orders of cross symbols that reserve margin. Then its positions go, each whole, the
largest unrealised loss first and ties by symbol, until what is left is above water. A halted symbol is passed over:
its position stays, whatever the others cost.

Each position is closed at the worse of last and mark, plus slippage; no order of its symbol survives. Isolated, its
bankruptcy price is the worst. Cross, it trades where the market is; the fee is at most what is left, and what the
pool has lost beyond the wallet comes back from the insurance as a fee below zero (`booking`).
"""

from __future__ import annotations

from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.sim import pool
from tradectl.sim.booking import execute
from tradectl.sim.draft import Draft
from tradectl.sim.events import LiquidationStarted
from tradectl.sim.margin import maintenance
from tradectl.sim.pricing import taker_price, worse
from tradectl.sim.state import CROSS, HALTED, SimOrder


def liquidate(draft: Draft, symbol: str) -> None:
    """One step of what a position under water sets off: its own end, or that of the pool's worst position."""
    if draft.positions[symbol].margin_mode != CROSS:
        _close(draft, symbol)
        return
    for order in tuple(draft.orders.values()):
        if order.reserved and draft.settings_of(order.fact.symbol).margin_mode == CROSS:
            draft.end(order, OrderStatus.CANCELED, "liquidation")
    worst = _worst(draft)
    assert worst is not None, "who asks has a position that can be traded"
    _close(draft, worst)


def settle_pool(draft: Draft) -> None:
    """Liquidates the cross pool as far as it is under water, at the prices that stand."""
    while True:
        worst = _worst(draft)
        if worst is None or not pool.underwater(draft, worst):
            return
        liquidate(draft, worst)


def _worst(draft: Draft) -> str | None:
    """The cross position with the largest loss among those that can be traded."""
    tradable = [symbol for symbol in pool.crossed(draft) if draft.settings_of(symbol).status != HALTED]
    if len(tradable) < 2:
        return tradable[0] if tradable else None
    return min(tradable, key=lambda symbol: (pool.unrealised(draft, [symbol]), symbol))


def _close(draft: Draft, symbol: str) -> None:
    prices, lot = draft.prices[symbol], draft.positions[symbol].lot
    backing = pool.backing(draft, symbol)
    needed = maintenance(draft.instrument(symbol), lot, prices.mark)
    draft.emit(lambda seq, at_ms: LiquidationStarted(seq, at_ms, symbol, lot.qty, prices.mark, backing, needed))
    for order in draft.orders_of(symbol):
        draft.end(order, OrderStatus.CANCELED, "liquidation")
    order_id, number = draft.order_id()
    fact = OrderFact(
        order_id=order_id,
        client_id=None,
        symbol=symbol,
        side=OrderSide.SELL if lot.qty > 0 else OrderSide.BUY,
        type=OrderType.MARKET,
        status=OrderStatus.NEW,
        qty=abs(lot.qty),
        filled_qty=ZERO,
        average_price=None,
        created_ms=draft.server_ms,
        updated_ms=draft.server_ms,
        reduce_only=True,
        reason="liquidation",
    )
    price = taker_price(draft.instrument(symbol), draft.settings, fact.side, worse(fact.side, prices.last, prices.mark))
    execute(draft, SimOrder(fact, number), abs(lot.qty), price, maker=False, reason="liquidation", liquidation=True)
