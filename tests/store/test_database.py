"""The store's file: what opens, what is refused with which reason, and what a transaction leaves behind."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from store_kit import OURS, create, locked_by_another_process

from tradectl.domain.system_state import Latch, LatchName
from tradectl.errors import (
    ExitCode,
    StoreBusy,
    StoreDamaged,
    StoreMismatch,
    StoreMissing,
    StoreRefused,
    StoreTooNew,
    StoreUnwritable,
    ToolError,
)
from tradectl.store import faults, identity, journal, latches, migrations
from tradectl.store.database import Database
from tradectl.store.verify import verify

PAUSE = Latch(LatchName.PAUSE, "", "ann", 5, "lunch")


def test_new_store_is_private_stamped_and_strict(tmp_path: Path) -> None:
    with create(tmp_path, durable=True) as db:
        assert stat.S_IMODE(db.path.stat().st_mode) == 0o600
        assert db.identity == OURS
        assert db.conn.execute("PRAGMA synchronous").fetchone() == (3,)
        assert db.conn.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.conn.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert all(table.strict for table in db.utils.tables if table.name != "sqlite_sequence")
        assert migrations.applied(db.conn) == [
            (1, "first_schema", 1_000),
            (2, "positions", 1_000),
            (3, "safety", 1_000),
        ]
        assert identity.created_ms(db.conn) == 1_000
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_create_never_overwrites_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("precious")
    with pytest.raises(StoreRefused, match="already"):
        create(tmp_path)
    assert (tmp_path / "store.db").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_create_where_no_folder_can_be_made_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnwritable):
        Database.create(tmp_path / "file" / "store.db", OURS, 1)


def test_creation_killed_at_any_statement_leaves_no_store_under_its_name(tmp_path: Path) -> None:
    code = """
import os, signal, sqlite3, sys
from tradectl.store import database, migrations
from tradectl.store.identity import Identity
left = int(sys.argv[2])
real = migrations.apply
def apply(conn, step, at_ms):
    def count(statement):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    conn.set_trace_callback(count)
    real(conn, step, at_ms)
