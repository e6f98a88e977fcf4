"""The checks of an order request, before anything moves. Each refusal is a stable code and a sentence with numbers.

The client-id rule is one pattern here; a venue's own (length, alphabet) is its face's. An order may come without one,
as people's orders do on some venues: an empty id is none.
"""

from __future__ import annotations

import re
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import is_multiple, text
from tradectl.domain.order import BracketLeg, OrderFact, OrderRequest, OrderSide, OrderType, Rejected
from tradectl.sim.attached import conditional_orders
from tradectl.sim.draft import Draft
from tradectl.sim.pricing import taker_price, triggered_at, watched_price
from tradectl.sim.state import FOR_EVER, HALTED, REDUCE_ONLY, Prices

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")


def expiry_fault(server_ms: int, timestamp_ms: int | None, expires_ms: int, ahead_ms: int) -> Rejected | None:
    """A signed request outside its window is not read at all (promise 2)."""
    if server_ms > expires_ms:
        return Rejected("request_expired", f"the request expired at {expires_ms}, the server's time is {server_ms}")
    if timestamp_ms is not None and timestamp_ms > server_ms + ahead_ms:
        return Rejected(
            "timestamp_ahead", f"the request's timestamp {timestamp_ms} is ahead of the server's time {server_ms}"
        )
    return None


def request_fault(draft: Draft, request: OrderRequest, *, id_taken: bool) -> Rejected | None:
    """The first rule that the request breaks; margin apart."""
    instrument = draft.instruments.get(request.symbol)
    if instrument is None:
        return Rejected("unknown_symbol", f"{request.symbol} is not listed here")
    refused = _status(draft, request)
    if refused is not None:
        return refused
    prices = draft.prices.get(request.symbol)
    if prices is None:
        return Rejected("no_price", f"{request.symbol} has not traded yet")
    return (
        _client_id(draft, request, id_taken)
        or _shape(request)
        or _steps(request, instrument)
        or _reduces(draft, request)
        or _sizes(request, instrument, prices)
        or _triggers(request, prices)
        or _brackets(request, instrument, draft, prices)
        or _conditional(draft, request)
    )


def amended_fault(draft: Draft, before: OrderRequest, after: OrderRequest) -> Rejected | None:
    """The first rule that an amended order breaks, margin apart. What was not amended was checked when it came."""
    instrument, prices = draft.instrument(after.symbol), draft.prices[after.symbol]
    fault = _steps(after, instrument)
    if fault is None and (after.qty, after.price) != (before.qty, before.price):
        fault = _sizes(after, instrument, prices)
    if fault is None and after.trigger_price != before.trigger_price:
        fault = _triggers(after, prices)
    return fault or _brackets(after, instrument, draft, prices)


def halt_fault(draft: Draft, symbol: str) -> Rejected | None:
    if draft.settings_of(symbol).status == HALTED:
        return Rejected("symbol_halted", f"trading in {symbol} is halted; orders can only be cancelled")
    return None


def _status(draft: Draft, request: OrderRequest) -> Rejected | None:
    reduces = request.reduce_only or request.close_position
    if draft.settings_of(request.symbol).status == REDUCE_ONLY and not reduces:
        return Rejected(
            "reduce_only_symbol", f"positions in {request.symbol} can only be reduced; the order is not reduce-only"
        )
    return halt_fault(draft, request.symbol)


def _client_id(draft: Draft, request: OrderRequest, taken: bool) -> Rejected | None:
    if not request.client_id:
        return None
    if not _CLIENT_ID.fullmatch(request.client_id):
        return Rejected("invalid_client_id", "a client id is 1 to 36 of the characters . A-Z : / a-z 0-9 _ -")
    for order in draft.orders.values():
        if order.fact.client_id == request.client_id:
            return Rejected(
                "duplicate_client_id", f"{request.client_id} is the id of the open order {order.fact.order_id}"
            )
    if taken and draft.settings.client_ids == FOR_EVER:
        return Rejected(
            "duplicate_client_id", f"{request.client_id} is the id of an order that has ended; no id is used twice here"
        )
    return None


def _shape(request: OrderRequest) -> Rejected | None:
    if request.qty is None and not request.close_position:
        return Rejected("qty_missing", "only a close-position order has no quantity")
    if request.qty is not None and request.close_position:
        return Rejected("qty_with_close_position", "a close-position order closes whatever is held; leave qty out")
    if (request.price is None) == (request.type is OrderType.LIMIT):
        return Rejected("invalid_price", "a limit order has a price, and no other order has one")
    if request.close_position and request.type is OrderType.LIMIT:
        return Rejected("invalid_close_position", "a close-position order is a market, stop or take-profit order")
    if (request.trigger_price is None) == request.type.conditional:
        return Rejected("invalid_trigger", "a stop or take-profit order has a trigger price, and no other has one")
    if (request.stop or request.target) and (request.reduce_only or request.close_position):
        return Rejected("invalid_bracket", "brackets are attached to orders that open, not to ones that reduce")
    return None


def _legs(request: OrderRequest) -> list[BracketLeg]:
    return [leg for leg in (request.stop, request.target) if leg is not None]


