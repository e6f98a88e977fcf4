"""A store of the first schema, brought up to date by opening it, and what of it both schemas have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from store_v1 import STAMP, Dump, raw

from tradectl.store import migrations
from tradectl.store.database import Database

NEW_TABLES = {"positions", "targets", "seen_orders", "settings"}
SAFETY_TABLES = {"ess", "recoveries", "policies", "preflights", "baseline", "seen_time"}
NEW_COLUMNS = {"intents": {"ended", "filled"}, "open_trades": {"opener"}, "limits": {"source"}}
NEWEST = migrations.CURRENT_VERSION
AT_MS = 5_000


def upgrade(path: Path, **more: Any) -> None:
    Database.open(path, expect=STAMP, at_ms=AT_MS, durable=False, **more).close()


def version(path: Path) -> int:
    with raw(path) as conn:
        return migrations.version_of(conn)


def rest(found: Dump) -> Dump:
    """What the first schema has of it."""
    return {
        table: [
            {name: value for name, value in row.items() if name not in NEW_COLUMNS.get(table, ())}
            for row in rows
            if table != "migrations" or row["version"] == 1
        ]
        for table, rows in found.items()
        if table not in NEW_TABLES | SAFETY_TABLES
    }
