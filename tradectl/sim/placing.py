"""Orders arriving and leaving: PlaceOrder, CancelOrder and VenueCancel.

Market orders are immediate-or-cancel, as on real venues: what finds no liquidity expires. A limit order that can trade
at the quote takes, and its rest stays in the book. A triggered stop or target is worked until it is filled.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed, OrderFact, OrderRequest, OrderStatus, OrderType, Rejected, TriggerBy
from tradectl.sim import pool
from tradectl.sim.booking import affordable, execute, fillable, reserve
from tradectl.sim.checks import expiry_fault, marketable, request_fault, tier_fault
from tradectl.sim.draft import Draft
from tradectl.sim.events import Accepted, RejectedOrder
from tradectl.sim.ops import CancelOrder, PlaceOrder, VenueCancel
from tradectl.sim.pricing import taker_price, threshold
from tradectl.sim.state import SimOrder


def place(draft: Draft, op: PlaceOrder) -> Confirmed | Rejected:
    request = op.request
    fault = expiry_fault(draft.server_ms, request.timestamp_ms, request.expires_ms, draft.settings.timestamp_ahead_ms)
    if fault is not None:
        return fault
    refused = request_fault(draft, request, id_taken=op.id_taken)
    if refused is not None:
        return _refuse(draft, request, refused)
    quote = taker_price(
        draft.instrument(request.symbol), draft.settings, request.side, draft.prices[request.symbol].last
    )
    if request.type is OrderType.MARKET:
        return _place_market(draft, request, quote, op.liquidity)
    return _place_resting(draft, request, quote)


def cancel(draft: Draft, op: CancelOrder) -> Confirmed | Rejected:
    """Cancels one order and only that: a child's sibling and a parent's children stay."""
    fault = expiry_fault(draft.server_ms, None, op.expires_ms, draft.settings.timestamp_ahead_ms)
    if fault is not None:
        return fault
    order = draft.orders.get(op.order_id)
    if order is None or order.fact.symbol != op.symbol:
        return Rejected("order_not_found", f"there is no open order {op.order_id} in {op.symbol}")
    return Confirmed(draft.end(order, OrderStatus.CANCELED, "canceled"))


def cancel_by_venue(draft: Draft, op: VenueCancel) -> Confirmed | Rejected:
    order = draft.orders.get(op.order_id)
    if order is None:
        return Rejected("order_not_found", f"there is no open order {op.order_id}")
    return Confirmed(draft.end(order, OrderStatus.CANCELED, op.reason))


def _place_market(
    draft: Draft, request: OrderRequest, quote: Decimal, liquidity: Decimal | None
) -> Confirmed | Rejected:
    order = _order(draft, request)
    held = abs(draft.qty(request.symbol))
    if request.reduce_only and order.fact.qty > held:
        order = replace(order, fact=replace(order.fact, qty=held))
    fault = unaffordable(draft, order, order.fact.qty, quote)
    if fault is not None:
        return _refuse(draft, request, fault)
    _accept(draft, order)
    qty = fillable(draft, order)
    if liquidity is not None:
        qty = min(qty, draft.instrument(request.symbol).floor_qty(liquidity))
    if not qty:
        draft.put_order(order)
        return Confirmed(draft.end(order, OrderStatus.EXPIRED, "no_liquidity"))
    fact = execute(draft, order, qty, quote, maker=False, reason="market")
    if fact.status.open:
        fact = draft.end(draft.orders[fact.order_id], OrderStatus.EXPIRED, "no_liquidity")
    return Confirmed(fact)


def _place_resting(draft: Draft, request: OrderRequest, quote: Decimal) -> Confirmed | Rejected:
    order = _order(draft, request)
    takes = request.price is not None and marketable(request.side, request.price, quote)
    fault = unaffordable(draft, order, order.fact.qty, quote if takes else threshold(order.fact))
    if fault is not None:
        return _refuse(draft, request, fault)
    if not takes:
        order = replace(order, reserved=reserve(draft, order.fact, order.fact.qty, threshold(order.fact)))
    _accept(draft, order)
    if not takes:
        draft.put_order(order)
        return Confirmed(order.fact)
    return Confirmed(take(draft, order, quote))


def take(draft: Draft, order: SimOrder, quote: Decimal) -> OrderFact:
    """A limit order trades at the quote, as far as there is liquidity, and its rest stays in the book."""
    fact = execute(draft, order, fillable(draft, order), quote, maker=False, reason="limit")
    if fact.status.open:
        rest = draft.orders[fact.order_id]
        draft.put_order(replace(rest, reserved=reserve(draft, fact, fact.remaining_qty, threshold(fact))))
    return fact


def unaffordable(draft: Draft, order: SimOrder, qty: Decimal, price: Decimal) -> Rejected | None:
    """Leverage and margin of what `qty` of this order would open at `price`, all of it, whatever the liquidity."""
    fact = order.fact
    if fact.reduces:
        return None
    fault = tier_fault(draft, fact, qty, price)
    if fault is not None:
        return fault
    if not affordable(draft, order, qty, price):
        return Rejected(
            "insufficient_margin",
            f"{qty * price:.2f} at leverage {text(draft.settings_of(fact.symbol).leverage)} "
            f"and its fees need more than the {max(pool.available(draft), ZERO):.2f} that are free",
        )
    return None


def _order(draft: Draft, request: OrderRequest) -> SimOrder:
    number = draft.next_order
    fact = OrderFact(
        order_id=f"o{number}",
        client_id=request.client_id or None,
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        status=OrderStatus.NEW,
        qty=request.qty if request.qty is not None else ZERO,
        filled_qty=ZERO,
        average_price=None,
        created_ms=draft.server_ms,
        updated_ms=draft.server_ms,
        price=request.price,
        trigger_price=request.trigger_price,
        trigger_by=(request.trigger_by or TriggerBy.LAST) if request.type.conditional else None,
        reduce_only=request.reduce_only,
        close_position=request.close_position,
    )
    return SimOrder(fact, number, request.stop, request.target)


def _accept(draft: Draft, order: SimOrder) -> None:
    draft.next_order += 1
    draft.emit(lambda seq, at_ms: Accepted(seq, at_ms, order.fact))


def _refuse(draft: Draft, request: OrderRequest, fault: Rejected) -> Rejected:
    draft.emit(lambda seq, at_ms: RejectedOrder(seq, at_ms, request, fault.code, fault.message))
    return fault
