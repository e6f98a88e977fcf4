"""Open orders changed in place: AmendOrder.

An amended order keeps its id and all that has filled. It is checked like a new one, as far as it changed. A limit that
is repriced or grows goes to the back of the queue, and takes at once where its price can trade.
"""

from __future__ import annotations

from dataclasses import replace

from tradectl.domain.money import text
from tradectl.domain.order import Confirmed, OrderFact, OrderRequest, OrderType, Rejected
from tradectl.sim.booking import reserve
from tradectl.sim.checks import amended_fault, expiry_fault, halt_fault, marketable
from tradectl.sim.draft import Draft
from tradectl.sim.ops import AmendOrder
from tradectl.sim.placing import take, unaffordable
from tradectl.sim.pricing import taker_price, threshold
from tradectl.sim.state import SimOrder


def amend(draft: Draft, op: AmendOrder) -> Confirmed | Rejected:
    fault = expiry_fault(draft.server_ms, None, op.expires_ms, draft.settings.timestamp_ahead_ms)
    if fault is not None:
        return fault
    order = draft.orders.get(op.order_id)
    if order is None or order.fact.symbol != op.symbol:
        return Rejected("order_not_found", f"there is no open order {op.order_id} in {op.symbol}")
    before = order.fact
    fact = replace(
        before,
        qty=op.qty if op.qty is not None else before.qty,
        price=op.price if op.price is not None else before.price,
        trigger_price=op.trigger_price if op.trigger_price is not None else before.trigger_price,
        updated_ms=draft.server_ms,
    )
    fault = (
        halt_fault(draft, op.symbol)
        or _unchangeable(order, op)
        or _unchanged(before, fact)
        or amended_fault(draft, _as_asked(order, before), _as_asked(order, fact))
    )
    if fault is not None:
        return fault
    requeued = before.type is OrderType.LIMIT and (fact.price != before.price or fact.qty > before.qty)
    quote = taker_price(draft.instrument(op.symbol), draft.settings, fact.side, draft.prices[op.symbol].last)
    takes = requeued and fact.price is not None and marketable(fact.side, fact.price, quote)
    changed = replace(order, fact=fact)
    fault = unaffordable(draft, changed, fact.remaining_qty, quote if takes else threshold(fact))
    if fault is not None:
        return fault
    if requeued:
        _, number = draft.order_id()
        changed = replace(changed, number=number)
    changed = replace(changed, reserved=reserve(draft, fact, fact.remaining_qty, threshold(fact)))
    changed = draft.update(changed, fact)
    return Confirmed(take(draft, changed, quote) if takes else fact)


def _unchangeable(order: SimOrder, op: AmendOrder) -> Rejected | None:
    """What cannot be amended in an order of this kind, in the state it is in."""
    fact = order.fact
    if order.triggered:
        return Rejected("order_triggered", f"{fact.order_id} has been triggered and is being worked")
    if op.price is not None and fact.type is not OrderType.LIMIT:
        return Rejected("invalid_price", "a stop or take-profit order has no price of its own; amend its trigger price")
    if op.trigger_price is not None and not fact.type.conditional:
        return Rejected("invalid_trigger", "a limit order has no trigger price; amend its price")
    if op.qty is not None and fact.close_position:
        return Rejected("qty_with_close_position", "a close-position order closes whatever is held")
    if op.qty is not None and op.qty <= fact.filled_qty:
        return Rejected(
            "qty_below_filled", f"{text(fact.filled_qty)} have filled, {text(op.qty)} would leave nothing to fill"
        )
    return None


def _unchanged(before: OrderFact, after: OrderFact) -> Rejected | None:
    if (after.qty, after.price, after.trigger_price) == (before.qty, before.price, before.trigger_price):
        return Rejected("not_modified", f"{before.order_id} is already what was asked for")
    return None


def _as_asked(order: SimOrder, fact: OrderFact) -> OrderRequest:
    """The request that would place this order."""
    return OrderRequest(
        client_id=fact.client_id or "",
        symbol=fact.symbol,
        side=fact.side,
        type=fact.type,
        qty=None if fact.close_position else fact.qty,
        timestamp_ms=fact.created_ms,
        expires_ms=fact.created_ms,
        price=fact.price,
        trigger_price=fact.trigger_price,
        trigger_by=fact.trigger_by,
        reduce_only=fact.reduce_only,
        close_position=fact.close_position,
        stop=order.stop,
        target=order.target,
    )
