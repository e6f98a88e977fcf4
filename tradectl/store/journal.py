"""The append-only journal, each row chained by hash to the one before (format: chain.py).

Rows are written in the transaction of the change they tell of (promise 11); triggers refuse to change or delete one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from tradectl.store import chain, encoding

KINDS = (
    "intent", "outcome", "refusal", "state", "operator", "session", "fill", "trade", "funding", "transfer",
    "alert", "emergency",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    at_ms: int
    kind: str
    actor: str
    subject: str
    symbol: str
    body: Mapping[str, object]
    hash: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """`first_bad` is the number of the first row that does not hold (one past the last for a cut tail)."""

    rows: int
    ok: bool
    first_bad: int | None = None
    why: str = ""


def append(
    conn: sqlite3.Connection,
    *,
    at_ms: int,
    kind: str,
    actor: str,
    subject: str = "",
    symbol: str = "",
    body: Mapping[str, object],
) -> int:
    """Appends one row in the caller's transaction and returns its number."""
    return chain.append(conn, at_ms, kind, actor, subject, symbol, encoding.dump(body))


def head(conn: sqlite3.Connection) -> tuple[int, str]:
    """(number, hash) of the last row; (0, zeros) of an empty journal."""
    seq, own = conn.execute("SELECT seq, hash FROM journal_head WHERE id = 1").fetchone()
    return int(seq), str(own)


def verify(conn: sqlite3.Connection) -> ChainReport:
    """Walks the whole chain: an edited, deleted, inserted or cut row shows."""
    rows, prev = 0, chain.GENESIS
    cursor = conn.execute(
        "SELECT seq, at_ms, kind, actor, subject, symbol, body, prev_hash, hash FROM journal ORDER BY seq"
    )
    for seq, at_ms, kind, actor, subject, symbol, body, prev_hash, own in cursor:
        expected = rows + 1
        if seq != expected:
            return ChainReport(rows, False, expected, f"row {expected} is missing (the next one is {seq})")
        if prev_hash != prev:
            return ChainReport(rows, False, seq, f"row {seq} does not follow row {rows}")
        if chain.link(prev, seq, at_ms, kind, actor, subject, symbol, body) != own:
            return ChainReport(rows, False, seq, f"row {seq} was changed after it was written")
        rows, prev = seq, own
    head_row = conn.execute("SELECT seq, hash FROM journal_head WHERE id = 1").fetchone()
    if head_row is None:
        return ChainReport(rows, False, rows + 1, "the record of the last row is missing")
    if head_row[0] > rows:
        return ChainReport(rows, False, rows + 1, f"the journal ends at row {rows}, but {head_row[0]} were written")
    if head_row[0] < rows or head_row[1] != prev:
        return ChainReport(rows, False, min(head_row[0] + 1, rows), "rows were added behind the recorded last row")
    return ChainReport(rows, True)


def page(
    conn: sqlite3.Connection,
    after: int = 0,
    limit: int = 100,
    kind: str | None = None,
    since_ms: int | None = None,
    symbol: str | None = None,
) -> list[Entry]:
    """Up to `limit` rows with a number above `after`, oldest first."""
    where, values = ["seq > ?"], [after]
    filters: list[tuple[str, int | str | None]] = [("kind = ?", kind), ("at_ms >= ?", since_ms), ("symbol = ?", symbol)]
    return _select(conn, where, list(values), filters, "ASC", limit)


def latest(
    conn: sqlite3.Connection, limit: int = 20, kind: str | None = None, symbol: str | None = None
) -> list[Entry]:
    """The last `limit` rows, newest first."""
    return _select(conn, ["1"], [], [("kind = ?", kind), ("symbol = ?", symbol)], "DESC", limit)


def _select(
    conn: sqlite3.Connection,
    where: list[str],
    values: list[int | str],
    filters: list[tuple[str, int | str | None]],
    order: str,
    limit: int,
) -> list[Entry]:
    for clause, value in filters:
        if value is not None:
            where.append(clause)
            values.append(value)
    rows = conn.execute(
        "SELECT seq, at_ms, kind, actor, subject, symbol, body, hash FROM journal"
        f" WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?",
        (*values, limit),
    ).fetchall()
    return [Entry(row[0], row[1], row[2], row[3], row[4], row[5], encoding.load(row[6]), row[7]) for row in rows]
