"""Stores in real trouble: a file system without space, a folder or a file that nobody may write, a lock held by a
process that was stopped. Each begins and ends when a test says so; nothing of the product is replaced.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

STORE, EXCHANGE = "bot.db", "bot.exchange.db"

# Holds the store's write lock with a change under way, and is stopped by a signal. If it ever goes on, it rolls back.
STOPPED = """
import os, signal, sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("BEGIN IMMEDIATE")
conn.execute("UPDATE progress SET wall_ms = wall_ms + 1")
os.kill(os.getpid(), signal.SIGSTOP)
conn.execute("ROLLBACK")
"""


@dataclass
class Disk:
    """Where the store lies; the exchange's file is elsewhere, for it is the other side. `begin` and `end` once each."""

    folder: Path
    begin: Callable[[], None]
    end: Callable[[], None]


Trouble = Callable[[Path], AbstractContextManager[Disk]]


def move(home: Path, folder: Path, away: Path) -> None:
    """A bot's files from its home: the store to `folder`, the exchange to `away`, linked."""
    away.mkdir()
    for file in home.iterdir():
        target = away if file.name.startswith(EXCHANGE) else folder
        shutil.move(file, target / file.name)
    (folder / EXCHANGE).symlink_to(away / EXCHANGE)


@contextmanager
def without_space(tmp_path: Path) -> Iterator[Disk]:
    """A file system of its own, which is then filled to the last byte."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    ballast = folder / "ballast"

    def fill() -> None:
        handle = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(handle, bytes(4096)):
                pass
        except OSError:
            pass
        finally:
            os.close(handle)

    try:
        yield Disk(folder, fill, ballast.unlink)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def read_only_folder(tmp_path: Path) -> Iterator[Disk]:
    """Nothing can be created in it, no journal among it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    yield from _forbidden(folder, folder, 0o500, 0o700)


@contextmanager
def read_only_file(tmp_path: Path) -> Iterator[Disk]:
    """The store itself can be changed by nobody, by those who have it open among them."""
    if os.geteuid():
        pytest.skip("only root may forbid it to who has the file open")
    folder = tmp_path / "file"
    folder.mkdir()
    yield from _forbidden(folder, folder / STORE, 0o400, 0o600)


def _forbidden(folder: Path, path: Path, closed: int, opened: int) -> Iterator[Disk]:
    def forbid(on: bool) -> None:
        if os.geteuid():
            path.chmod(closed if on else opened)
            return
        try:
            _immutable(path, on)  # root may write everywhere else
        except OSError:
            pytest.skip("this file system forbids root nothing")

    try:
        yield Disk(folder, lambda: forbid(True), lambda: forbid(False))
    finally:
        if path.exists():
            forbid(False)


def _immutable(path: Path, on: bool) -> None:
    get, set_, flag = 0x80086601, 0x40086602, 0x10
    handle = os.open(path, os.O_RDONLY)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(handle, get, bytes(8)))
        fcntl.ioctl(handle, set_, struct.pack("l", flags | flag if on else flags & ~flag))
    finally:
        os.close(handle)


def _locked(tmp_path: Path, end: signal.Signals) -> Iterator[Disk]:
    folder = tmp_path / "locked"
    folder.mkdir()
    holders: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        holder = subprocess.Popen([sys.executable, "-c", STOPPED, str(folder / STORE)])
        holders.append(holder)
        _, status = os.waitpid(holder.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def let_go() -> None:
        holders[0].send_signal(end)
        holders[0].wait(10)

    try:
        yield Disk(folder, begin, let_go)
    finally:
        for holder in holders:
            holder.kill()
            holder.wait(10)


@contextmanager
def locked_by_a_stopped_process(tmp_path: Path) -> Iterator[Disk]:
    """It goes on in the end, and gives up what it had begun."""
    yield from _locked(tmp_path, signal.SIGCONT)


@contextmanager
def locked_by_a_process_that_is_killed(tmp_path: Path) -> Iterator[Disk]:
    """What it had begun is left to whoever opens the store next."""
    yield from _locked(tmp_path, signal.SIGKILL)


TROUBLES: dict[str, Trouble] = {
    each.__name__.replace("_", " "): each
    for each in (
        without_space,
        read_only_folder,
        read_only_file,
        locked_by_a_stopped_process,
        locked_by_a_process_that_is_killed,
    )
}
