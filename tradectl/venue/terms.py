"""A venue asked for its terms: markets, prices, tiers; of the account its fees and equity. Nothing is changed there.

What does not come is said (`Untold`) and the rest is asked all the same; but a venue that does not answer, or asks to
be left alone, is left alone, and one that refuses the key is not asked with it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from tradectl.domain.instrument import Tier
from tradectl.domain.terms import Missing, Terms, Untold
from tradectl.errors import KeyRefused, NotAvailable, NotUnderstood, RateLimited, TradectlError, VenueUnreachable
from tradectl.venue.asked import Dialect, Listing, Quotes
from tradectl.venue.client import Address, Client, Keys
from tradectl.venue.terms_binance import Binance
from tradectl.venue.terms_bybit import Bybit

T = TypeVar("T")
DIALECTS: dict[str, Callable[[], Dialect]] = {"binanceusdm": Binance, "bybit": Bybit}

CLOCK, MARKETS = "its time", "its markets: steps, minimums, limits"
PRICES, TIERS = "prices, spreads and funding", "leverage and maintenance tiers"
FEES, EQUITY = "the account's fees", "the account's equity"


async def ask(
    address: Address,
    symbols: Sequence[str],
    currency: str,
    keys: Keys | None,
    *,
    recv_window_ms: int,
    wall_ms: Callable[[], int],
    pause_seconds: float = 1.0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Terms:
    """symbols: ours. keys: None asks only what the venue tells anyone. pause_seconds: before a read is tried again.

    Raises NotAvailable for a venue that tradectl does not speak with.
    """
    if address.venue not in DIALECTS:
        raise NotAvailable(
            f"tradectl does not speak with {address.venue} yet", hint=f"it can ask {' and '.join(DIALECTS)}"
        )
    client = Client(address, keys, recv_window_ms)
    asking = _Asking(client, DIALECTS[address.venue](), pause_seconds, sleep)
    empty = Terms(address.venue, address.environment, client.host, currency)
    try:
        told = await asking.all(empty, symbols, wall_ms)
    finally:
        await client.close()
    return replace(told, requests=client.requests, untold=tuple(asking.untold))


class _Asking:
    """One conversation. `silent`: why nothing more is asked. `barred`: why nothing more is asked with the key."""

    def __init__(
        self, client: Client, dialect: Dialect, pause_seconds: float, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.untold: list[Untold] = []
        self._client, self._dialect = client, dialect
        self._pause, self._sleep = pause_seconds, sleep
        self._silent: TradectlError | None = None
        self._barred: TradectlError | None = None

    async def all(self, terms: Terms, symbols: Sequence[str], wall_ms: Callable[[], int]) -> Terms:
        client, dialect, currency = self._client, self._dialect, terms.currency
        before_ms = wall_ms()
        at_ms = await self._told(CLOCK, "time", lambda: dialect.time_ms(client))
        if at_ms is not None:
            skew_ms = (before_ms + wall_ms()) // 2 - at_ms
            client.correct_clock(skew_ms)
            terms = replace(terms, at_ms=at_ms, skew_ms=skew_ms)
        listing = await self._told(MARKETS, "listing", lambda: dialect.listing(client, symbols)) or Listing({}, {})
        listing = _kept_in(currency, listing)
        listed = [symbol for symbol in symbols if symbol not in listing.unlisted]
        quotes = Quotes({}, {}, {})
        tiers: Mapping[str, tuple[Tier, ...]] = {}
        fees: Mapping[str, Decimal] = {}
        if listed:
            quotes = await self._told(PRICES, "quotes", lambda: dialect.quotes(client, listed)) or quotes
            tiers = await self._told(TIERS, "tiers", lambda: dialect.tiers(client, listed)) or tiers
            fees = await self._told(FEES, "fees", lambda: dialect.fees(client, listed)) or fees
        equity = await self._told(EQUITY, "equity", lambda: dialect.equity(client, currency), none=currency)
        if equity is not None and equity <= 0:
            self._miss(EQUITY, Missing.NONE, f"it is {equity} {currency}: nothing can be traded with it", "")
            equity = None
        return replace(
            terms,
            instruments={
                symbol: replace(one, tiers=tiers.get(symbol, ())) for symbol, one in listing.instruments.items()
            },
            unlisted=listing.unlisted,
            requests_per_minute=listing.requests_per_minute,
            conditional_orders=listing.conditional_orders,
            prices=quotes.prices,
            funding=quotes.funding,
            spreads=quotes.spreads,
            taker_fees=fees,
            equity=equity,
        )

    async def _told(self, what: str, question: str, read: Callable[[], Awaitable[T]], none: str = "") -> T | None:
        """none: what the account holds nothing of, where the answer may say so."""
        signed = question in self._dialect.signed
        if signed and not self._client.signs:
            self._miss(what, Missing.NO_KEY, "the venue tells it to the account's owner, and there is no API key here",
                       "set TRADECTL_API_KEY and TRADECTL_API_SECRET; a key that may only read is enough")  # fmt: skip
            return None
        stopped = self._silent or (self._barred if signed else None)
        if stopped is not None:
            missing = Missing.REFUSED if stopped is self._barred else Missing.UNREACHABLE
            self._miss(what, missing, f"not asked after that: {stopped.what}", "")
            return None
        try:
            found = await self._read(read)
        except KeyRefused as error:
            self._barred = error
            self._miss(what, Missing.REFUSED, _why(error), error.hint)
        except NotUnderstood as error:
            self._miss(what, Missing.NOT_UNDERSTOOD, _why(error), error.hint)
        except VenueUnreachable as error:
            self._silent = error
            self._miss(what, Missing.UNREACHABLE, _why(error), error.hint)
        else:
            if found is None:
                self._miss(what, Missing.NONE, f"the account holds no {none}", "")
            return found
        return None

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        """Once more after a pause where nothing came; not where the venue wants to be left alone, or has answered."""
        try:
            return await read()
        except (RateLimited, NotUnderstood):
            raise
        except VenueUnreachable:
            await self._sleep(self._pause)
            return await read()

    def _miss(self, what: str, missing: Missing, why: str, hint: str) -> None:
        self.untold.append(Untold(what, missing, why, hint))


def _kept_in(currency: str, listing: Listing) -> Listing:
    """Without the contracts of another currency than the account's: its equity says nothing of them."""
    foreign = {
        symbol: f"it is kept in {one.quote}, and the account in {currency}"
        for symbol, one in listing.instruments.items()
        if one.quote != currency
    }
    kept = {symbol: one for symbol, one in listing.instruments.items() if symbol not in foreign}
    return replace(listing, instruments=kept, unlisted={**listing.unlisted, **foreign})


def _why(error: TradectlError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
