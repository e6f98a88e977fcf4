"""What a venue is asked, in the order that `venue/terms.py` keeps, and what comes back: a file per venue answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.money import ZERO
from tradectl.venue import fields
from tradectl.venue.client import Client

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """The contracts asked for, without tiers; `unlisted` says of the others why they cannot be traded."""

    instruments: Mapping[str, Instrument]
    unlisted: Mapping[str, str]
    requests_per_minute: int | None = None
    conditional_orders: Mapping[str, int] = field(default_factory=dict)


def sorted_out(
    symbols: Sequence[str],
    known: Mapping[str, Row],
    of: str,
    why_not: Callable[[Row | None], str],
    made: Callable[[str, Row], Instrument],
) -> Listing:
    """Each symbol as its contract, or with the reason why it is none. known: every contract of the venue.

    Raises NotUnderstood where there is not one: an empty list never means that nothing is traded (promise 4).
    """
    if not known:
        raise fields.wrong(of, "it lists no contract at all")
    instruments, unlisted = {}, {}
    for symbol in symbols:
        row = known.get(symbol)
        reason = why_not(row)
        if row is None or reason:
            unlisted[symbol] = reason
        else:
            instruments[symbol] = made(symbol, row)
    return Listing(instruments, unlisted)


@dataclass(frozen=True, slots=True)
class Quotes:
    """Mark prices, funding of the next payment, and (ask − bid) / mid; each of the symbols that have it."""

    prices: Mapping[str, Decimal]
    funding: Mapping[str, Decimal]
    spreads: Mapping[str, Decimal]


class Dialect(Protocol):
    """How one venue is asked. Every answer is complete, or NotUnderstood is raised.

    signed: which of these the venue tells the account's owner only.
    """

    signed: frozenset[str]

    async def time_ms(self, client: Client) -> int: ...

    async def listing(self, client: Client, symbols: Sequence[str]) -> Listing: ...

    async def quotes(self, client: Client, symbols: Sequence[str]) -> Quotes: ...

    async def tiers(self, client: Client, symbols: Sequence[str]) -> Mapping[str, tuple[Tier, ...]]: ...

    async def fees(self, client: Client, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """The account's taker fees."""

    async def equity(self, client: Client, currency: str) -> Decimal | None:
        """Wallet plus unrealised P&L. None: the answer is complete, and the account holds none of it."""


def spread_of(bid: Decimal, ask: Decimal) -> Decimal | None:
    """None where one side of the book is empty, or both are crossed."""
    return 2 * (ask - bid) / (ask + bid) if ZERO < bid <= ask else None
