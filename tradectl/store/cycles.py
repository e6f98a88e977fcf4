"""How far the bot has come: its last complete cycle, and the last candle processed per symbol."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """The last complete cycle; all zero before the first."""

    cycle: int
    venue_ms: int
    wall_ms: int


def progress(conn: sqlite3.Connection) -> Progress:
    return Progress(*conn.execute("SELECT cycle, venue_ms, wall_ms FROM progress WHERE id = 1").fetchone())


def save_progress(conn: sqlite3.Connection, done: Progress) -> None:
    conn.execute(
        "UPDATE progress SET cycle = ?, venue_ms = ?, wall_ms = ? WHERE id = 1",
        (done.cycle, done.venue_ms, done.wall_ms),
    )


def processed(conn: sqlite3.Connection) -> dict[str, int]:
    """Opening instant of the last candle processed, by symbol."""
    return dict(conn.execute("SELECT symbol, open_ms FROM processed").fetchall())


def set_processed(conn: sqlite3.Connection, symbol: str, open_ms: int) -> None:
    conn.execute(
        "INSERT INTO processed (symbol, open_ms) VALUES (?, ?)"
        " ON CONFLICT (symbol) DO UPDATE SET open_ms = excluded.open_ms",
        (symbol, open_ms),
    )
