"""What somebody does to a store who edits it by hand, with a tool of their own and nothing of ours to stop them.

For scenarios only: whatever is deleted so must lead to no second entry and to no position without its stop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

TABLES: Mapping[str, tuple[str, ...]] = {
    "position": ("targets", "positions"),
    "everything": ("targets", "positions", "open_trades", "fills", "intents"),
}


def delete(path: Path, what: str) -> int:
    """Rows that are gone now. what: a key of TABLES."""
    conn = sqlite3.connect(path, isolation_level=None)
    try:
        return sum(conn.execute(f"DELETE FROM {table}").rowcount for table in TABLES[what])
    finally:
        conn.close()
