"""Orders at the venue that this store did not place, or no longer knows: each on record once, when it is first seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tradectl.store import journal


def among(conn: sqlite3.Connection, order_ids: Sequence[str]) -> frozenset[str]:
    """Those of these orders that are on record."""
    marks = ", ".join("?" * len(order_ids))
    rows = conn.execute(f"SELECT order_id FROM seen_orders WHERE order_id IN ({marks})", tuple(order_ids)).fetchall()
    return frozenset(row[0] for row in rows)


def note(
    conn: sqlite3.Connection, order_id: str, symbol: str, whose: str, client_id: str | None, *, at_ms: int, actor: str
) -> bool:
    """Puts an order on record, with a row of the journal. False when it is there already."""
    fresh = conn.execute(
        "INSERT INTO seen_orders (order_id, symbol, whose, client_id, first_seen_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (order_id) DO NOTHING",
        (order_id, symbol, whose, client_id, at_ms),
    ).rowcount
    if fresh:
        body = {"whose": whose, "client_id": client_id}
        journal.append(
            conn, at_ms=at_ms, kind="state", actor=actor, subject=f"order:{order_id}", symbol=symbol, body=body
        )
    return bool(fresh)
