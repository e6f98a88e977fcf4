"""Bybit's linear perpetuals: which endpoints tell what (public documentation of API v5, read 2026-07-31).

market/instruments-info: contracts, in pages. market/tickers: mark price, funding, best bid and ask. market/risk-limit:
tiers, public, a symbol at a time. Signed: account/fee-rate, account/wallet-balance (equity is wallet plus unrealised
P&L). Every answer is in an envelope whose retCode ccxt has looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.money import ONE, ZERO
from tradectl.venue import fields
from tradectl.venue.asked import Listing, Quotes, sorted_out, spread_of
from tradectl.venue.client import Client

_INFO, _TICKERS, _LIMITS = "instruments-info", "tickers", "risk-limit"
_FEES, _WALLET = "fee-rate", "wallet-balance"
_PAGES = 50  # of 1000 contracts: more is a cursor that leads nowhere
_LIKE_ONE = (Decimal("0.95"), Decimal("1.05"))  # initial margin × leverage, where both are rounded


class Bybit:
    signed = frozenset(("fees", "equity"))

    async def time_ms(self, client: Client) -> int:
        return fields.whole(await client.get("publicGetV5MarketTime"), "time", "time")

    async def listing(self, client: Client, symbols: Sequence[str]) -> Listing:
        known: dict[str, Mapping[str, Any]] = {}
        cursor, pages = "", 0
        while True:
            page = {"cursor": cursor} if cursor else {}
            body = await client.get("publicGetV5MarketInstrumentsInfo", category="linear", limit="1000", **page)
            known |= fields.named(fields.rows(body, _INFO, "result", "list"), "symbol")
            cursor, pages = str(body["result"].get("nextPageCursor") or ""), pages + 1
            if not cursor:
                break
            if pages == _PAGES:
                raise fields.wrong(_INFO, f"it has no last page among {_PAGES}")
        return sorted_out(symbols, known, _INFO, _why_not, _instrument)

    async def quotes(self, client: Client, symbols: Sequence[str]) -> Quotes:
        body = await client.get("publicGetV5MarketTickers", category="linear")
        found = fields.of_symbols(fields.rows(body, _TICKERS, "result", "list"), _TICKERS, symbols)
        prices, funding, spreads = {}, {}, {}
        for symbol, row in found.items():
            of = f"{_TICKERS} {symbol}"
            prices[symbol] = fields.positive(row, "markPrice", of)
            funding[symbol] = fields.number(row, "fundingRate", of)
            if row.get("bid1Price") and row.get("ask1Price"):  # both empty where nobody quotes
                spread = spread_of(fields.not_negative(row, "bid1Price", of), fields.not_negative(row, "ask1Price", of))
                if spread is not None:
                    spreads[symbol] = spread
        return Quotes(prices, funding, spreads)

    async def tiers(self, client: Client, symbols: Sequence[str]) -> Mapping[str, tuple[Tier, ...]]:
        found = {}
        for symbol in symbols:
            body = await client.get("publicGetV5MarketRiskLimit", category="linear", symbol=symbol)
            rows = [row for row in fields.rows(body, _LIMITS, "result", "list") if row.get("symbol") == symbol]
            found[symbol] = fields.ascending(list(_tiers(rows, f"{_LIMITS} {symbol}")), f"{_LIMITS} {symbol}")
        return found

    async def fees(self, client: Client, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        body = await client.get("privateGetV5AccountFeeRate", category="linear")
        found = fields.of_symbols(fields.rows(body, _FEES, "result", "list"), _FEES, symbols)
        return {symbol: fields.number(row, "takerFeeRate", f"{_FEES} {symbol}") for symbol, row in found.items()}

    async def equity(self, client: Client, currency: str) -> Decimal | None:
        body = await client.get("privateGetV5AccountWalletBalance", accountType="UNIFIED")
        accounts = fields.rows(body, _WALLET, "result", "list")
        if not accounts:
            raise fields.wrong(_WALLET, "there is no account in it")
        for account in accounts:
            for row in fields.rows(account, _WALLET, "coin"):
                if row.get("coin") == currency:
                    return fields.number(row, "equity", f"{_WALLET} {currency}")
        return None


def _why_not(row: Mapping[str, Any] | None) -> str:
    """'' for a linear perpetual that is traded now."""
    if row is None:
        return "the venue has no such contract"
    if row.get("contractType") != "LinearPerpetual":
        return f"it is no perpetual contract ({fields.brief(row.get('contractType'))})"
    if row.get("status") != "Trading":
        return f"the venue does not trade it now ({fields.brief(row.get('status'))})"
    return ""


def _instrument(symbol: str, row: Mapping[str, Any]) -> Instrument:
    of = f"{_INFO} {symbol}"
    price, lot = fields.part(row, "priceFilter", of), fields.part(row, "lotSizeFilter", of)
    most = fields.positive(lot, "maxOrderQty", of)
    return Instrument(
        symbol=symbol,
        base=fields.text_of(row, "baseCoin", of),
        quote=fields.text_of(row, "quoteCoin", of),
        tick_size=fields.positive(price, "tickSize", of),
        qty_step=fields.positive(lot, "qtyStep", of),
        min_qty=fields.positive(lot, "minOrderQty", of),
        min_notional=fields.not_negative(lot, "minNotionalValue", of),
        max_market_qty=fields.positive(lot, "maxMktOrderQty", of) if "maxMktOrderQty" in lot else most,
        max_limit_qty=most,
        tiers=(),
    )


def _tiers(rows: Sequence[Mapping[str, Any]], of: str) -> Iterator[Tier]:
    """maintenance margin = notional × maintenanceMargin − mmDeduction, within each limit.

    The documentation shows the rates as fractions (0.005) for linear contracts, and as percentages (0.5) for others.
    Which of both it is shows in the initial margin, the inverse of the leverage.
    """
    for row in rows:
        leverage = fields.positive(row, "maxLeverage", of)
        initial = fields.positive(row, "initialMargin", of)
        rate = fields.positive(row, "maintenanceMargin", of)
        low, high = _LIKE_ONE
        scale = next((one for one in (ONE, Decimal(100)) if low <= initial * leverage / one <= high), None)
        if scale is None:
            raise fields.wrong(of, f"initialMargin {initial} does not belong to a leverage of {leverage}")
        deduction = row.get("mmDeduction") or None  # '' in the first of them
        yield Tier(
            notional_cap=fields.positive(row, "riskLimitValue", of),
            max_leverage=leverage,
            maintenance_rate=rate / scale,
            maintenance_amount=ZERO if deduction is None else fields.not_negative(row, "mmDeduction", of),
        )
