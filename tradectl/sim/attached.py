"""Stops and targets attached to an entry: they appear with what it fills, and count as what they will be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from tradectl.domain.money import ZERO
from tradectl.domain.order import BracketLeg, OrderFact, OrderStatus, OrderType
from tradectl.sim.draft import Draft
from tradectl.sim.events import Accepted
from tradectl.sim.state import SimOrder


def attach(draft: Draft, order: SimOrder, parent: OrderFact, opened: Decimal) -> None:
    """Stop and target for the quantity that just opened: the parent's child grows, or a new one is made."""
    for leg, type_ in _legs(order):
        child = _waiting_child(draft.orders, parent.order_id, type_)
        if child is not None:
            draft.update(child, replace(child.fact, qty=child.fact.qty + opened, updated_ms=draft.server_ms))
        else:
            _new_child(draft, parent, leg, type_, opened)


def conditional_orders(orders: Mapping[str, SimOrder]) -> int:
    """Open stops and targets, and those that open entries still promise."""
    count = 0
    for order in orders.values():
        count += order.fact.type.conditional
        for _, type_ in _legs(order):
            count += _waiting_child(orders, order.fact.order_id, type_) is None
    return count


def _legs(order: SimOrder) -> list[tuple[BracketLeg, OrderType]]:
    legs = ((order.stop, OrderType.STOP_MARKET), (order.target, OrderType.TAKE_PROFIT_MARKET))
    return [(leg, type_) for leg, type_ in legs if leg is not None]


def _waiting_child(orders: Mapping[str, SimOrder], parent_id: str, type_: OrderType) -> SimOrder | None:
    for order in orders.values():
        if order.fact.parent_id == parent_id and order.fact.type is type_ and not order.triggered:
            return order
    return None


def _new_child(draft: Draft, parent: OrderFact, leg: BracketLeg, type_: OrderType, qty: Decimal) -> None:
    order_id, number = draft.order_id()
    fact = OrderFact(
        order_id=order_id,
        client_id=None,
        symbol=parent.symbol,
        side=parent.side.opposite,
        type=type_,
        status=OrderStatus.NEW,
        qty=qty,
        filled_qty=ZERO,
        average_price=None,
        created_ms=draft.server_ms,
        updated_ms=draft.server_ms,
        trigger_price=leg.trigger_price,
        trigger_by=leg.trigger_by,
        reduce_only=True,
        parent_id=parent.order_id,
    )
    draft.put_order(SimOrder(fact, number))
    draft.emit(lambda seq, at_ms: Accepted(seq, at_ms, fact))
