"""What a venue says of its markets and of the account, when it is asked: the ground that thresholds are held against.

Nothing in it is a guess: what was not asked, not told or not understood is `Untold`, with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.instrument import Instrument


class Missing(StrEnum):
    """Why a fact is not there."""

    NO_KEY = "no key"  # it is told to the account's owner only, and no key was given: it was not asked
    REFUSED = "refused"  # the venue does not accept the key
    UNREACHABLE = "unreachable"  # no answer, or not after one that did not come
    NOT_UNDERSTOOD = "not understood"  # an answer that is not what the venue documents
    NONE = "none"  # a complete answer that says there is none


@dataclass(frozen=True, slots=True)
class Untold:
    """what: the facts, as an operator calls them."""

    what: str
    missing: Missing
    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one venue, one account and the symbols that were asked for.

    host: who answered. at_ms: the venue's time. skew_ms: this machine's clock less the venue's; > 0: ours is ahead.
    instruments: those that can be traded; without tiers where these are untold. unlisted: symbol → why not.
    prices: mark prices. spreads: (ask − bid) / mid. funding: of the next payment, a fraction of the notional, signed.
    taker_fees: of this account, a fraction of the notional. equity: wallet plus unrealised P&L, in `currency`.
    requests_per_minute: the venue's limit of request weight. conditional_orders: open stops that a symbol may have.
    """

    venue: str
    environment: str
    host: str
    currency: str
    at_ms: int | None = None
    skew_ms: int | None = None
    requests: int = 0
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    unlisted: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    spreads: Mapping[str, Decimal] = field(default_factory=dict)
    funding: Mapping[str, Decimal] = field(default_factory=dict)
    taker_fees: Mapping[str, Decimal] = field(default_factory=dict)
    equity: Decimal | None = None
    requests_per_minute: int | None = None
    conditional_orders: Mapping[str, int] = field(default_factory=dict)
    untold: tuple[Untold, ...] = ()
