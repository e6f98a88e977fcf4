"""Backups are complete, private and verified, or not there; verify names what is wrong."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from store_kit import OURS, create, locked_by_another_process

from tradectl.errors import StoreBusy, StoreMissing, StoreRefused, StoreUnwritable
from tradectl.store import journal, ledger
from tradectl.store.backup import backup
from tradectl.store.database import Database
from tradectl.store.verify import verify


def fill(db: Database, rows: int) -> None:
    with db.transaction() as conn:
        for number in range(rows):
            journal.append(conn, at_ms=number, kind="state", actor="bot", body={"filler": "x" * 1000})
        ledger.set_cursor(conn, rows)


def test_backup_equals_the_store_and_opens(db: Database, tmp_path: Path) -> None:
    fill(db, 300)
    done = backup(db.path, tmp_path / "backups" / "b.db", pages_per_step=16)
    assert done.report.ok
    assert done.steps > 5
    assert done.size_bytes == db.path.stat().st_size
    copy = Path(done.path)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [item.name for item in copy.parent.iterdir()] == ["b.db"]
    with Database.open(copy, expect=OURS) as restored:
        assert ledger.cursor(restored.conn) == 300
        assert list(restored.conn.iterdump()) == list(db.conn.iterdump())


WRITER = """
import sys
from tradectl.store import ledger
from tradectl.store.database import Database
db = Database.open(sys.argv[1], expect=None, lock_wait_ms=5000, durable=False)
print("ready", flush=True)
number = 0
while True:
    number += 1
    with db.transaction() as conn:
        ledger.set_cursor(conn, number)
"""


def test_backup_ends_although_another_process_commits_all_the_time(db: Database, tmp_path: Path) -> None:
    fill(db, 300)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(db.path)], stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            done = backup(db.path, tmp_path / "b.db", pages_per_step=8)
        finally:
            writer.kill()
    assert done.report.ok
    with Database.open(tmp_path / "b.db", expect=OURS) as restored:
        assert journal.head(restored.conn)[0] == 300


def test_backup_never_overwrites(db: Database, tmp_path: Path) -> None:
    (tmp_path / "b.db").write_text("older")
    with pytest.raises(StoreRefused, match="already"):
        backup(db.path, tmp_path / "b.db")
    assert (tmp_path / "b.db").read_text() == "older"


def test_backup_of_a_store_that_does_not_verify_is_not_kept(db: Database, tmp_path: Path) -> None:
    fill(db, 3)
    db.conn.execute("UPDATE journal_head SET seq = 9")
    with pytest.raises(StoreRefused, match="does not verify") as caught:
        backup(db.path, tmp_path / "b.db")
    assert "journal chain" in caught.value.why
    assert not [item for item in tmp_path.iterdir() if item.name.startswith("b.db")]


def test_backup_into_no_folder_is_unwritable(db: Database) -> None:
    with pytest.raises(StoreUnwritable):
        backup(db.path, db.path / "b.db")


def test_verify_of_a_sound_store_names_its_checks(tmp_path: Path) -> None:
    create(tmp_path).close()
    report = verify(tmp_path / "store.db")
    assert report.ok, report.failed
    assert report.identity == OURS
    assert {"integrity", "journal chain", "ledger totals", "file mode", "schema"} <= {
        check.name for check in report.checks
    }


@pytest.mark.parametrize(
    ("statement", "failed"),
    [
        ("UPDATE journal_head SET seq = 9", "journal chain"),
        ("DROP TRIGGER journal_rows_never_go", "tables"),
        ("CREATE TABLE loose (a)", "tables"),
        ("DELETE FROM migrations", "schema"),
        ("UPDATE ledger SET gross = 'much'", "ledger totals"),
        ("DROP TABLE funding", "readable"),
    ],
)
def test_verify_names_what_is_wrong(tmp_path: Path, statement: str, failed: str) -> None:
    with create(tmp_path) as db:
        db.conn.execute(statement)
    assert [check.name for check in verify(tmp_path / "store.db").failed] == [failed]


def test_verify_sees_a_file_that_others_can_read(tmp_path: Path) -> None:
    create(tmp_path).close()
    (tmp_path / "store.db").chmod(0o644)
    (check,) = verify(tmp_path / "store.db").failed
    assert check.detail.startswith("0644: chmod 600")


def test_verify_of_nothing_and_of_a_locked_store_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        verify(tmp_path / "store.db")
    create(tmp_path).close()
    with locked_by_another_process(tmp_path / "store.db", "BEGIN EXCLUSIVE"), pytest.raises(StoreBusy):
        verify(tmp_path / "store.db", lock_wait_ms=20)


def test_verify_changes_nothing(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    os.utime(path, ns=(1, 1))
    before = path.read_bytes()
    verify(path)
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == 1
