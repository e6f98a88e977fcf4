"""`state verify`: 0 only for a store that is whole."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from page_kit import create, hold_lease, locked, one_cycle, tradectl

from tradectl.operations import state_verify


def test_a_whole_store_passes_every_check(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db)
    ran = tradectl("--state", db.path, "state", "verify")
    assert ran.code == 0, ran.out
    assert ran.out.startswith("The store is whole")
    assert "✗" not in ran.out and "journal chain" in ran.out and "free disk" in ran.out


def test_a_changed_journal_row_is_found_and_exits_2(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
    conn = sqlite3.connect(db.path)
    conn.execute("DROP TRIGGER journal_rows_never_change")
    conn.execute("UPDATE journal SET actor = 'nobody' WHERE seq = 1")
    conn.commit()
    conn.close()
    ran = tradectl("--state", db.path, "state", "verify", "--json")
    assert ran.code == 2
    assert ran.json["ok"] is False
    failed = {check["name"] for check in ran.json["checks"] if not check["ok"]}
    assert failed == {"tables", "journal chain"}


@pytest.mark.parametrize("damage", ["truncated", "newer"])
def test_a_store_that_cannot_be_opened_is_a_report_with_exit_2(tmp_path: Path, damage: str) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    if damage == "truncated":
        os.truncate(db.path, db.path.stat().st_size // 3)
    else:
        conn = sqlite3.connect(db.path)
        conn.execute("PRAGMA user_version = 99")
        conn.close()
    ran = tradectl("--state", db.path, "state", "verify")
    assert ran.code == 2
    assert "DAMAGED OR AT RISK" in ran.out


def test_a_file_mode_that_lets_others_in_fails(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    db.path.chmod(0o640)
    found = state_verify.read(db.path)
    assert [check.name for check in found.checks if not check.ok] == ["file mode"]


def test_an_exclusive_lock_is_busy_and_not_damage(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    with locked(db.path, "BEGIN EXCLUSIVE"):
        assert tradectl("--state", db.path, "state", "verify").code == 75


def test_a_damaged_store_says_its_size_and_which_backup_to_look_at(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    assert tradectl("--state", db.path, "state", "backup").code == 0
    size = db.path.stat().st_size // 3
    os.truncate(db.path, size)
    ran = tradectl("--state", db.path, "state", "verify", "--json")
    backup = next((tmp_path / "backups").iterdir())
    assert (ran.code, ran.json["size_bytes"]) == (2, size)
    assert str(backup) in ran.json["next"][0] and "with the bot stopped" in ran.json["next"][1]
