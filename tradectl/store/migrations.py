"""The schema's steps, named, numbered and recorded in the store; applied in one transaction each.

`PRAGMA user_version` is the number of the last one, `PRAGMA application_id` says that the file is ours.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tradectl.errors import StoreDamaged, StoreTooNew
from tradectl.store.faults import RESTORE_HINT
from tradectl.store.schema_v1 import APPLICATION_ID, TABLES
from tradectl.store.schema_v2 import STATEMENTS as POSITIONS
from tradectl.store.schema_v3 import STATEMENTS as SAFETY


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "first_schema", TABLES),
    Migration(2, "positions", POSITIONS),
    Migration(3, "safety", SAFETY),
)
CURRENT_VERSION = MIGRATIONS[-1].version


def version_of(conn: sqlite3.Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def check_file(conn: sqlite3.Connection, path: str) -> int:
    """The schema version of a file that is one of our stores.

    Raises StoreDamaged when it is not, StoreTooNew when a newer tradectl wrote it.
    """
    found = int(conn.execute("PRAGMA application_id").fetchone()[0])
    version = version_of(conn)
    if found != APPLICATION_ID or version == 0:
        raise StoreDamaged(
            "This file is not a tradectl store",
            where=path,
            why=f"application id {found:#010x}, schema version {version}",
            hint="name the right file with --state, or: " + RESTORE_HINT,
        )
    known = MIGRATIONS[-1].version
    if version > known:
        raise StoreTooNew(
            f"The store was written by a newer tradectl (schema {version}, this one knows {known})",
            where=path,
            hint="upgrade tradectl, or restore the backup made before the upgrade",
        )
    return version


def pending(version: int) -> tuple[Migration, ...]:
    return tuple(step for step in MIGRATIONS if step.version > version)


def apply(conn: sqlite3.Connection, step: Migration, at_ms: int) -> None:
    """Applies and records one step inside the caller's transaction."""
    for statement in step.statements:
        conn.execute(statement)
    conn.execute(
        "INSERT INTO migrations (version, name, applied_ms) VALUES (?, ?, ?)", (step.version, step.name, at_ms)
    )
    conn.execute(f"PRAGMA user_version = {step.version:d}")
    conn.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")


def upgrade(conn: sqlite3.Connection, at_ms: int) -> None:
    """Applies every step that is pending, all or none, whoever else tries the same at the same time."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        for step in pending(version_of(conn)):
            apply(conn, step, at_ms)
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


def applied(conn: sqlite3.Connection) -> list[tuple[int, str, int]]:
    """(version, name, applied_ms) of every recorded step."""
    return conn.execute("SELECT version, name, applied_ms FROM migrations ORDER BY version").fetchall()
