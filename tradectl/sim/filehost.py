"""An exchange in its own SQLite file, beside the store and never in one transaction with it (spec simulation.md).

Open state (clock, prices, balances, positions, orders) is a handful of small rows; what has ended (events, closed
orders) is append-only and only ever read by key. So an operation costs the same on day one and on day thousand, and a
bar on which nothing happens rewrites one row. Any process may open the file: each change begins with BEGIN IMMEDIATE
and a look at the version, and takes in what others committed before it applies its own.

Rollback journal with synchronous=EXTRA when durable; OFF for tests and bulk replays, which survive a killed process
but not a power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from tradectl.domain.fill import AccountEvent
from tradectl.domain.order import OrderFact
from tradectl.errors import VenueUnreachable
from tradectl.sim.codec import CodecError, decode, encode
from tradectl.sim.events import Event
from tradectl.sim.exchange_file import BUSY_MS, PUT, check, connect, create, is_empty, mapped, touch
from tradectl.sim.host import (
    Applied,
    Plan,
    account_event,
    apply_all,
    ended_order,
    open_by_client_id,
    open_by_order_id,
)
from tradectl.sim.ops import Op
from tradectl.sim.rows import changed_rows, hot_row, read_state
from tradectl.sim.stamp import Stamp
from tradectl.sim.state import ExchangeState

_EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


class FileHost:
    """A Host over a file. Made by `FileHost.open`; not shared between threads, never carried over a fork."""

    def __init__(self, path: Path, conn: sqlite3.Connection, stamp: Stamp) -> None:
        self.path = path
        self.stamp = stamp
        self._conn = conn
        self._version = -1
        self._data_version = -1
        self._checkpoint = ""
        self._state: ExchangeState
        with self._transaction("BEGIN"):
            self._reload()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        stamp: Stamp | None = None,
        create_with: Callable[[], tuple[ExchangeState, str]] | None = None,
        durable: bool = True,
        busy_ms: int = BUSY_MS,
    ) -> FileHost:
        """Opens the exchange at `path`.

        stamp: what the caller expects; another stamp in the file raises StoreMismatch. None takes what is there.
        create_with: the state and feed checkpoint of a new exchange, asked for only when there is none; without it a
        missing file raises VenueUnreachable. StoreTooNew for a later schema; VenueUnreachable when the file is locked
        for longer than `busy_ms`, damaged or unreadable.
        """
        if create_with is not None and not path.exists():
            touch(path)
        if not path.exists():
            raise VenueUnreachable(
                "the simulated exchange has no file",
                where=str(path),
                why="it is made by the bot's first run; the store beside it knows an exchange that is not there",
                hint="give the right --state, or start the bot with `tradectl run --mode paper`",
            )
        conn = connect(path, durable, busy_ms)
        try:
            with mapped(path):
                fresh = conn.execute("PRAGMA user_version").fetchone()[0] == 0 and is_empty(conn)
                if fresh:
                    if create_with is None or stamp is None:
                        raise VenueUnreachable(
                            "the simulated exchange's file is empty", where=str(path), hint="start the bot once"
                        )
                    create(conn, stamp, *create_with())
            with mapped(path):
                found = check(conn, path)
            if stamp is not None:
                stamp.must_match(found, str(path))
            return cls(path, conn, found)
        except BaseException:
            conn.close()
            raise

    @property
    def state(self) -> ExchangeState:
        with mapped(self.path):
            # Changes with every commit of another connection, and costs one header read.
            seen = self._conn.execute("PRAGMA data_version").fetchone()[0]
        if seen != self._data_version:
            with self._transaction("BEGIN"):
                self._reload()
            self._data_version = seen
        return self._state

    @property
    def checkpoint(self) -> str:
        """The feed's checkpoint as last committed by any process."""
        with self._transaction("BEGIN"):
            return str(self._conn.execute("SELECT checkpoint FROM feed").fetchone()[0])

    def execute(self, op: Op) -> Applied:
        return self.execute_many((op,))[0]

    def execute_many(self, ops: Sequence[Op]) -> tuple[Applied, ...]:
        with self._change():
            state, done = apply_all(self._state, ops, self._was_used)
            if state is not self._state:  # an operation that moved nothing writes nothing
                self._write(state, done, None)
        self._state = state
        return tuple(done)

    def advance(self, plan: Plan, checkpoint: Callable[[], str]) -> tuple[Event, ...] | None:
        with self._change():
            ops = plan(self._state)
            if ops is None:
                return None
            state, done = apply_all(self._state, ops, self._was_used)
            self._write(state, done, checkpoint())
        self._state = state
        return tuple(event for one in done for event in one.events)

    def events_after(self, seq: int, limit: int) -> tuple[Event, ...]:
        with self._transaction("BEGIN"):
            rows = self._conn.execute(
                "SELECT kind, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
            ).fetchall()
        return tuple(_event(kind, body) for kind, body in rows)

    def account_events(self, after: int, limit: int) -> tuple[AccountEvent, ...]:
        with self._transaction("BEGIN"):
            rows = self._conn.execute(
                "SELECT kind, body FROM event WHERE account = 1 AND seq > ? ORDER BY seq LIMIT ?", (after, limit)
            ).fetchall()
        found = (account_event(_event(kind, body)) for kind, body in rows)
        return tuple(event for event in found if event is not None)

    def order(self, order_id: str) -> OrderFact | None:
        with self._transaction("BEGIN"):
            self._refresh()
            row = self._conn.execute("SELECT body FROM closed_order WHERE order_id = ?", (order_id,)).fetchone()
        if row is not None:
            return decode(OrderFact, row[0])
        return open_by_order_id(self._state, order_id)

    def find_order(self, client_id: str) -> OrderFact | None:
        # One read transaction for both halves: an order cannot slip from open to closed between them (promise 4).
        with self._transaction("BEGIN"):
            self._refresh()
            row = self._conn.execute(
                "SELECT body FROM closed_order WHERE client_id = ? ORDER BY ended_seq DESC LIMIT 1", (client_id,)
            ).fetchone()
        return open_by_client_id(self._state, client_id) or (decode(OrderFact, row[0]) if row is not None else None)

    def close(self) -> None:
        self._conn.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._transaction("BEGIN IMMEDIATE"):
            self._refresh()
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with mapped(self.path):
            self._conn.execute(begin)
        try:
            with mapped(self.path):
                yield
                self._conn.execute("COMMIT")
        except BaseException:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
            # What was read inside may not be what is committed: the next question reads it all again.
            self._version = -1
            self._data_version = -1
            raise

    def _was_used(self, client_id: str) -> bool:
        """True when an ended order had this client id. Asked inside a transaction."""
        found = self._conn.execute("SELECT 1 FROM closed_order WHERE client_id = ? LIMIT 1", (client_id,)).fetchone()
        return found is not None

    def _refresh(self) -> None:
        version = self._conn.execute("SELECT version FROM market").fetchone()[0]
        if version != self._version:
            self._reload()

    def _reload(self) -> None:
        version, body = self._conn.execute("SELECT version, body FROM market").fetchone()
        rows = self._conn.execute("SELECT kind, key, body FROM open_state ORDER BY id").fetchall()
        self._state = read_state(body, rows)
        self._version = version
        self._checkpoint = self._conn.execute("SELECT checkpoint FROM feed").fetchone()[0]

    def _write(self, state: ExchangeState, done: Sequence[Applied], checkpoint: str | None) -> None:
        conn = self._conn
        for kind, key, body in changed_rows(self._state, state):
            if body is None:
                conn.execute("DELETE FROM open_state WHERE kind = ? AND key = ?", (kind, key))
            else:
                conn.execute(PUT, (kind, key, body))
        for one in done:
            for event in one.events:
                which = type(event)
                conn.execute(
                    "INSERT INTO event (seq, kind, account, body) VALUES (?, ?, ?, ?)",
                    (event.seq, which.__name__, int(account_event(event) is not None), encode(which, event)),
                )
                order = ended_order(event)
                if order is not None:
                    conn.execute(
                        "INSERT OR REPLACE INTO closed_order (order_id, client_id, ended_seq, body) "
                        "VALUES (?, ?, ?, ?)",
                        (order.order_id, order.client_id, event.seq, encode(OrderFact, order)),
                    )
        if checkpoint is not None and checkpoint != self._checkpoint:
            conn.execute("UPDATE feed SET checkpoint = ?", (checkpoint,))
            self._checkpoint = checkpoint
        self._version += 1
        conn.execute("UPDATE market SET version = ?, body = ?", (self._version, hot_row(state)))


def _event(kind: str, body: str) -> Event:
    try:
        return decode(_EVENTS[kind], body)
    except KeyError as error:
        raise CodecError(f"an event of unknown kind {kind!r}") from error
