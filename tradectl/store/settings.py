"""What `run` has resolved and operators' commands need where no configuration is named: written at each start."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping


def save(conn: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """Replaces every setting."""
    conn.execute("DELETE FROM settings")
    conn.executemany("INSERT INTO settings (name, value) VALUES (?, ?)", sorted(values.items()))


def put(conn: sqlite3.Connection, name: str, value: str) -> None:
    """One setting, beside the others."""
    conn.execute(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def load(conn: sqlite3.Connection) -> dict[str, str]:
    """{name: value}; empty before the first run."""
    return dict(conn.execute("SELECT name, value FROM settings").fetchall())
