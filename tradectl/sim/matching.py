"""What happens at one path point of one symbol: liquidation, triggers and limits, in the order the path meets them.

The way from the last point to this one is a straight line, a gap included, so whichever threshold lies nearer to its
start comes first: a stop inside the liquidation price is filled before the position is liquidated. At the same
threshold: liquidation, then stops and targets, then limits, then by age. An order whose rest is being worked (a
triggered stop under a liquidity bound) goes before all. After each fill the point is looked at anew, because children
appear and siblings go: a stop attached here can fire here.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.sim.booking import affordable, execute, fillable
from tradectl.sim.draft import Draft
from tradectl.sim.events import LiquidationStarted, TriggerFired
from tradectl.sim.margin import liquidation_price, maintenance
from tradectl.sim.pricing import reached, taker_price, threshold, watched_price, worse
from tradectl.sim.state import SimOrder, SimPosition

_REASONS = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_MARKET: "stop",
    OrderType.TAKE_PROFIT_MARKET: "target",
}

_Key = tuple[Decimal, int, int]


def settle_point(draft: Draft, symbol: str, came_from: Decimal) -> None:
    """Everything that the prices now standing in the draft set off. came_from: the last price of the point before."""
    worked: set[str] = set()  # an order fills once per point
    while True:
        found = _first(draft, symbol, came_from, worked)
        if found is None:
            return
        if isinstance(found, SimPosition):
            _liquidate(draft, symbol, found)
            continue
        worked.add(found.fact.order_id)
        _work(draft, found)


def _first(draft: Draft, symbol: str, came_from: Decimal, worked: set[str]) -> SimOrder | SimPosition | None:
    prices = draft.prices[symbol]
    position = draft.positions.get(symbol)
    doomed = position is not None and underwater(draft, symbol, position)
    due = [
        order
        for order in draft.orders.values()
        if order.fact.symbol == symbol
        and order.fact.order_id not in worked
        and (order.triggered or reached(order.fact, prices))
    ]
    if not due:
        return position if doomed else None
    falling = prices.last < came_from

    def distance(price: Decimal) -> Decimal:
        return max(came_from - price if falling else price - came_from, ZERO)

    def key(order: SimOrder) -> _Key:
        if order.triggered:
            return ZERO, 0, order.number
        return distance(threshold(order.fact)), 3 if order.fact.type is OrderType.LIMIT else 2, order.number

    first = min(due, key=key)
    if position is not None and doomed:
        if (distance(liquidation_price(draft.instrument(symbol), position)), 1, 0) < key(first):
            return position
    return first


def underwater(draft: Draft, symbol: str, position: SimPosition) -> bool:
    """True when margin + unrealised P&L at the mark no longer exceeds the maintenance margin."""
    mark = draft.prices[symbol].mark
    lot = position.lot
    return position.margin + lot.unrealised(mark) <= maintenance(draft.instrument(symbol), lot, mark)


def _work(draft: Draft, order: SimOrder) -> None:
    fact = order.fact
    symbol = fact.symbol
    prices = draft.prices[symbol]
    if fact.type is OrderType.LIMIT:
        assert fact.price is not None
        _fill_or_drop(draft, order, fact.price, maker=True)
        return
    base = prices.last
    if not order.triggered:
        order = _fire(draft, order)
        assert fact.trigger_price is not None
        base = worse(fact.side, fact.trigger_price, prices.last)
    _fill_or_drop(draft, order, taker_price(draft.instrument(symbol), draft.settings, fact.side, base), maker=False)


def _fire(draft: Draft, order: SimOrder) -> SimOrder:
    fact = order.fact
    fired = replace(order, triggered=True)
    draft.put_order(fired)
    watched = watched_price(fact.trigger_by, draft.prices[fact.symbol])
    draft.emit(lambda seq, at_ms: TriggerFired(seq, at_ms, fact, watched))
    if fact.parent_id is not None:  # one cancels the other
        for sibling in draft.orders_of(fact.symbol):
            if sibling.fact.parent_id == fact.parent_id and sibling.number != fired.number and not sibling.triggered:
                draft.end(sibling, OrderStatus.CANCELED, "oco")
    return fired


def _fill_or_drop(draft: Draft, order: SimOrder, price: Decimal, *, maker: bool) -> None:
    qty = fillable(draft, order)
    if not affordable(draft, order, qty, price):
        draft.end(order, OrderStatus.CANCELED, "insufficient_margin")
        return
    execute(draft, order, qty, price, maker=maker, reason=_REASONS[order.fact.type])


def _liquidate(draft: Draft, symbol: str, position: SimPosition) -> None:
    """Closes the whole position at the worse of last and mark, plus slippage, its bankruptcy price at the worst.

    No order of the symbol survives.
    """
    prices = draft.prices[symbol]
    lot = position.lot
    needed = maintenance(draft.instrument(symbol), lot, prices.mark)
    draft.emit(lambda seq, at_ms: LiquidationStarted(seq, at_ms, symbol, lot.qty, prices.mark, position.margin, needed))
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