migrations.apply = apply
database.Database.create(sys.argv[1], Identity("main", "sim", "paper", "a1b2c3", "USDT"), 1)
"""
    for statement in (1, 12, 36):
        path = tmp_path / f"at{statement}.db"
        done = subprocess.run([sys.executable, "-c", code, str(path), str(statement)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert not path.exists()
        Database.create(path, OURS, 1, durable=False).close()


@pytest.mark.parametrize("field", ["account", "venue", "environment", "currency", "store_tag", "venue_path"])
def test_another_stamp_is_refused_naming_the_field_and_both_values(tmp_path: Path, field: str) -> None:
    create(tmp_path, replace(OURS, venue_path="here.db")).close()
    other = {"environment": "live", "store_tag": "zzzzzz"}.get(field, "other")
    expected = replace(OURS, venue_path="here.db")
    with pytest.raises(StoreMismatch) as caught:
        Database.open(tmp_path / "store.db", expect=replace(expected, **{field: other}))
    assert other in caught.value.what
    assert str(getattr(expected, field)) in caught.value.what
    assert caught.value.hint
    assert str(tmp_path) in caught.value.where


def test_expectation_without_tag_or_venue_path_takes_any(tmp_path: Path) -> None:
    create(tmp_path, replace(OURS, venue_path="here.db")).close()
    with Database.open(tmp_path / "store.db", expect=replace(OURS, store_tag="", venue_path=None)) as db:
        assert db.identity.venue_path == "here.db"


def test_missing_store_is_said_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        Database.open(tmp_path / "store.db", expect=None)
    assert list(tmp_path.iterdir()) == []


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        db.conn.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreTooNew, match="99"):
        Database.open(tmp_path / "store.db", expect=None)


def test_a_folder_is_called_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="folder, not a store"):
        Database.open(tmp_path, expect=None)


@pytest.mark.parametrize("spoil", ["empty", "text", "foreign", "no_identity"])
def test_what_is_no_store_is_called_damaged(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "store.db"
    if spoil == "empty":
        path.touch()
    elif spoil == "text":
        path.write_text("this is not a database, whatever its name says" * 50)
    elif spoil == "foreign":
        conn = sqlite3.connect(path)
        conn.execute("CREATE TABLE other (a)")
        conn.close()
    else:
        with create(tmp_path) as db:
            db.conn.execute("DELETE FROM identity")
    with pytest.raises(StoreDamaged) as caught:
        Database.open(path, expect=None)
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.REFUSED


def test_truncated_file_is_damaged_at_open_and_in_verify(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StoreDamaged) as caught:
        Database.open(path, expect=None, check=True)
    assert "state verify" in caught.value.hint
    assert not verify(path).ok


def test_overwritten_page_is_found_by_the_check_at_open(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreDamaged):
        Database.open(path, expect=None, check=True)
    assert not verify(path).ok


def test_older_sqlite_is_refused_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StoreRefused, match=r"3\.37"):
        create(tmp_path)


def test_exception_inside_rolls_everything_back(db: Database) -> None:
    with pytest.raises(ValueError, match="halfway"), db.transaction() as conn:
        latches.set_latch(conn, PAUSE)
        raise ValueError("halfway")
    with db.read() as conn:
        assert latches.active(conn) == ()
        assert journal.head(conn)[0] == 0


def test_nesting_is_refused_and_undoes_the_outer_one(db: Database) -> None:
    with pytest.raises(ToolError, match="inside another"), db.transaction() as conn:
        latches.set_latch(conn, PAUSE)
        with db.transaction():
            pass
    with pytest.raises(ToolError), db.read(), db.read():
        pass
    assert not db.conn.in_transaction
    assert latches.active(db.conn) == ()


def test_readonly_connection_cannot_write(db: Database) -> None:
    with (
        Database.open(db.path, expect=OURS, readonly=True) as reader,
        pytest.raises(StoreUnwritable),
        reader.transaction() as conn,
    ):
        latches.set_latch(conn, PAUSE)
    assert latches.active(db.conn) == ()


@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_lock_beyond_the_bound_is_busy_and_names_the_holder(tmp_path: Path, how: str) -> None:
    with create(tmp_path, lock_wait_ms=50) as db, locked_by_another_process(db.path, how) as holder:
        begun = time.monotonic()
        with pytest.raises(StoreBusy) as caught, db.transaction():
            pass
        assert time.monotonic() - begun < 1
        assert caught.value.exit_code is ExitCode.BUSY
        assert str(holder.pid) in caught.value.why
        assert caught.value.hint


def test_stopped_holder_is_said_to_be_stopped(tmp_path: Path) -> None:
    with create(tmp_path, lock_wait_ms=20) as db, locked_by_another_process(db.path) as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        os.waitpid(holder.pid, os.WUNTRACED)
        with pytest.raises(StoreBusy, match="locked") as caught, db.transaction():
            pass
        assert "stopped" in caught.value.why


def test_reader_of_another_process_makes_a_commit_busy_and_nothing_is_kept(tmp_path: Path) -> None:
    with create(tmp_path, lock_wait_ms=20) as db:
        with locked_by_another_process(db.path, "BEGIN"):
            with pytest.raises(StoreBusy), db.transaction() as conn:
                latches.set_latch(conn, PAUSE)
            assert not db.conn.in_transaction
        with db.transaction() as conn:
            assert latches.active(conn) == ()


def test_full_disk_is_unwritable_and_nothing_is_kept(db: Database) -> None:
    pages = db.conn.execute("PRAGMA page_count").fetchone()[0]
    db.conn.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnwritable, match="no space"), db.transaction() as conn:
        latches.set_latch(conn, PAUSE)
        for number in range(200):
            journal.append(conn, at_ms=number, kind="state", actor="bot", body={"filler": "x" * 500})
    assert not db.conn.in_transaction
    db.conn.execute("PRAGMA max_page_count = 1000000")
    with db.transaction() as conn:
        assert latches.active(conn) == ()
        assert latches.set_latch(conn, PAUSE)
    assert verify(db.path).ok


def test_failed_commit_is_reported_and_leaves_no_transaction_open(tmp_path: Path) -> None:
    with create(tmp_path, durable=True) as db:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, limit[1]))  # too small even for the rollback journal
        try:
            with pytest.raises(StoreUnwritable), db.transaction() as conn:
                latches.set_latch(conn, PAUSE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert not db.conn.in_transaction
        with db.transaction() as conn:
            assert latches.active(conn) == ()
            assert latches.set_latch(conn, PAUSE)


def test_rollback_journal_that_cannot_be_made_is_unwritable(tmp_path: Path) -> None:
    with create(tmp_path, durable=True) as db:
        (tmp_path / "store.db-journal").mkdir()
        with pytest.raises(StoreUnwritable), db.transaction() as conn:
            latches.set_latch(conn, PAUSE)
        (tmp_path / "store.db-journal").rmdir()
        assert latches.active(db.conn) == ()


def test_store_moved_away_under_the_bot_is_said(tmp_path: Path) -> None:
    with create(tmp_path, durable=True) as db:
        (tmp_path / "store.db").rename(tmp_path / "elsewhere.db")
        with pytest.raises(StoreUnwritable, match="moved"), db.transaction() as conn:
            latches.set_latch(conn, PAUSE)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (sqlite3.SQLITE_READONLY, "StoreUnwritable"),
        (sqlite3.SQLITE_IOERR, "StoreUnwritable"),
        (sqlite3.SQLITE_CANTOPEN, "StoreUnwritable"),
        (sqlite3.SQLITE_FULL, "StoreUnwritable"),
        (sqlite3.SQLITE_CORRUPT, "StoreDamaged"),
        (sqlite3.SQLITE_IOERR | 2 << 8, "StoreDamaged"),
        (sqlite3.SQLITE_BUSY, "StoreBusy"),
        (sqlite3.SQLITE_CONSTRAINT, "NoneType"),
    ],
)
def test_every_sqlite_error_has_its_meaning(tmp_path: Path, code: int, name: str) -> None:
    error = sqlite3.OperationalError(os.strerror(errno.EIO))
    error.sqlite_errorcode = code
    known = faults.translate(error, str(tmp_path / "store.db"), 500)
    assert type(known).__name__ == name
    assert known is None or (known.where and known.hint)


def test_broken_constraint_stays_a_fault_of_ours(db: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), db.transaction() as conn:
        conn.execute("INSERT INTO latches (name, scope, set_by, set_at_ms, reason) VALUES ('pause', '', '', 1, '')")
    assert not db.conn.in_transaction


def test_a_store_switched_to_wal_is_switched_back(tmp_path: Path) -> None:
    create(tmp_path).close()
    conn = sqlite3.connect(tmp_path / "store.db")
    conn.execute("PRAGMA journal_mode = WAL")
    conn.close()
    with Database.open(tmp_path / "store.db", expect=OURS) as db:
        assert db.conn.execute("PRAGMA journal_mode").fetchone() == ("delete",)
