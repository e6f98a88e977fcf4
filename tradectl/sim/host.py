"""What holds an exchange: its open state, its history, and the only way to change either.

The core is a pure function; a host applies it, keeps what happened, and answers questions about the past. In memory
here, in a file of its own in `filehost.py`; both give the same answers to the same operations.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tradectl.domain.fill import AccountEvent, TransferFact
from tradectl.domain.order import OrderFact
from tradectl.sim.events import Event, Executed, FundingPaid, TransferBooked, Updated
from tradectl.sim.exchange import Reply, apply
from tradectl.sim.ops import Op, PlaceOrder
from tradectl.sim.state import FOR_EVER, ExchangeState

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


def apply_all(
    state: ExchangeState, ops: Iterable[Op], was_used: Callable[[str], bool] = lambda client_id: False
) -> tuple[ExchangeState, list[Applied]]:
    """The state after several operations, and what each did.

    was_used: whether an order that ended before these operations had a client id. It is asked only where ids are taken
    for ever.
    """
    done: list[Applied] = []
    ids_last = state.settings.client_ids == FOR_EVER
    ended: set[str | None] = set()  # client ids, within these operations
    for op in ops:
        if ids_last and isinstance(op, PlaceOrder):
            client_id = op.request.client_id
            op = replace(op, id_taken=client_id in ended or was_used(client_id))
        state, events, reply = apply(state, op)
        done.append(Applied(events, reply))
        if ids_last:
            ended.update(order.client_id for order in map(ended_order, events) if order is not None)
    return state, done


def account_event(event: Event) -> AccountEvent | None:
    """The fill, funding or transfer that an event carries, if it is one of these."""
    if isinstance(event, Executed):
        return event.fill
    if isinstance(event, FundingPaid):
        return event.funding
    if isinstance(event, TransferBooked):
        return TransferFact(f"t{event.seq}", event.seq, event.amount, event.at_ms)
    return None


def ended_order(event: Event) -> OrderFact | None:
    """The order as it ended, when the event says that one did."""
    return event.order if isinstance(event, Updated) and not event.order.status.open else None


def open_orders(state: ExchangeState) -> Iterator[OrderFact]:
    """Every open order, oldest first."""
    return (order.fact for order in state.orders.values())


def open_by_client_id(state: ExchangeState, client_id: str) -> OrderFact | None:
    for fact in open_orders(state):
        if fact.client_id == client_id:
            return fact
    return None


def open_by_order_id(state: ExchangeState, order_id: str) -> OrderFact | None:
    order = state.orders.get(order_id)
    return order.fact if order is not None else None


class MemoryHost:
    """A Host that lives and dies with its process."""

    def __init__(self, state: ExchangeState) -> None:
        self._state = state
        self._events: list[Event] = []
        self._seqs: list[int] = []
        self._account: list[AccountEvent] = []
        self._account_seqs: list[int] = []
        self._ended: dict[str, OrderFact] = {}
        self._ended_by_client: dict[str, OrderFact] = {}

    @property
    def state(self) -> ExchangeState:
        return self._state

    def execute(self, op: Op) -> Applied:
        return self.execute_many((op,))[0]

    def execute_many(self, ops: Sequence[Op]) -> tuple[Applied, ...]:
        self._state, done = apply_all(self._state, ops, self._ended_by_client.__contains__)
        for one in done:
            self._keep(one.events)
        return tuple(done)

    def advance(self, plan: Plan, checkpoint: Callable[[], str]) -> tuple[Event, ...] | None:
        ops = plan(self._state)
        if ops is None:
            return None
        return tuple(event for one in self.execute_many(ops) for event in one.events)

    def events_after(self, seq: int, limit: int) -> tuple[Event, ...]:
        start = bisect_right(self._seqs, seq)
        return tuple(self._events[start : start + limit])

    def account_events(self, after: int, limit: int) -> tuple[AccountEvent, ...]:
        start = bisect_right(self._account_seqs, after)
        return tuple(self._account[start : start + limit])

    def order(self, order_id: str) -> OrderFact | None:
        return self._ended.get(order_id) or open_by_order_id(self._state, order_id)

    def find_order(self, client_id: str) -> OrderFact | None:
        return open_by_client_id(self._state, client_id) or self._ended_by_client.get(client_id)

    def close(self) -> None:
        """Nothing is held open."""

    def _keep(self, events: Sequence[Event]) -> None:
        for event in events:
            self._events.append(event)
            self._seqs.append(event.seq)
            booked = account_event(event)
            if booked is not None:
                self._account.append(booked)
                self._account_seqs.append(booked.seq)
            order = ended_order(event)
            if order is not None:
                self._ended[order.order_id] = order
                if order.client_id is not None:
                    self._ended_by_client[order.client_id] = order
