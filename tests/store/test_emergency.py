"""The emergency journal: written when the store cannot be, imported exactly once (promise 1)."""

from __future__ import annotations

import resource
import stat
from pathlib import Path

import pytest
from store_kit import locked_by_another_process

from tradectl.errors import StoreUnwritable
from tradectl.store import emergency, journal
from tradectl.store.database import Database


def record(db: Database, number: int) -> None:
    emergency.record(
        db.path,
        at_ms=number,
        kind="intent",
        actor="ann",
        symbol="BTCUSDT",
        body={"cancel": f"o-{number}", "why": "ü\n"},
    )


def absorb(db: Database) -> int:
    with db.transaction() as conn:
        return emergency.absorb(conn, db.path)


def test_recorded_while_the_store_is_locked_and_imported_once(db: Database) -> None:
    path = emergency.prepare(db.path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with locked_by_another_process(db.path, "BEGIN EXCLUSIVE"):
        record(db, 1)
        record(db, 2)
    assert [item["body"]["cancel"] for item in emergency.waiting(db.path)] == ["o-1", "o-2"]
    assert absorb(db) == 2
    assert absorb(db) == 0, "a crash before clear() must not import twice"
    emergency.clear(db.path)
    assert emergency.waiting(db.path) == []
    record(db, 3)
    assert absorb(db) == 1
    rows = journal.page(db.conn, kind="intent")
    assert [(row.actor, row.symbol, row.body["cancel"]) for row in rows] == [
        ("ann", "BTCUSDT", f"o-{number}") for number in (1, 2, 3)
    ]
    assert path.stat().st_size == emergency.SIZE_BYTES


def test_a_full_disk_does_not_refuse_it(db: Database) -> None:
    emergency.prepare(db.path)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (emergency.SIZE_BYTES, limit[1]))
    try:
        record(db, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert len(emergency.waiting(db.path)) == 1


def test_line_cut_by_a_crash_is_not_taken_and_is_written_over(db: Database) -> None:
    path = emergency.prepare(db.path)
    record(db, 1)
    used = path.read_bytes().index(b"\0")
    with path.open("r+b") as file:
        file.seek(used)
        file.write(b'{"at_ms":2,"kind":"int' + b"x" * 300)
    record(db, 3)
    assert [item["at_ms"] for item in emergency.waiting(db.path)] == [1, 3]
    record(db, 4)
    assert [item["at_ms"] for item in emergency.waiting(db.path)] == [1, 3, 4]


def test_nothing_there_is_nothing_to_import(db: Database) -> None:
    assert emergency.waiting(db.path) == []
    assert absorb(db) == 0
    emergency.clear(db.path)
    assert not emergency.path_of(db.path).exists()


def test_where_even_this_fails_it_is_said(tmp_path: Path) -> None:
    emergency.path_of(tmp_path / "store.db").mkdir()
    with pytest.raises(StoreUnwritable, match="Neither"):
        emergency.record(tmp_path / "store.db", at_ms=1, kind="intent", actor="ann", body={})