def _steps(request: OrderRequest, instrument: Instrument) -> Rejected | None:
    prices = [request.price, request.trigger_price, *(leg.trigger_price for leg in _legs(request))]
    for price in prices:
        if price is not None and (price <= 0 or not is_multiple(price, instrument.tick_size)):
            return Rejected("price_precision", f"{text(price)} is not a multiple of the tick {instrument.tick_size:f}")
    qty = request.qty
    if qty is not None and (qty <= 0 or not is_multiple(qty, instrument.qty_step)):
        return Rejected("qty_precision", f"{text(qty)} is not a multiple of the step {instrument.qty_step:f}")
    return None


def _reduces(draft: Draft, request: OrderRequest) -> Rejected | None:
    if not (request.reduce_only or request.close_position):
        return None
    held = draft.qty(request.symbol)
    if held == 0:
        return Rejected("reduce_only_flat", f"there is no position in {request.symbol} to reduce")
    if (held > 0) == (request.side is OrderSide.BUY):
        return Rejected("reduce_only_side", f"a {request.side} order would add to a position of {text(held)}")
    return None


def _sizes(request: OrderRequest, instrument: Instrument, prices: Prices) -> Rejected | None:
    qty = request.qty
    if qty is None:
        return None
    if qty < instrument.min_qty:
        return Rejected("min_qty", f"{text(qty)} is below the minimum quantity {text(instrument.min_qty)}")
    limit = request.type is OrderType.LIMIT
    most = instrument.max_limit_qty if limit else instrument.max_market_qty
    if most is not None and qty > most:
        return Rejected(
            "max_limit_qty" if limit else "max_market_qty",
            f"{text(qty)} is above the largest {'limit' if limit else 'market'} order {text(most)}",
        )
    price = request.price or request.trigger_price or prices.last
    if not request.reduce_only and qty * price < instrument.min_notional:
        return Rejected(
            "min_notional", f"{text(qty * price)} is below the minimum value {text(instrument.min_notional)}"
        )
    return None


def _triggers(request: OrderRequest, prices: Prices) -> Rejected | None:
    if request.trigger_price is None:
        return None
    watched = watched_price(request.trigger_by, prices)
    if triggered_at(request.type, request.side, request.trigger_price, watched):
        return _immediate(request.type, request.trigger_price, watched)
    return None


def _brackets(request: OrderRequest, instrument: Instrument, draft: Draft, prices: Prices) -> Rejected | None:
    if (request.stop or request.target) and not draft.settings.attaches_brackets:
        return Rejected("no_brackets", "no stop or target can be attached to an order here")
    quote = taker_price(instrument, draft.settings, request.side, prices.last)
    # Resting entries are measured at their own price, others where the market stands now.
    resting: Decimal | None = request.price if request.price is not None else request.trigger_price
    if request.price is not None and marketable(request.side, request.price, quote):
        resting = None
    for leg, type_ in ((request.stop, OrderType.STOP_MARKET), (request.target, OrderType.TAKE_PROFIT_MARKET)):
        if leg is None:
            continue
        watched = resting if resting is not None else watched_price(leg.trigger_by, prices)
        if triggered_at(type_, request.side.opposite, leg.trigger_price, watched):
            return _immediate(type_, leg.trigger_price, watched)
    return None


def _conditional(draft: Draft, request: OrderRequest) -> Rejected | None:
    most = draft.settings.max_conditional_orders
    brings = len(_legs(request)) + request.type.conditional
    if most is None or not brings:
        return None
    standing = conditional_orders(draft.orders)
    if standing + brings <= most:
        return None
    return Rejected(
        "too_many_conditional",
        f"{standing} stop and take-profit orders stand, this one brings {brings}; {most} may be open",
    )


def marketable(side: OrderSide, price: Decimal, quote: Decimal) -> bool:
    """True when a limit at `price` can trade against the quote of the other side at once."""
    return price >= quote if side is OrderSide.BUY else price <= quote


def tier_fault(draft: Draft, fact: OrderFact, qty: Decimal, price: Decimal) -> Rejected | None:
    """The leverage in force against what the tier of the position to come allows, all of it valued at `price`."""
    held = draft.qty(fact.symbol)
    opening = qty
    if held and (held > 0) != (fact.side is OrderSide.BUY):
        opening = max(qty - abs(held), Decimal(0))
        held = Decimal(0)
    if not opening:
        return None
    notional = (abs(held) + opening) * price
    tier = draft.instrument(fact.symbol).tier_for(notional)
    leverage = draft.settings_of(fact.symbol).leverage
    if leverage > tier.max_leverage:
        return Rejected(
            "leverage_too_high",
            f"a position of {notional:.2f} allows leverage {text(tier.max_leverage)}, {text(leverage)} is set",
        )
    return None


def _immediate(type_: OrderType, trigger: Decimal, watched: Decimal) -> Rejected:
    kind = "stop" if type_ is OrderType.STOP_MARKET else "take-profit"
    return Rejected("immediate_trigger", f"the {kind} at {text(trigger)} would fire at once at {text(watched)}")
