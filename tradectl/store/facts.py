"""What the store is, for the pages that show it: size, schema, SQLite, mode."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import NamedTuple

from tradectl.store import identity, journal, migrations

_IN_DOUBT = "SELECT count(*) FROM intents WHERE state IN ('recorded', 'sent', 'unknown')"


class StoreFacts(NamedTuple):
    """`mode` is the file's permission bits; 0o600 is what it should be. The counts say what else is worth reading."""

    path: str
    size_bytes: int
    mode: int
    schema: int
    sqlite: str
    journal_rows: int
    created_ms: int
    in_doubt: int
    open_trades: int


def facts(conn: sqlite3.Connection, path: Path) -> StoreFacts:
    """Read inside the caller's transaction."""
    found = path.stat()
    return StoreFacts(
        path=str(path),
        size_bytes=found.st_size,
        mode=stat.S_IMODE(found.st_mode),
        schema=migrations.version_of(conn),
        sqlite=sqlite3.sqlite_version,
        journal_rows=journal.head(conn)[0],
        created_ms=identity.created_ms(conn),
        in_doubt=int(conn.execute(_IN_DOUBT).fetchone()[0]),
        open_trades=int(conn.execute("SELECT count(*) FROM open_trades").fetchone()[0]),
    )
