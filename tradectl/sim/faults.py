"""The hook through which an exchange can be made to misbehave.

A plan is asked before a call reaches the exchange and after the exchange has answered. What it may do is what
networks and venues do: lose the request, lose the answer, be late, refuse, be unreachable. The default does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the venue's port. `number` counts the calls of this process from 1."""

    number: int
    name: str  # the port's method: 'place', 'cancel', 'snapshot', …
    symbol: str = ""
    subject: str = ""  # client id of a placement or search, order id of a cancel
    at_ms: int = 0  # the venue's time

    @property
    def changes(self) -> bool:
        """True for calls that change something at the exchange: their loss is an unknown outcome."""
        return self.name in ("place", "cancel", "set_leverage", "set_margin_mode")


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
    """Before: the exchange answers that it does not take the request."""

    code: str
    message: str


Fault = DropRequest | LoseAnswer | Delay | Refuse


class FaultPlan(Protocol):
    """Which calls go wrong, and how. `before` may answer with any fault but LoseAnswer, `after` only with that one."""

    def before(self, call: Call) -> Fault | None: ...

    def after(self, call: Call) -> Fault | None: ...


class NoFaults:
    """An exchange that behaves."""

    def before(self, call: Call) -> Fault | None:
        return None

    def after(self, call: Call) -> Fault | None:
        return None
