"""The way between a process and the exchange in virtual time: requests take time, overtake each other, get lost, and
arrive although their sender has died.

What happens to each is its fate, drawn by whoever runs the scenario. A frozen process is a request that is stalled
before it leaves; everything else happens on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tradectl.domain.order import Rejected, Unknown
from tradectl.errors import VenueUnreachable
from tradectl.scenarios.machine import Machine
from tradectl.sim.exchange import Reply
from tradectl.sim.faults import Answer, Call, Distort, DropRequest, Fault, LoseAnswer, Refuse, Thin
from tradectl.sim.line import Act, Lens, Past, Take, refuse_read
from tradectl.sim.state import ExchangeState

T = TypeVar("T")
TIMEOUT_MS = 10_000  # after which a client gives up on an answer


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one call. Times in ms."""

    stall_ms: int = 0  # before it leaves: the process was stopped just then
    abandon_ms: int = TIMEOUT_MS  # the sender gives up on the answer; the request goes on
    out_ms: int = 20
    back_ms: int = 20
    fault: Fault | None = None
    twice: bool = False  # delivered a second time, as a client library repeats a DELETE on a broken connection


class Fates(Protocol):
    def of(self, call: Call) -> Fate: ...


class Wire:
    """A Line in virtual time. `carry` starts what no longer depends on its sender."""

    apart = True

    def __init__(
        self,
        machine: Machine,
        fates: Fates,
        *,
        state: Callable[[], ExchangeState],
        past: Past,
        carry: Callable[[Coroutine[Any, Any, None]], None],
        heard: Callable[[int], None],
    ) -> None:
        self._machine = machine
        self._fates = fates
        self._state = state
        self._past = past
        self._carry = carry
        self._heard = heard

    async def ask(self, call: Call, take: Take[T]) -> T:
        fate = self._fates.of(call)
        self._machine.step("")
        await _pause(fate.stall_ms + fate.out_ms)
        if isinstance(fate.fault, DropRequest):
            await _pause(TIMEOUT_MS)
        refuse_read(call, fate.fault)
        answer = take(self._lens(fate.fault))
        answered_ms = self._machine.true_ms()
        await _pause(fate.back_ms)
        if isinstance(fate.fault, LoseAnswer | Answer):
            await _pause(TIMEOUT_MS)
            raise VenueUnreachable(f"the exchange's answer to {call.name} was lost", where=call.symbol)
        self._machine.step("")
        self._heard(answered_ms)
        return answer

    async def tell(self, call: Call, act: Act) -> Reply | Unknown:
        fate = self._fates.of(call)
        await _pause(fate.stall_ms)
        self._machine.step(f"send {call.name} {call.subject}")
        answer: asyncio.Future[tuple[Reply | Unknown, int]] = asyncio.get_running_loop().create_future()
        self._carry(self._deliver(fate, act, answer))
        await asyncio.wait([answer], timeout=fate.abandon_ms / 1000)
        reply, answered_ms = answer.result() if answer.done() else (Unknown("the connection broke"), 0)
        self._machine.step(f"receive {call.name} {call.subject}")
        if answered_ms:
            self._heard(answered_ms)
        return reply

    async def _deliver(self, fate: Fate, act: Act, answer: asyncio.Future[tuple[Reply | Unknown, int]]) -> None:
        """The request on its way, at the exchange, and its answer on the way back."""
        fault = fate.fault
        await _pause(fate.out_ms)
        if isinstance(fault, DropRequest):
            await _pause(TIMEOUT_MS)
            _give(answer, Unknown(fault.reason), 0)
            return
        answered_ms = self._machine.true_ms()
        if isinstance(fault, Refuse):
            reply: Reply | Unknown = Rejected(fault.code, fault.message, fault.retry_after_ms)
        else:
            reply = act(answered_ms, fault.share if isinstance(fault, Thin) else None)
            if fate.twice:
                reply = act(answered_ms, None)
        await _pause(fate.back_ms)
        if isinstance(fault, LoseAnswer):
            await _pause(TIMEOUT_MS)
            _give(answer, Unknown(fault.reason), 0)
        elif isinstance(fault, Answer):
            _give(answer, Rejected(fault.code, fault.message), answered_ms)
        else:
            _give(answer, reply, answered_ms)

    def _lens(self, fault: Fault | None) -> Lens:
        now = self._state()
        if not isinstance(fault, Distort):
            return Lens(now)
        seen = self._past.at(self._machine.true_ms() - fault.stale_ms, now) if fault.stale_ms else now
        return Lens(seen, fault)


def _give(answer: asyncio.Future[tuple[Reply | Unknown, int]], reply: Reply | Unknown, at_ms: int) -> None:
    if not answer.done():  # whoever asked may be gone
        answer.set_result((reply, at_ms))


async def _pause(ms: int) -> None:
    if ms > 0:
        await asyncio.sleep(ms / 1000)
