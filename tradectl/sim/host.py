"""What holds an exchange: its open state, its history, and the only way to change either.

The core is a pure function; a host applies it, keeps what happened, and answers questions about the past. In memory
here, in a file of its own in `filehost.py`; both give the same answers to the same operations.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tradectl.domain.fill import AccountEvent
from tradectl.domain.order import OrderFact
from tradectl.sim.events import Event, Executed, FundingPaid, Updated
from tradectl.sim.exchange import Reply, apply
from tradectl.sim.ops import Op
from tradectl.sim.state import ExchangeState

Plan = Callable[[ExchangeState], Sequence[Op] | None]


@dataclass(frozen=True, slots=True)
class Applied:
    """What one operation did: the events it caused, and the answer to whoever asked for it."""

    events: tuple[Event, ...]
    reply: Reply


class Host(Protocol):
    """One exchange. Every change is one transaction; a question sees all that was committed before it.

    With a file behind it each method can raise VenueUnreachable: the file is locked beyond its bound, gone or damaged.
    """

    @property
    def state(self) -> ExchangeState:
        """The open state now, other processes' commits included."""

    def execute(self, op: Op) -> Applied: ...

    def execute_many(self, ops: Sequence[Op]) -> tuple[Applied, ...]:
        """Several operations in one commit: all of them, or none."""

    def advance(self, plan: Plan, checkpoint: Callable[[], str]) -> tuple[Event, ...] | None:
        """Asks `plan` for operations on the state as it is inside the transaction, applies them in one commit, and
        keeps `checkpoint()` with it. None when the plan has no operations (nothing is written)."""

    def events_after(self, seq: int, limit: int) -> tuple[Event, ...]:
        """Events with a greater seq, oldest first, at most `limit`."""

    def account_events(self, after: int, limit: int) -> tuple[AccountEvent, ...]:
        """Fills and funding with a greater seq, oldest first, at most `limit`."""

    def order(self, order_id: str) -> OrderFact | None:
        """An order by the exchange's id, open or ended. None only after looking in both."""

    def find_order(self, client_id: str) -> OrderFact | None:
        """The newest order with this client id, open or ended (ids may be used again once an order has ended)."""

    def close(self) -> None: ...


def apply_all(state: ExchangeState, ops: Iterable[Op]) -> tuple[ExchangeState, list[Applied]]:
    """The state after several operations, and what each did."""
    done: list[Applied] = []
    for op in ops:
        state, events, reply = apply(state, op)
        done.append(Applied(events, reply))
    return state, done


def account_event(event: Event) -> AccountEvent | None:
    """The fill or funding that an event carries, if it is one of these."""
    if isinstance(event, Executed):
        return event.fill
    if isinstance(event, FundingPaid):
        return event.funding
    return None


def ended_order(event: Event) -> OrderFact | None:
    """The order as it ended, when the event says that one did."""
    return event.order if isinstance(event, Updated) and not event.order.status.open else None


def open_by_client_id(state: ExchangeState, client_id: str) -> OrderFact | None:
    for fact in order_facts(state):
        if fact.client_id == client_id:
            return fact
    return None
