"""`state backup`: complete and verified, or not there at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from page_kit import counters, create, locked, one_cycle, tradectl

from tradectl.store import risk
from tradectl.store.database import Database


def test_it_goes_beside_the_store_private_whole_and_named_by_time(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    ran = tradectl("--state", db.path, "state", "backup", "--json")
    assert ran.code == 0, ran.err
    target = Path(ran.json["target"])
    assert target.parent == tmp_path / "backups"
    assert target.name.startswith("store-2") and target.suffix == ".db"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with Database.open(target, expect=None) as copy:
        assert risk.load(copy.conn) == counters()
    assert str(target) in tradectl("--state", db.path, "state", "show").out


def test_a_file_in_the_way_is_never_overwritten(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    target = tmp_path / "mine.db"
    target.write_text("keep me")
    ran = tradectl("--state", db.path, "state", "backup", target)
    assert ran.code == 2
    assert target.read_text() == "keep me"


def test_a_folder_gets_a_file_named_by_time(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    folder = tmp_path / "usb"
    folder.mkdir()
    assert tradectl("--state", db.path, "state", "backup", folder).code == 0
    assert [path.name[:7] for path in folder.iterdir()] == ["store-2"]


def test_it_copies_while_another_process_is_about_to_commit(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    with locked(db.path, "BEGIN IMMEDIATE"):
        assert tradectl("--state", db.path, "state", "backup").code == 0


def test_a_damaged_store_yields_no_backup(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    os.truncate(db.path, db.path.stat().st_size // 3)
    ran = tradectl("--state", db.path, "state", "backup")
    assert ran.code == 2
    assert not list(tmp_path.glob("backups/*"))


def test_a_target_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    ran = tradectl("--state", db.path, "state", "backup", tmp_path / "bakcups" / "copy.db")
    assert ran.code == 2 and "no such folder" in ran.err, ran.err
    assert not (tmp_path / "bakcups").exists()
