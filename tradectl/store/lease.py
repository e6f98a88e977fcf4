"""The lease on the account: one bot at a time, told apart by an epoch that every intent checks (promise 2)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from tradectl.errors import EntryRefused, LeaseHeld
from tradectl.store import files, journal

REMOTE_STALE_MS = 30_000  # a holder on another host that was silent for longer is taken for dead


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: `process_start` and `boot_id` tell a reused pid apart; '' where the system does not say."""

    pid: int
    host: str
    boot_id: str
    process_start: str

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """The lease as last written; `released_ms` is None while it is held. Wall times."""

    epoch: int
    holder: Holder
    acquired_ms: int
    heartbeat_ms: int
    released_ms: int | None


@dataclass(frozen=True, slots=True)
class Processes:
    """The machine's processes as a lease sees them: who this one is, and whether another still runs."""

    this: Callable[[], Holder]
    alive: Callable[[Holder], bool]


def _this_process() -> Holder:
    try:
        boot_id = files.read_text("/proc/sys/kernel/random/boot_id").strip()
    except OSError:
        boot_id = ""
    return Holder(os.getpid(), os.uname().nodename, boot_id, files.process_start(os.getpid()))


_HERE = Processes(_this_process, lambda one: files.process_alive(one.pid, one.process_start))
# A scenario puts its own machine's here.
PROCESSES: ContextVar[Processes] = ContextVar("processes", default=_HERE)


def this_holder() -> Holder:
    return PROCESSES.get().this()


def current(conn: sqlite3.Connection) -> LeaseRow | None:
    row = conn.execute(
        "SELECT epoch, pid, host, boot_id, process_start, acquired_ms, heartbeat_ms, released_ms"
        " FROM lease WHERE id = 1"
    ).fetchone()
    return None if row is None else LeaseRow(row[0], Holder(*row[1:5]), *row[5:])


def holder_alive(row: LeaseRow, wall_ms: int) -> bool:
    """Whether the lease's holder must be taken for running, seen from this process.

    On this host the process table decides, whatever the heartbeat says: a stopped process may go on. Elsewhere only
    the heartbeat can, and one from the future counts as fresh.
    """
    if row.released_ms is not None:
        return False
    here = this_holder()
    if row.holder.host != here.host:
        return wall_ms - row.heartbeat_ms <= REMOTE_STALE_MS
    if row.holder.boot_id and here.boot_id and row.holder.boot_id != here.boot_id:
        return False
    return PROCESSES.get().alive(row.holder)


def acquire(conn: sqlite3.Connection, holder: Holder, wall_ms: int) -> int:
    """Takes the lease and returns its new epoch; the epochs before it can record nothing any more.

    A holder known to be dead is taken over at once, and so is this very process's own older lease.
    Raises LeaseHeld, saying who and since when.
    """
    row = current(conn)
    taken_over = row is not None and row.released_ms is None
    if row is not None and row.holder != holder and holder_alive(row, wall_ms):
        raise LeaseHeld(
            f"Another bot holds this account: {row.holder}",
            why=f"since {_ago(row.acquired_ms, wall_ms)}, last heartbeat {_ago(row.heartbeat_ms, wall_ms)}",
            hint=f"stop it first (kill {row.holder.pid} on {row.holder.host}), or watch it: tradectl state show",
        )
    epoch = 1 if row is None else row.epoch + 1
    conn.execute(
        "INSERT INTO lease (id, epoch, pid, host, boot_id, process_start, acquired_ms, heartbeat_ms, released_ms)"
        " VALUES (1, ?, ?, ?, ?, ?, ?, ?, NULL)"
        " ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, pid = excluded.pid, host = excluded.host,"
        " boot_id = excluded.boot_id, process_start = excluded.process_start, acquired_ms = excluded.acquired_ms,"
        " heartbeat_ms = excluded.heartbeat_ms, released_ms = NULL",
        (epoch, holder.pid, holder.host, holder.boot_id, holder.process_start, wall_ms, wall_ms),
    )
    body: dict[str, object] = {"epoch": epoch, "holder": str(holder), "result": "acquired"}
    if row is not None and taken_over:
        body |= {"result": "taken over", "from": str(row.holder)}
    journal.append(conn, at_ms=wall_ms, kind="state", actor="bot", subject="lease", body=body)
    return epoch


def heartbeat(conn: sqlite3.Connection, epoch: int, wall_ms: int) -> None:
    """Raises LeaseHeld when the lease is no longer ours."""
    changed = conn.execute(
        "UPDATE lease SET heartbeat_ms = ? WHERE id = 1 AND epoch = ? AND released_ms IS NULL", (wall_ms, epoch)
    ).rowcount
    if not changed:
        row = current(conn)
        raise LeaseHeld(
            f"The lease on this account is no longer ours: {_whose(row)}",
            why=f"this bot holds epoch {epoch}, the store says {row.epoch if row else 'none'}",
            hint="one bot per account; tradectl state show says which one runs",
        )


def release(conn: sqlite3.Connection, epoch: int, wall_ms: int) -> bool:
    """Gives the lease back; False, and nothing changed, when it is another's by now."""
    changed = conn.execute(
        "UPDATE lease SET released_ms = ? WHERE id = 1 AND epoch = ? AND released_ms IS NULL", (wall_ms, epoch)
    ).rowcount
    if changed:
        body = {"epoch": epoch, "result": "released"}
        journal.append(conn, at_ms=wall_ms, kind="state", actor="bot", subject="lease", body=body)
    return bool(changed)


def check(conn: sqlite3.Connection, epoch: int) -> None:
    """Raises EntryRefused (code 'lease') unless this epoch holds the lease."""
    row = conn.execute("SELECT epoch, released_ms FROM lease WHERE id = 1").fetchone()
    if row is None or row[0] != epoch or row[1] is not None:
        raise EntryRefused(
            f"The lease on this account is no longer ours: {_whose(current(conn))}",
            code="lease",
            why=f"this bot holds epoch {epoch}, the store says {row[0] if row else 'none'}",
            hint="one bot per account; tradectl state show says which one runs",
        )


def _whose(row: LeaseRow | None) -> str:
    if row is None:
        return "nobody holds it"
    return f"released by {row.holder}" if row.released_ms is not None else f"{row.holder} holds it"


def _ago(at_ms: int, wall_ms: int) -> str:
    return f"{max(wall_ms - at_ms, 0) // 1000} s ago"
