"""The two sides as reconciliation sees them, and the steps that a plan is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.intent import ClientId, IntentState, Purpose
from tradectl.domain.lifecycle import Managed
from tradectl.domain.position import Side


class ActionKind(StrEnum):
    BOOK = "book"  # take in the venue's fills
    STAND_IN = "stand_in"  # adopt quantity whose fills are still to come
    TAKE_OVER = "take_over"  # manage what is ours already
    ADOPT = "adopt"  # an operator has us manage it, whoever opened it
    ADJUST = "adjust"  # an operator takes the venue's picture over the books
    CANCEL = "cancel"  # a stop or target of ours whose position is gone
    BLOCK = "block"
    UNBLOCK = "unblock"
    PROTECT = "protect"
    NOTE = "note"  # put an order that is not ours, or stray, on record


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a plan. `qty` is signed; `scope` of a block is a symbol, or '' for the account."""

    kind: ActionKind
    scope: str
    reason: str
    qty: Decimal | None = None
    price: Decimal | None = None
    order_id: str | None = None
    client_id: str | None = None
    whose: str = ""


@dataclass(frozen=True, slots=True)
class Flight:
    """An entry of ours that may bring quantity yet: signed, what its fills in the books do not account for."""

    client_id: str
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Local:
    """Our side. `after`: as the books will be once the venue's fills that they lack are booked."""

    store_tag: str
    lots: Mapping[str, Decimal] = field(default_factory=dict)  # signed, by symbol; none is zero
    lots_after: Mapping[str, Decimal] = field(default_factory=dict)
    openers_after: Mapping[str, str | None] = field(default_factory=dict)  # client id of the fill that opened it
    unbooked: Mapping[str, int] = field(default_factory=dict)  # fills, by symbol
    managed: Mapping[str, Managed] = field(default_factory=dict)
    flights: Mapping[str, tuple[Flight, ...]] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()  # symbols with an intent in doubt
    states: Mapping[str, IntentState] = field(default_factory=dict)  # of the intents whose client ids the picture has
    parents: frozenset[str] = frozenset()  # orders of ours that others are attached to
    blocked: frozenset[str] = frozenset()  # scopes of the latches that stand
    noted: frozenset[str] = frozenset()  # order ids on record
    overfull: frozenset[str] = frozenset()  # symbols where more stood in for fills than their orders have come to
    sides: frozenset[Side] = frozenset(Side)  # that the strategy trades

    def held_by_us(self, symbol: str) -> bool:
        found = ClientId.parse(self.openers_after.get(symbol))
        return found is not None and found.store_tag == self.store_tag and found.purpose is Purpose.ENTRY
