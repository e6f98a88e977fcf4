"""A consistent copy of a live store, stepwise so that the bot and the fence are not kept waiting, then verified."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tradectl.errors import StoreDamaged, StoreRefused, StoreUnwritable
from tradectl.store import faults, files
from tradectl.store.database import Database
from tradectl.store.verify import VerifyReport, verify

PAUSE_S = 0.01  # between two steps: room for a commit
RESTARTS = 10  # each commit of another process starts the copy anew; then one step takes it all


@dataclass(frozen=True, slots=True)
class Backup:
    """`steps` is how many it took; `restarts` how often another process's commit began it anew."""

    path: str
    size_bytes: int
    steps: int
    restarts: int
    report: VerifyReport


class _TooManyRestarts(Exception):
    """Leaves the stepwise copy; never seen outside."""


def backup(db_path: Path | str, target: Path | str, pages_per_step: int = 64) -> Backup:
    """Copies the store to `target` (mode 0600), which must not be there yet; complete and verified, or not at all.

    Raises StoreRefused when the target exists, StoreDamaged when the copy does not verify (it is removed), and what
    opening a store raises.
    """
    final = Path(target).resolve()
    if final.exists() or final.is_symlink():
        raise _taken(final)
    building = final.with_name(f"{final.name}.part-{os.getpid()}")
    with Database.open(db_path, expect=None, lock_wait_ms=2_000, readonly=True) as db:
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(building, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
            steps, restarts = _copy(db.conn, str(building), pages_per_step)
            report = verify(building)
            if not report.ok:
                raise StoreDamaged(
                    "The backup was made but does not verify, and was removed",
                    where=str(db.path),
                    why="; ".join(f"{check.name}: {check.detail}" for check in report.failed),
                    hint="tradectl state verify on the store itself",
                )
            _sync(building)
            try:
                final.hardlink_to(building)
            except FileExistsError as error:
                raise _taken(final) from error
            files.sync_folder(str(final))
        except sqlite3.Error as error:
            raise faults.translate(error, str(db.path), 2_000) or error from error
        except OSError as error:
            raise StoreUnwritable(
                "The backup cannot be written",
                where=str(final),
                why=str(error.strerror or error),
                hint="check the folder's rights and the space on its disk",
            ) from error
        finally:
            with suppress(NotADirectoryError):  # its folder could not be made: there is nothing to remove
                building.unlink(missing_ok=True)
    return Backup(str(final), final.stat().st_size, steps, restarts, report)


def _copy(source: sqlite3.Connection, target: str, pages_per_step: int) -> tuple[int, int]:
    """Returns (steps, restarts)."""
    steps = restarts = 0
    before: int | None = None

    def progress(_status: int, remaining: int, _total: int) -> None:
        nonlocal steps, restarts, before
        steps += 1
        if before is not None and remaining >= before:
            restarts += 1
            if restarts > RESTARTS:
                raise _TooManyRestarts
        before = remaining

    copy = sqlite3.connect(target, isolation_level=None)
    try:
        copy.execute("PRAGMA synchronous = FULL")
        try:
            source.backup(copy, pages=pages_per_step, progress=progress, sleep=PAUSE_S)
        except _TooManyRestarts:
            source.backup(copy, pages=-1)
            steps += 1
    finally:
        copy.close()
    return steps, restarts


def _taken(path: Path) -> StoreRefused:
    return StoreRefused("There is a file at the backup's path already", where=str(path), hint="name another path")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
