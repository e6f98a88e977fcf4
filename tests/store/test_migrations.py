"""An older schema is brought up to date in one transaction, recorded by name, or left exactly as it was."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from store_kit import OURS, create

from tradectl.errors import StoreRefused
from tradectl.store import migrations
from tradectl.store.database import Database
from tradectl.store.migrations import MIGRATIONS, Migration

NOTES = Migration(4, "operator_notes", ("CREATE TABLE notes (text TEXT NOT NULL) STRICT",))
BROKEN = Migration(5, "broken", ("CREATE TABLE more (a INTEGER) STRICT", "CREATE TABLE notes (b TEXT) STRICT"))
FIRST = [(1, "first_schema", 1_000), (2, "positions", 1_000), (3, "safety", 1_000)]


def test_pending_steps_are_applied_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, NOTES))
    with pytest.raises(StoreRefused, match="older schema 3"):
        Database.open(path, expect=OURS, readonly=True)
    with Database.open(path, expect=OURS, at_ms=5_000) as db:
        assert migrations.applied(db.conn) == [*FIRST, (4, "operator_notes", 5_000)]
        assert migrations.version_of(db.conn) == 4
    with Database.open(path, expect=OURS, at_ms=9_000) as db:
        assert migrations.applied(db.conn)[-1] == (4, "operator_notes", 5_000)


def test_failing_step_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, NOTES, BROKEN))
    conn = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrations.upgrade(conn, 5_000)
    conn.close()
    monkeypatch.undo()
    with Database.open(path, expect=OURS) as db:
        assert migrations.applied(db.conn) == FIRST
        assert "notes" not in db.utils.table_names()
