"""Sessions: their entries and running time count against the session limits, across restarts."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tradectl.errors import ToolError
from tradectl.store import guard, journal

_SELECT = "SELECT number, mode, config_digest, started_ms, started_wall_ms, entries, ended_ms, end_reason FROM sessions"


@dataclass(frozen=True, slots=True)
class Session:
    """`started_ms` and `ended_ms` are on the venue's clock; `ended_ms` is None while it lasts.

    mode: as in 'paper', of a guard session 'paper guard'.
    """

    number: int
    mode: str
    config_digest: str
    started_ms: int
    started_wall_ms: int
    entries: int = 0
    ended_ms: int | None = None
    end_reason: str = ""

    @property
    def guard(self) -> bool:
        return guard.is_guard(self.mode)


def current(conn: sqlite3.Connection) -> Session | None:
    """The session that has not ended; a crash leaves it so, for `resume`."""
    row = conn.execute(f"{_SELECT} WHERE ended_ms IS NULL").fetchone()
    return None if row is None else Session(*row)


def last(conn: sqlite3.Connection) -> Session | None:
    """The newest session, ended or not."""
    row = conn.execute(f"{_SELECT} ORDER BY number DESC LIMIT 1").fetchone()
    return None if row is None else Session(*row)


def guards(conn: sqlite3.Connection) -> bool:
    """Whether the newest session is a guard session, ended or not: others trade on when the bot has ended."""
    newest = last(conn)
    return newest is not None and newest.guard


def start(conn: sqlite3.Connection, *, mode: str, config_digest: str, started_ms: int, started_wall_ms: int) -> Session:
    """Begins a session. Raises ToolError while another lasts: end or resume that one first."""
    if (open_one := current(conn)) is not None:
        raise ToolError(f"Session {open_one.number} has not ended", hint="this is a fault in tradectl: report it")
    cursor = conn.execute(
        "INSERT INTO sessions (mode, config_digest, started_ms, started_wall_ms, entries) VALUES (?, ?, ?, ?, 0)",
        (mode, config_digest, started_ms, started_wall_ms),
    )
    session = Session(int(cursor.lastrowid or 0), mode, config_digest, started_ms, started_wall_ms)
    _journal(conn, session, started_ms, {"result": "started", "mode": mode, "config": config_digest})
    return session


def resume(conn: sqlite3.Connection, *, at_ms: int) -> Session | None:
    """Goes on with the session that a crash or restart interrupted, its counts kept; None when there is none."""
    session = current(conn)
    if session is not None:
        _journal(conn, session, at_ms, {"result": "resumed", "entries": session.entries})
    return session


def count_entry(conn: sqlite3.Connection) -> int:
    """Counts one entry of the current session and returns the count. Raises ToolError without a session."""
    row = conn.execute("UPDATE sessions SET entries = entries + 1 WHERE ended_ms IS NULL RETURNING entries").fetchall()
    if not row:
        raise ToolError("An entry was counted without a session", hint="this is a fault in tradectl: report it")
    return int(row[0][0])


def reset_entries(conn: sqlite3.Connection) -> None:
    """An operator's reset of the count; the caller journals it."""
    conn.execute("UPDATE sessions SET entries = 0 WHERE ended_ms IS NULL")


def restart_clock(conn: sqlite3.Connection, *, started_ms: int, started_wall_ms: int) -> None:
    """An operator's reset of the running time; the caller journals it."""
    conn.execute(
        "UPDATE sessions SET started_ms = ?, started_wall_ms = ? WHERE ended_ms IS NULL",
        (started_ms, started_wall_ms),
    )


def end(conn: sqlite3.Connection, *, at_ms: int, reason: str) -> Session | None:
    """Ends the current session and returns it; None when there is none."""
    session = current(conn)
    if session is None:
        return None
    conn.execute("UPDATE sessions SET ended_ms = ?, end_reason = ? WHERE number = ?", (at_ms, reason, session.number))
    _journal(conn, session, at_ms, {"result": "ended", "reason": reason, "entries": session.entries})
    return last(conn)


def _journal(conn: sqlite3.Connection, session: Session, at_ms: int, body: dict[str, object]) -> None:
    journal.append(conn, at_ms=at_ms, kind="session", actor="bot", subject=f"session:{session.number}", body=body)
