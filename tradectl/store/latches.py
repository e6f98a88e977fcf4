"""Latches as rows: set once, kept until cleared, each change journalled in its own transaction (promises 9 and 11)."""

from __future__ import annotations

import sqlite3

from tradectl.domain.system_state import Latch, LatchName
from tradectl.errors import StoreTooNew
from tradectl.store import chain, journal

_COLUMNS = "name, scope, set_by, set_at_ms, reason"


def active(conn: sqlite3.Connection) -> tuple[Latch, ...]:
    """Every latch that is set, by name and scope. Raises StoreTooNew on one that this tradectl does not know."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM latches ORDER BY name, scope").fetchall()
    return tuple(_latch(row) for row in rows)


def get(conn: sqlite3.Connection, name: LatchName, scope: str = "") -> Latch | None:
    row = conn.execute(f"SELECT {_COLUMNS} FROM latches WHERE name = ? AND scope = ?", (name.value, scope)).fetchone()
    return None if row is None else _latch(row)


def set_latch(conn: sqlite3.Connection, latch: Latch) -> bool:
    """Sets a latch. False when it was set already: who and why stay the first ones; the attempt is journalled."""
    return chain.set_latch(conn, latch.name.value, latch.scope, latch.set_by, latch.set_at_ms, latch.reason)


def clear(conn: sqlite3.Connection, name: LatchName, scope: str, *, by: str, reason: str, at_ms: int) -> Latch | None:
    """Clears a latch and returns it as it was; None, and nothing journalled, when it was not set."""
    latch = get(conn, name, scope)
    if latch is None:
        return None
    conn.execute("DELETE FROM latches WHERE name = ? AND scope = ?", (name.value, scope))
    journal.append(
        conn,
        at_ms=at_ms,
        kind="state",
        actor=by,
        subject=f"latch:{name.value}",
        symbol=scope,
        body={
            "latch": name.value,
            "reason": reason,
            "result": "cleared",
            "scope": scope,
            "was": {"at_ms": latch.set_at_ms, "by": latch.set_by, "reason": latch.reason},
        },
    )
    return latch


def _latch(row: tuple[str, str, str, int, str]) -> Latch:
    try:
        name = LatchName(row[0])
    except ValueError as error:
        raise StoreTooNew(
            f"The store holds a latch that this tradectl does not know: {row[0]!r}",
            why="what it restricts is unknown, so nothing is allowed",
            hint="upgrade tradectl to the version that set it",
        ) from error
    return Latch(name, *row[1:])
