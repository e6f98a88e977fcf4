"""What happens at one path point of one symbol: liquidation, triggers and limits, in the order the path meets them.

The way from the last point to this one is a straight line, a gap included, so whichever threshold lies nearer to its
start comes first: a stop inside the liquidation price is filled before the position is liquidated. At the same
threshold: liquidation, then stops and targets, then limits, then by age. An order whose rest is being worked (a
triggered stop under a liquidity bound) goes before all. After each fill the point is looked at anew, because children
appear and siblings go: a stop attached here can fire here.

A cross position has the same order on the path of its own symbol: its threshold is the mark price at which the pool
goes under, all other marks held where they stand, and what happens there is one step of the pool's liquidation, which
may take another symbol first. On a path that goes in the position's favour a pool under water was so from the start.
When the symbol has come to rest the pool is looked at once more, for what this point has done to the others.

A halted symbol is passed over; when it trades again, all that its prices have passed meanwhile lies at the start.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderStatus, OrderType
from tradectl.sim import pool
from tradectl.sim.booking import affordable, execute, fillable
from tradectl.sim.checks import tier_fault
from tradectl.sim.draft import Draft
from tradectl.sim.events import TriggerFired
from tradectl.sim.liquidation import liquidate, settle_pool
from tradectl.sim.margin import liquidation_price
from tradectl.sim.pricing import reached, taker_price, threshold, watched_price, worse
from tradectl.sim.state import CROSS, HALTED, SimOrder, SimPosition

_REASONS = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_MARKET: "stop",
    OrderType.TAKE_PROFIT_MARKET: "target",
}

_Key = tuple[Decimal, int, int]


def settle_point(draft: Draft, symbol: str, came_from: Decimal) -> None:
    """Everything that the prices now standing in the draft set off. came_from: the last price of the point before."""
    if draft.settings_of(symbol).status != HALTED:
        _settle_symbol(draft, symbol, came_from)
    for position in draft.positions.values():
        if position.margin_mode == CROSS:
            settle_pool(draft)
            return


def _settle_symbol(draft: Draft, symbol: str, came_from: Decimal) -> None:
    worked: set[str] = set()  # an order fills once per point
    while True:
        found = _first(draft, symbol, came_from, worked)
        if found is None:
            return
        if isinstance(found, SimPosition):
            liquidate(draft, symbol)
            continue
        worked.add(found.fact.order_id)
        _work(draft, found)


def _first(draft: Draft, symbol: str, came_from: Decimal, worked: set[str]) -> SimOrder | SimPosition | None:
    prices = draft.prices[symbol]
    position = draft.positions.get(symbol)
    doomed = position is not None and pool.underwater(draft, symbol)
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
        lot, way = position.lot, ZERO
        if (lot.qty > 0) == falling:
            backing = pool.backing(draft, symbol)
            way = distance(liquidation_price(draft.instrument(symbol), lot, backing, near=came_from))
        if (way, 1, 0) < key(first):
            return position
    return first


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
    fault = tier_fault(draft, order.fact, qty, price)
    if fault is not None or not affordable(draft, order, qty, price):
        draft.end(order, OrderStatus.CANCELED, fault.code if fault is not None else "insufficient_margin")
        return
    execute(draft, order, qty, price, maker=maker, reason=_REASONS[order.fact.type])
