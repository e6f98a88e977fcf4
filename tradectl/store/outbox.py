"""The alert outbox: an alert commits with its cause and waits here until a sink has it (promise 13)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tradectl.domain.candle import DAY_MS, MINUTE_MS
from tradectl.store import encoding

KEEP_DELIVERED_MS = 7 * DAY_MS
REPEAT_MS = 5 * MINUTE_MS  # what lasts is alerted again that often


@dataclass(frozen=True, slots=True)
class Alert:
    id: int
    at_ms: int
    type: str
    symbol: str
    urgent: bool
    text: str
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many alerts wait, and since when the oldest of them does."""

    waiting: int
    oldest_ms: int | None


def put(
    conn: sqlite3.Connection,
    *,
    at_ms: int,
    type: str,
    symbol: str,
    urgent: bool,
    text: str,
    context: Mapping[str, object],
) -> int:
    """Adds an alert in the transaction of its cause; returns its number."""
    cursor = conn.execute(
        "INSERT INTO outbox (at_ms, type, symbol, urgent, text, context) VALUES (?, ?, ?, ?, ?, ?)",
        (at_ms, type, symbol, int(urgent), text, encoding.dump(context)),
    )
    return int(cursor.lastrowid or 0)


def pending(conn: sqlite3.Connection, limit: int) -> list[Alert]:
    """The oldest alerts that wait, at most `limit`."""
    rows = conn.execute(
        "SELECT id, at_ms, type, symbol, urgent, text, context FROM outbox WHERE delivered_ms IS NULL"
        " ORDER BY id LIMIT ?",
        (limit,),
    ).fetchall()
    return [Alert(row[0], row[1], row[2], row[3], bool(row[4]), row[5], encoding.load(row[6])) for row in rows]


def delivered(conn: sqlite3.Connection, ids: Iterable[int], at_ms: int) -> None:
    """Marks alerts as delivered; a second delivery keeps the first time."""
    conn.executemany(
        "UPDATE outbox SET delivered_ms = ? WHERE id = ? AND delivered_ms IS NULL", [(at_ms, one) for one in ids]
    )


def backlog(conn: sqlite3.Connection) -> Backlog:
    return Backlog(*conn.execute("SELECT count(*), min(at_ms) FROM outbox WHERE delivered_ms IS NULL").fetchone())


def said_ms(conn: sqlite3.Connection, type: str, symbol: str, text: str) -> int | None:
    """When the newest alert that says just this was put here, delivered or not."""
    row = conn.execute(
        "SELECT at_ms FROM outbox WHERE type = ? AND symbol = ? AND text = ? ORDER BY id DESC LIMIT 1",
        (type, symbol, text),
    ).fetchone()
    return None if row is None else int(row[0])


def last_ms(conn: sqlite3.Connection, type: str, symbol: str) -> int | None:
    """When the newest alert of this type and symbol was put here, delivered or not."""
    row = conn.execute(
        "SELECT at_ms FROM outbox WHERE type = ? AND symbol = ? ORDER BY id DESC LIMIT 1", (type, symbol)
    ).fetchone()
    return None if row is None else int(row[0])


def count_by_type(conn: sqlite3.Connection) -> dict[str, int]:
    """How many of each type are here, delivered or not."""
    return dict(conn.execute("SELECT type, count(*) FROM outbox GROUP BY type").fetchall())


def prune(conn: sqlite3.Connection, now_ms: int) -> int:
    """Forgets what was delivered more than a week ago; what waits stays. Returns the rows removed."""
    return conn.execute("DELETE FROM outbox WHERE delivered_ms < ?", (now_ms - KEEP_DELIVERED_MS,)).rowcount
