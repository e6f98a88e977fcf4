"""Binance USDⓈ-M futures: which endpoints tell what (public documentation of the futures API, read 2026-07-31).

exchangeInfo: contracts, filters, limits of request weight. premiumIndex: mark price and funding. ticker/bookTicker:
best bid and ask. Signed: leverageBracket (tiers), commissionRate (fees), v3/account (balances; marginBalance is wallet
plus unrealised P&L).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tradectl.domain.instrument import Instrument, Tier
from tradectl.venue import fields
from tradectl.venue.asked import Listing, Quotes, sorted_out, spread_of
from tradectl.venue.client import Client

_INFO, _INDEX, _BOOK = "exchangeInfo", "premiumIndex", "bookTicker"
_BRACKETS, _FEES, _ACCOUNT = "leverageBracket", "commissionRate", "account"


class Binance:
    signed = frozenset(("tiers", "fees", "equity"))

    async def time_ms(self, client: Client) -> int:
        return fields.whole(_object(await client.get("fapiPublicGetTime"), "time"), "serverTime", "time")

    async def listing(self, client: Client, symbols: Sequence[str]) -> Listing:
        body = await client.get("fapiPublicGetExchangeInfo")
        known = fields.named(fields.rows(body, _INFO, "symbols"), "symbol")
        listing = sorted_out(symbols, known, _INFO, _why_not, _instrument)
        stops = {}
        for symbol in listing.instruments:
            # Not every contract has this filter; without it the limit is not known, and that is all.
            most = _filters(known[symbol], f"{_INFO} {symbol}").get("MAX_NUM_ALGO_ORDERS", {})
            if "limit" in most:
                stops[symbol] = fields.whole(most, "limit", f"{_INFO} {symbol} MAX_NUM_ALGO_ORDERS")
        return replace(listing, requests_per_minute=_weight_per_minute(body), conditional_orders=stops)

    async def quotes(self, client: Client, symbols: Sequence[str]) -> Quotes:
        index = fields.of_symbols(fields.rows(await client.get("fapiPublicGetPremiumIndex"), _INDEX), _INDEX, symbols)
        book = fields.of_symbols(fields.rows(await client.get("fapiPublicGetTickerBookTicker"), _BOOK), _BOOK, symbols)
        prices, funding, spreads = {}, {}, {}
        for symbol, row in index.items():
            prices[symbol] = fields.positive(row, "markPrice", f"{_INDEX} {symbol}")
            funding[symbol] = fields.number(row, "lastFundingRate", f"{_INDEX} {symbol}")
        for symbol, row in book.items():
            of = f"{_BOOK} {symbol}"
            spread = spread_of(fields.not_negative(row, "bidPrice", of), fields.not_negative(row, "askPrice", of))
            if spread is not None:
                spreads[symbol] = spread
        return Quotes(prices, funding, spreads)

    async def tiers(self, client: Client, symbols: Sequence[str]) -> Mapping[str, tuple[Tier, ...]]:
        every = fields.rows(await client.get("fapiPrivateGetLeverageBracket"), _BRACKETS)
        found = fields.of_symbols(every, _BRACKETS, symbols)
        return {symbol: _tiers(row, f"{_BRACKETS} {symbol}") for symbol, row in found.items()}

    async def fees(self, client: Client, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        found = {}
        for symbol in symbols:
            row = _object(await client.get("fapiPrivateGetCommissionRate", symbol=symbol), f"{_FEES} {symbol}")
            found[symbol] = fields.number(row, "takerCommissionRate", f"{_FEES} {symbol}")
        return found

    async def equity(self, client: Client, currency: str) -> Decimal | None:
        assets = fields.rows(await client.get("fapiPrivateV3GetAccount"), _ACCOUNT, "assets")
        for row in assets:
            if row.get("asset") == currency:
                return fields.number(row, "marginBalance", f"{_ACCOUNT} {currency}")
        return None


def _object(body: Any, of: str) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise fields.wrong(of, "it is a list")
    return body


def _why_not(row: Mapping[str, Any] | None) -> str:
    """'' for a perpetual contract that is traded now."""
    if row is None:
        return "the venue has no such contract"
    kind, status = row.get("contractType"), row.get("status")
    if kind != "PERPETUAL":
        return f"it is no perpetual contract ({fields.brief(kind)})"
    if status != "TRADING":
        return f"the venue does not trade it now ({fields.brief(status)})"
    if row.get("marginAsset") != row.get("quoteAsset"):
        margin, quote = fields.brief(row.get("marginAsset")), fields.brief(row.get("quoteAsset"))
        return f"its margin is in {margin}, not in {quote}"
    return ""


def _filters(row: Mapping[str, Any], of: str) -> dict[str, Mapping[str, Any]]:
    return fields.named(fields.rows(row, of, "filters"), "filterType")


def _instrument(symbol: str, row: Mapping[str, Any]) -> Instrument:
    of = f"{_INFO} {symbol}"
    filters = _filters(row, of)
    price, lot = fields.part(filters, "PRICE_FILTER", of), fields.part(filters, "LOT_SIZE", of)
    notional = fields.part(filters, "MIN_NOTIONAL", of)
    by_market = filters.get("MARKET_LOT_SIZE", lot)
    return Instrument(
        symbol=symbol,
        base=fields.text_of(row, "baseAsset", of),
        quote=fields.text_of(row, "quoteAsset", of),
        tick_size=fields.positive(price, "tickSize", f"{of} PRICE_FILTER"),
        qty_step=fields.positive(lot, "stepSize", f"{of} LOT_SIZE"),
        min_qty=fields.positive(lot, "minQty", f"{of} LOT_SIZE"),
        min_notional=fields.not_negative(notional, "notional", f"{of} MIN_NOTIONAL"),
        max_market_qty=fields.positive(by_market, "maxQty", f"{of} MARKET_LOT_SIZE"),
        max_limit_qty=fields.positive(lot, "maxQty", f"{of} LOT_SIZE"),
        tiers=(),
    )


def _weight_per_minute(body: Mapping[str, Any]) -> int | None:
    for row in fields.rows(body, _INFO, "rateLimits"):
        if row.get("rateLimitType") == "REQUEST_WEIGHT" and row.get("interval") == "MINUTE":
            of = f"{_INFO} rateLimits"
            return fields.whole(row, "limit", of) // fields.whole(row, "intervalNum", of)
    return None


def _tiers(row: Mapping[str, Any], of: str) -> tuple[Tier, ...]:
    """maintenance margin = notional × maintMarginRatio − cum, within each bracket."""
    made = [
        Tier(
            notional_cap=fields.positive(one, "notionalCap", of),
            max_leverage=fields.positive(one, "initialLeverage", of),
            maintenance_rate=fields.positive(one, "maintMarginRatio", of),
            maintenance_amount=fields.not_negative(one, "cum", of),
        )
        for one in fields.rows(row, of, "brackets")
    ]
    return fields.ascending(made, of)
