"""The resolved limits with value and headroom, as the bot last saw them: `state show` needs no configuration."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradectl.store import encoding


@dataclass(frozen=True, slots=True)
class LimitRow:
    """`value`, `limit` and `headroom` are in `unit`; None where there is none. `clears`: what lifts it.
    `source`: whose limit it is, where it is not the configuration's own.
    """

    name: str
    value: Decimal | None
    limit: Decimal | None
    headroom: Decimal | None
    unit: str
    clears: str
    at_ms: int
    source: str = ""


def save(conn: sqlite3.Connection, rows: Iterable[LimitRow]) -> None:
    """Replaces every limit; `load` gives them back in this order."""
    conn.execute("DELETE FROM limits")
    conn.executemany(
        "INSERT INTO limits (name, position, value, limit_value, headroom, unit, clears, at_ms, source)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                row.name,
                position,
                encoding.money(row.value),
                encoding.money(row.limit),
                encoding.money(row.headroom),
                row.unit,
                row.clears,
                row.at_ms,
                row.source,
            )
            for position, row in enumerate(rows)
        ],
    )


def load(conn: sqlite3.Connection) -> list[LimitRow]:
    rows = conn.execute(
        "SELECT name, value, limit_value, headroom, unit, clears, at_ms, source FROM limits ORDER BY position"
    ).fetchall()
    return [
        LimitRow(row[0], encoding.amount(row[1]), encoding.amount(row[2]), encoding.amount(row[3]), *row[4:])
        for row in rows
    ]
