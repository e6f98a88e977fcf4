"""Pointer files: one per store, alive by process and start, broken ones do no harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradectl.store import files, pointers


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def write(path: str, **changes: object) -> str:
    facts = {"account": "main", "venue": "sim", "environment": "paper", "path": path} | changes
    return pointers.write(**facts)  # type: ignore[arg-type]


def test_round_trip_and_removal(tmp_path: Path) -> None:
    file = write(str(tmp_path / "a=b ü.db"))
    (found,) = pointers.pointers()
    assert (found.account, found.venue, found.environment) == ("main", "sim", "paper")
    assert (found.path, found.pid, found.alive, found.file) == (str(tmp_path / "a=b ü.db"), os.getpid(), True, file)
    assert [line.partition("=")[0] for line in Path(file).read_text().splitlines()] == [
        "account",
        "venue",
        "environment",
        "path",
        "pid",
        "started",
    ]
    pointers.remove(file)
    pointers.remove(file)
    assert pointers.pointers() == []


def test_restarted_bot_takes_the_place_of_its_old_pointer(tmp_path: Path) -> None:
    write(str(tmp_path / "a.db"), pid=os.getpid(), started="1")
    write(str(tmp_path / "a.db"))
    write(str(tmp_path / "b.db"), account="x/../y")
    assert [(item.account, item.alive) for item in pointers.pointers()] == [("main", True), ("x/../y", True)]
    assert len(list((tmp_path / "tradectl").iterdir())) == 2


def test_dead_process_and_reused_pid_are_not_alive(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = files.process_start(process.pid)
    assert files.process_alive(process.pid, started)
    assert not files.process_alive(process.pid, started + "0")
    process.kill()
    process.communicate()
    assert not files.process_alive(process.pid, started)
    assert not files.process_alive(0, "")


def test_zombie_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = files.process_start(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not files.process_alive(process.pid, started)
    process.communicate()


def test_broken_pointers_count_as_none(tmp_path: Path) -> None:
    folder = tmp_path / "tradectl"
    folder.mkdir()
    (folder / "a.bot").write_text("account=main\n")
    (folder / "b.bot").write_bytes(b"\xff\xfe")
    (folder / "c.bot").write_text("account=a\nvenue=b\nenvironment=c\npath=d\npid=many\nstarted=\n")
    (folder / "d.bot").mkdir()
    (folder / "notes.txt").write_text("not ours")
    assert pointers.pointers() == []
    assert pointers.choose() == []
