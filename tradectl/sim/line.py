"""The way between one process and the exchange: what a call meets on it, and what comes back.

`DirectLine` has no length: a call is made and answered in the same instant, and a fault plan says what goes wrong.
Simulations in virtual time bring a line of their own, on which requests travel, overtake each other and arrive after
their sender has died.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tradectl.domain.order import OrderFact, Rejected, Unknown
from tradectl.domain.position import PositionFact
from tradectl.errors import RateLimited, VenueUnreachable
from tradectl.sim.exchange import Reply
from tradectl.sim.faults import (
    CONDITIONAL,
    ORDERS,
    PLAIN,
    POSITIONS,
    Answer,
    Call,
    Delay,
    Distort,
    DropRequest,
    FaultPlan,
    LoseAnswer,
    Refuse,
    Thin,
)
from tradectl.sim.state import ExchangeState

T = TypeVar("T")
_KEPT = 512  # states remembered for reads that come back old


@dataclass(frozen=True, slots=True)
class Lens:
    """How one read sees the exchange."""

    state: ExchangeState
    distort: Distort = PLAIN

    def positions(self, found: tuple[PositionFact, ...]) -> tuple[PositionFact, ...]:
        if POSITIONS in self.distort.empty:
            return ()
        found = self._all_but_one(found)
        return found[::-1] if self.distort.reversed_ else found

    def orders(self, found: tuple[OrderFact, ...]) -> tuple[OrderFact, ...]:
        kept = tuple(
            order for order in found if (CONDITIONAL if order.type.conditional else ORDERS) not in self.distort.empty
        )
        kept = self._all_but_one(kept)
        return kept[::-1] if self.distort.reversed_ else kept

    def _all_but_one(self, found: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.distort.lacks is None or not found:
            return found
        gone = self.distort.lacks % len(found)
        return found[:gone] + found[gone + 1 :]


Take = Callable[[Lens], T]  # reads the answer off the exchange as the lens shows it
Act = Callable[[int, float | None], Reply]  # carries the call out at an instant; a share of the liquidity, None: all


class Line(Protocol):
    """How a process's calls reach the exchange and its answers come back."""

    apart: bool  # a snapshot is read endpoint by endpoint, each at its own moment

    async def ask(self, call: Call, take: Take[T]) -> T:
        """A read. A complete answer, or VenueUnreachable (promise 4)."""

    async def tell(self, call: Call, act: Act) -> Reply | Unknown:
        """A call that changes something. Whatever goes wrong on the way is Unknown (promise 3)."""


class Past:
    """States that an exchange has been in, as far as they were looked at, for answers that are not fresh."""

    def __init__(self) -> None:
        self._states: deque[tuple[int, ExchangeState]] = deque(maxlen=_KEPT)

    def keep(self, at_ms: int, state: ExchangeState) -> None:
        if not self._states or self._states[-1][1] is not state:
            self._states.append((at_ms, state))

    def at(self, at_ms: int, now: ExchangeState) -> ExchangeState:
        """The state that stood at `at_ms`, or the oldest that is known."""
        found = now
        for since_ms, state in reversed(self._states):
            found = state
            if since_ms <= at_ms:
                break
        return found


class DirectLine:
    """A line without length, on which a fault plan stands."""

    apart = False

    def __init__(self, faults: FaultPlan, state: Callable[[], ExchangeState]) -> None:
        self._faults = faults
        self._state = state
        self._past = Past()

    async def ask(self, call: Call, take: Take[T]) -> T:
        fault = self._faults.before(call)
        refuse_read(call, fault)
        answer = take(self._lens(call, fault))
        lost = self._faults.after(call)
        if lost is not None:
            raise VenueUnreachable(f"the exchange's answer to {call.name} was lost", where=call.symbol, why=str(lost))
        return answer

    async def tell(self, call: Call, act: Act) -> Reply | Unknown:
        fault = self._faults.before(call)
        if isinstance(fault, DropRequest):
            return Unknown(fault.reason)
        if isinstance(fault, Refuse):
            return Rejected(fault.code, fault.message, fault.retry_after_ms)
        at_ms = call.at_ms + (fault.delay_ms if isinstance(fault, Delay) else 0)
        reply = act(at_ms, fault.share if isinstance(fault, Thin) else None)
        return come_back(reply, self._faults.after(call))

    def _lens(self, call: Call, fault: object) -> Lens:
        now = self._state()
        self._past.keep(call.at_ms, now)
        if not isinstance(fault, Distort):
            return Lens(now)
        return Lens(self._past.at(call.at_ms - fault.stale_ms, now) if fault.stale_ms else now, fault)


def refuse_read(call: Call, fault: object) -> None:
    """Raises what a read meets that gets no answer."""
    if isinstance(fault, DropRequest):
        raise VenueUnreachable(f"the exchange did not answer {call.name}", where=call.symbol, why=fault.reason)
    if isinstance(fault, Refuse):
        what, why = f"the exchange refused {call.name}", f"{fault.code}: {fault.message}"
        if fault.retry_after_ms is not None:
            raise RateLimited(what, retry_after_ms=fault.retry_after_ms, where=call.symbol, why=why)
        raise VenueUnreachable(what, where=call.symbol, why=why)


def come_back(reply: Reply, fault: object) -> Reply | Unknown:
    """What is left of an exchange's answer on the way back."""
    if isinstance(fault, Answer):
        return Rejected(fault.code, fault.message)
    if fault is not None:
        return Unknown(fault.reason if isinstance(fault, LoseAnswer) else str(fault))
    return reply
