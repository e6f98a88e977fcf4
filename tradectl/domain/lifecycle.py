"""The life of a position of ours, as a table. Whether it is protected is no state: that is computed from its orders.

    PENDING   an entry is recorded; the venue may or may not have it, and nothing has filled
    OPEN      quantity is held
    CLOSING   an exit of ours is on its way
    CLOSED    flat at the venue with the closing fills in the ledger, or never filled

A position that others opened has no such life: reconciliation reports it, and an operator may take it over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.money import ONE, ZERO, floor_to_step
from tradectl.domain.position import Side


class PositionState(StrEnum):
    PENDING = "pending"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"

    @property
    def alive(self) -> bool:
        return self is not PositionState.CLOSED


class PositionEvent(StrEnum):
    ENTRY_RECORDED = "entry_recorded"
    FILLED = "filled"  # the first quantity of its own
    QUANTITY_SEEN = "quantity_seen"  # the venue shows it before its fills do
    ENTRY_FAILED = (
        "entry_failed"  # rejected, proved not placed, or ended without a fill, and no other order of it lives
    )
    ABSORBED = "absorbed"  # its fills went into a position of somebody else's
    TAKEN_OVER = "taken_over"
    EXIT_SENT = "exit_sent"
    EXIT_ENDED = "exit_ended"  # and quantity is left
    FLAT = "flat"  # its closing fills are in the ledger


class Origin(StrEnum):
    ENTRY = "entry"  # ours, by an intent of this store
    EXPLAINED = "explained"  # ours, by our client ids or fills; this store has no intent of it
    ADOPTED = "adopted"  # an operator took it over


_S, _E = PositionState, PositionEvent

# (from, to, on, what it means): every change there is; the sentence is what journal and log print. None: not there yet.
POSITION_TRANSITIONS: tuple[tuple[PositionState | None, PositionState, PositionEvent, str], ...] = (
    (None, _S.PENDING, _E.ENTRY_RECORDED, "an entry is recorded"),
    (_S.PENDING, _S.PENDING, _E.ENTRY_RECORDED, "another slice of the same entry"),
    (_S.OPEN, _S.OPEN, _E.ENTRY_RECORDED, "another slice of the same entry"),
    (_S.PENDING, _S.OPEN, _E.FILLED, "its entry has filled"),
    (_S.PENDING, _S.OPEN, _E.QUANTITY_SEEN, "the venue shows its quantity before its fills"),
    (_S.PENDING, _S.CLOSED, _E.ENTRY_FAILED, "its entry was not placed, or ended without a fill"),
    (_S.PENDING, _S.CLOSED, _E.ABSORBED, "its fills went into a position that is not ours"),
    (None, _S.OPEN, _E.TAKEN_OVER, "taken over from the venue"),
    (_S.OPEN, _S.CLOSING, _E.EXIT_SENT, "an exit is on its way"),
    (_S.CLOSING, _S.CLOSING, _E.EXIT_SENT, "another slice of the exit"),
    (_S.CLOSING, _S.OPEN, _E.EXIT_ENDED, "its exit ended and left quantity"),
    (_S.OPEN, _S.CLOSED, _E.FLAT, "flat, with its closing fills in the ledger"),
    (_S.CLOSING, _S.CLOSED, _E.FLAT, "flat, with its closing fills in the ledger"),
)
_NEXT = {(before, on): (after, sentence) for before, after, on, sentence in POSITION_TRANSITIONS}


def advance(state: PositionState | None, on: PositionEvent) -> tuple[PositionState, str]:
    """The state after an event, and the sentence of it. Raises ValueError where the table has no such change."""
    found = _NEXT.get((state, on))
    if found is None:
        raise ValueError(f"a position that is {state.value if state else 'not there'} knows no {on.value}")
    return found


@dataclass(frozen=True, slots=True)
class Target:
    """One take-profit of a position. `qty` follows from what its entry filled, never from what remains."""

    name: str  # 'tp1', 'tp2'
    price: Decimal
    fraction: Decimal  # of the entry
    qty: Decimal = ZERO
    filled: Decimal = ZERO

    @property
    def hit(self) -> bool:
        return ZERO < self.qty <= self.filled

    @property
    def open_qty(self) -> Decimal:
        return max(self.qty - self.filled, ZERO)


@dataclass(frozen=True, slots=True)
class Managed:
    """A position of ours while it lives. Prices in quote currency, quantities without sign in base units."""

    number: int
    symbol: str
    side: Side
    state: PositionState
    origin: Origin
    entry_key: str  # which signal it was entered upon; '' when taken over
    first_intent: int | None  # its entry's first; None when taken over
    trade_number: int | None  # in the ledger, from its first fill on
    opened_ms: int
    entry_qty: Decimal = ZERO  # filled by its entry, whatever was closed since: what its targets are shares of
    stop_price: Decimal | None = None  # where its stop belongs; moved by itself only to the smaller loss
    break_even: bool = False
    trailing: bool = False
    targets: tuple[Target, ...] = ()

    def tighter(self, price: Decimal) -> bool:
        """True when a stop at `price` loses less than the one that is planned."""
        return self.stop_price is None or (price - self.stop_price) * self.side.sign > 0


def split_targets(targets: Sequence[Target], entry_qty: Decimal, qty_step: Decimal) -> tuple[Target, ...]:
    """The targets' quantities for an entry of this size: each rounded down to the step, the rest to the last.

    The rest goes to the last only where the fractions add up to the whole position.
    """
    sized: list[Target] = []
    left = entry_qty
    whole = sum((target.fraction for target in targets), ZERO) >= ONE
    for index, target in enumerate(targets):
        last = index == len(targets) - 1
        qty = left if last and whole else min(floor_to_step(entry_qty * target.fraction, qty_step), left)
        sized.append(Target(target.name, target.price, target.fraction, qty, target.filled))
        left -= qty
    return tuple(sized)
