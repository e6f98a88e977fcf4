"""What can go wrong between a process and an exchange, as values: what networks and venues really do.

A plan is asked before a call reaches the exchange and after the exchange has answered. The default does nothing. Every
kind here has been met in the wild (spec of venues, its table of faults); none of them is an exception class of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

ACCOUNT, POSITIONS, ORDERS, CONDITIONAL = "account", "positions", "orders", "conditional_orders"
ENDPOINTS = (ACCOUNT, POSITIONS, ORDERS, CONDITIONAL)  # what a snapshot is put together from, in the order it is read
CHANGES = ("place", "cancel", "amend", "set_leverage", "set_margin_mode")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the venue's port. `number` counts the calls of this process from 1."""

    number: int
    name: str  # the port's method: 'place', 'cancel', 'snapshot', …; an endpoint's name where a snapshot is read apart
    symbol: str = ""
    subject: str = ""  # client id of a placement or search, order id of a cancel
    at_ms: int = 0  # the venue's time

    @property
    def changes(self) -> bool:
        """True for calls that change something at the exchange: their loss is an unknown outcome."""
        return self.name in CHANGES


@dataclass(frozen=True, slots=True)
class DropRequest:
    """Before: the request never arrives. The caller learns nothing: unknown, or unreachable for a read."""

    reason: str = "connection reset before the request was answered"


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """After: the exchange has acted, the answer is lost."""

    reason: str = "timed out waiting for the answer"


@dataclass(frozen=True, slots=True)
class Delay:
    """Before: the request arrives this much later, by the exchange's clock; its receive window may have passed."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Before: the exchange answers that it does not take the request.

    retry_after_ms: how long it asks to be left alone (429, 418); None where it says nothing.
    """

    code: str
    message: str
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """After: the exchange has acted, and answers as if it had refused (a repeated cancel that is 'not found')."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Thin:
    """Before: the book holds only `share` (0 to 1) of what the order asks for; the rest finds nothing."""

    share: float


@dataclass(frozen=True, slots=True)
class Distort:
    """Before, of a read: a complete answer that is not the truth.

    stale_ms:       the picture is at least this old
    empty:          endpoints whose lists come back empty
    reversed_:      lists come back in the other order
    no_liquidation: positions carry no liquidation price
    lacks:          the list has all but this one (counted around it)
    tail:           so many of the newest entries of a list of account events are missing
    hole:           the one so far from the newest entry is missing, and the newer ones are there
    """

    stale_ms: int = 0
    empty: frozenset[str] = frozenset()
    reversed_: bool = False
    no_liquidation: bool = False
    lacks: int | None = None
    tail: int = 0
    hole: int = 0


Fault = DropRequest | LoseAnswer | Delay | Refuse | Answer | Thin | Distort

PLAIN = Distort()  # no distortion at all

# One refusal of each class of error that venues have, by name: (code, message).
REFUSALS: dict[str, tuple[str, str]] = {
    "margin": ("insufficient_margin", "the wallet does not bear the order"),
    "precision": ("qty_precision", "the quantity has too many decimals"),
    "minimum": ("min_notional", "the order's value is below the minimum"),
    "price": ("immediate_trigger", "the order would fire at once"),
    "reduce_only": ("reduce_only_flat", "the order would not reduce"),
    "window": ("request_expired", "the request is outside its receive window"),
    "rate": ("rate_limited", "too many requests"),
    "permission": ("permission_denied", "this key may not trade"),
    "halted": ("symbol_halted", "the market is halted"),
    "busy": ("engine_busy", "the matching engine is overloaded, the order was not executed"),
}


class FaultPlan(Protocol):
    """Which calls go wrong, and how. `after` answers with LoseAnswer or Answer, `before` with the others."""

    def before(self, call: Call) -> Fault | None: ...

    def after(self, call: Call) -> Fault | None: ...


class NoFaults:
    """An exchange that behaves."""

    def before(self, call: Call) -> Fault | None:
        return None

    def after(self, call: Call) -> Fault | None:
        return None
