"""One execution, booked: money between the accounts, the position, the order.

Isolated margin is kept at its word: a fill that reduces a position trades no worse than its bankruptcy price, and what
the market lost us beyond it is paid by the insurance account. So a position costs its trader at most its margin; fees
and funding come on top, out of the rest of the wallet. A liquidation's fee is taken from what margin is left.

A cross position trades where the market is. No fee is more than the account can spare (`pool.spare`), and where a fill
has lost more than that, the insurance account pays the difference: the fill's fee is then below zero. So what isolated
positions have set aside is never touched by another's loss, and every payment stands in a fill.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tradectl.domain.fill import Fill, FillKind
from tradectl.domain.money import ZERO, divide
from tradectl.domain.order import OrderFact, OrderStatus
from tradectl.domain.position import Lot, apply_fill
from tradectl.sim import pool
from tradectl.sim.attached import attach
from tradectl.sim.draft import Draft
from tradectl.sim.events import Executed
from tradectl.sim.margin import bankruptcy_price, initial_margin, order_cost
from tradectl.sim.pricing import threshold
from tradectl.sim.state import FEES, INSURANCE, ISOLATED, MARKET, TRADER, SimOrder, SimPosition


def closing_qty(held: Decimal, fact: OrderFact, qty: Decimal) -> Decimal:
    """How much of `qty` would reduce a position of `held` (signed); the rest opens."""
    opposing = held != 0 and (held > 0) != (fact.side.sign > 0)
    return min(qty, abs(held)) if opposing else ZERO


def fillable(draft: Draft, order: SimOrder) -> Decimal:
    """What the order may fill at one path point: cut to the position where it only reduces, and to the liquidity."""
    fact = order.fact
    held = abs(draft.qty(fact.symbol))
    qty = held if fact.close_position else min(fact.remaining_qty, held) if fact.reduce_only else fact.remaining_qty
    most = draft.settings.max_fill_qty_per_point
    if most is None:
        return qty
    instrument = draft.instrument(fact.symbol)
    return min(qty, max(instrument.floor_qty(most), instrument.qty_step))


def affordable(draft: Draft, order: SimOrder, qty: Decimal, price: Decimal) -> bool:
    """True when what is available bears the margin and fees of what this fill would open."""
    fact = order.fact
    held = draft.positions.get(fact.symbol)
    closing = closing_qty(held.lot.qty if held else ZERO, fact, qty)
    opening = qty - closing
    if not opening:
        return True
    if closing and held is not None:  # through flat: as if the old position had gone, with what it made or lost
        _, realised = apply_fill(held.lot, -held.lot.qty, price)
        kept = max(realised, -held.margin) if held.margin_mode == ISOLATED else realised
        fee = max(draft.settings.taker_fee, ZERO) * closing * price
        free = pool.available(draft, without=fact.symbol, gain=kept - fee)
    else:
        free = pool.available(draft)
    if fact.order_id in draft.orders:
        free += order.reserved
    return free >= order_cost(draft.settings, opening * price, draft.settings_of(fact.symbol).leverage)


def reserve(draft: Draft, fact: OrderFact, qty: Decimal, price: Decimal) -> Decimal:
    """What an open order sets aside for the part of `qty` that would open; 0 for one that only reduces."""
    if fact.reduces:
        return ZERO
    opening = qty - closing_qty(draft.qty(fact.symbol), fact, qty)
    return order_cost(draft.settings, opening * price, draft.settings_of(fact.symbol).leverage)


def execute(
    draft: Draft,
    order: SimOrder,
    qty: Decimal,
    price: Decimal,
    *,
    maker: bool,
    reason: str,
    liquidation: bool = False,
) -> OrderFact:
    """Books a fill of `qty` > 0 (already cut by `fillable`) and everything that follows from it at once.

    The order's status says whether it has ended. Children are sized to what opened; orders that could only reduce what
    is no longer held are cancelled.
    """
    fact = order.fact
    symbol = fact.symbol
    held = draft.positions.get(symbol)
    closing = closing_qty(held.lot.qty if held else ZERO, fact, qty)
    insured = ZERO
    if held is not None and closing and held.margin_mode == ISOLATED:
        floor = bankruptcy_price(draft.instrument(symbol), held)
        if price < floor if held.lot.qty > 0 else price > floor:
            if closing < qty:  # through flat and past bankruptcy: only what closes is insured
                kept = execute(draft, order, closing, price, maker=maker, reason=reason)
                rest = replace(order, fact=kept, filled_cost=order.filled_cost + closing * floor)
                return execute(draft, rest, qty - closing, price, maker=maker, reason=reason)
            insured = abs(price - floor) * closing
            price = floor
    signed = qty * fact.side.sign
    lot, realised = apply_fill(held.lot if held else Lot(), signed, price)
    freed = ZERO
    if held is not None and closing:
        freed = held.margin if closing == abs(held.lot.qty) else divide(held.margin * closing, abs(held.lot.qty))
    fee = qty * price * (draft.settings.maker_fee if maker else draft.settings.taker_fee)
    if liquidation:
        fee = qty * price * draft.settings.liquidation_fee
        if held is not None and held.margin_mode == ISOLATED:
            fee = min(fee, max(freed + realised, ZERO))
    draft.move(MARKET, TRADER, realised)
    draft.move(INSURANCE, MARKET, insured)
    _hold(draft, symbol, held, lot, freed, (qty - closing) * price)
    fee = _charge(draft, fee, INSURANCE if liquidation else FEES)
    at_ms, seq = draft.server_ms, draft.next_seq
    fill = Fill(
        execution_id=f"x{seq}",
        seq=seq,
        order_id=fact.order_id,
        client_id=fact.client_id,
        parent_id=fact.parent_id,
        symbol=symbol,
        side=fact.side,
        qty=qty,
        price=price,
        fee=fee,
        at_ms=at_ms,
        maker=maker,
        kind=FillKind.LIQUIDATION if liquidation else FillKind.TRADE,
        reason=reason,
    )
    draft.emit(lambda number, now: Executed(number, now, fill))
    after = _fill_order(draft, order, qty, price)
    if closing:
        drop_stale_reducers(draft, symbol)
    if qty > closing:
        attach(draft, order, after, qty - closing)
    return after


def drop_stale_reducers(draft: Draft, symbol: str) -> None:
    """Cancels orders that could only reduce, where there is nothing left on the side that they reduce."""
    held = draft.qty(symbol)
    for order in draft.orders_of(symbol):
        if order.fact.reduces and (held == 0 or (held > 0) == (order.fact.side.sign > 0)):
            draft.end(order, OrderStatus.CANCELED, "position_closed")


def _charge(draft: Draft, fee: Decimal, to: str) -> Decimal:
    """The fee that is really paid: at most what can be spared, and less than nothing where even that is gone."""
    spare = pool.spare(draft)
    paid = min(fee, max(spare, ZERO))
    draft.move(TRADER, to, paid)
    lacking = max(paid - spare, ZERO)
    draft.move(INSURANCE, TRADER, lacking)
    return paid - lacking


def _hold(
    draft: Draft, symbol: str, held: SimPosition | None, lot: Lot, freed: Decimal, opened_notional: Decimal
) -> None:
    if lot.flat:
        draft.put_position(symbol, None)
        return
    settings = draft.settings_of(symbol)
    margin = (held.margin if held else ZERO) - freed
    if opened_notional:
        margin += initial_margin(opened_notional, settings.leverage)
    draft.put_position(symbol, SimPosition(lot, settings.leverage, settings.margin_mode, margin, draft.server_ms))


def _fill_order(draft: Draft, order: SimOrder, qty: Decimal, price: Decimal) -> OrderFact:
    fact = order.fact
    filled = fact.filled_qty + qty
    cost = order.filled_cost + qty * price
    flat = draft.qty(fact.symbol) == 0
    done = flat if fact.close_position else filled == fact.qty or (fact.reduce_only and flat)
    changed = replace(
        fact,
        # An order that could only reduce is cut to what there was to reduce.
        qty=filled if done and fact.reduce_only and not fact.close_position else fact.qty,
        filled_qty=filled,
        average_price=divide(cost, filled),
        status=OrderStatus.PARTIALLY_FILLED,
        updated_ms=draft.server_ms,
    )
    rest = replace(order, fact=changed, filled_cost=cost)
    if done:
        return draft.end(rest, OrderStatus.FILLED, fact.reason)
    if order.reserved:
        rest = replace(rest, reserved=reserve(draft, changed, changed.remaining_qty, threshold(changed)))
    return draft.update(rest, changed).fact
