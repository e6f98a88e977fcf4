"""What SQLite's errors mean to an operator: busy, unwritable or damaged, each with the next step.

Anything that is none of these (a broken constraint, bad SQL) is a fault of ours and is left as it is.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from tradectl.errors import StoreBusy, StoreDamaged, StoreUnwritable, TradectlError
from tradectl.store import files

_MOVED = 1032  # SQLITE_READONLY_DBMOVED
_SHORT_READ = 522  # SQLITE_IOERR_SHORT_READ
RESTORE_HINT = "tradectl state verify; then restore the last good backup"


def translate(error: sqlite3.Error, path: str, lock_wait_ms: int) -> TradectlError | None:
    """The operator's error for an SQLite error, or None when it is a fault of our own."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        holders = lock_holders(path)
        return StoreBusy(
            f"The store stayed locked for longer than {lock_wait_ms / 1000:g} s",
            where=path,
            why="held by " + ", ".join(holders) if holders else "another process holds its lock",
            hint="try again; if it stays so, look at that process (a stopped one keeps its lock)",
        )
    if code == _MOVED:
        return StoreUnwritable(
            "The store's file was moved or replaced while it was open",
            where=path,
            why=str(error),
            hint="put it back or restart tradectl; never copy or move a live store, use tradectl state backup",
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or code == _SHORT_READ:
        return StoreDamaged("The store is damaged", where=path, why=str(error), hint=RESTORE_HINT)
    if primary == sqlite3.SQLITE_FULL:
        return StoreUnwritable(
            "There is no space left to write the store",
            where=path,
            why=str(error),
            hint=f"free space on the disk of {Path(path).parent}; nothing of this change was kept",
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH):
        opened = primary != sqlite3.SQLITE_CANTOPEN
        return StoreUnwritable(
            "The store cannot be written" if opened else "The store, or its journal beside it, cannot be opened",
            where=path,
            why=str(error),
            hint="check that its folder and file belong to you and that the disk is not mounted read-only",
        )
    if primary == sqlite3.SQLITE_IOERR:
        return StoreUnwritable(
            "The disk refused a read or write of the store",
            where=path,
            why=f"{error} ({getattr(error, 'sqlite_errorname', '')})",
            hint="look at the disk (dmesg, df -h); nothing of this change was kept",
        )
    return None


def lock_holders(path: str) -> list[str]:
    """Who holds a lock on the file, as 'pid 4711 (command)'; empty where the system does not tell."""
    try:
        inode = Path(path).stat().st_ino
        table = files.read_text("/proc/locks")
    except OSError:
        return []
    found: dict[int, str] = {}
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 6 or "->" in fields or fields[5].rpartition(":")[2] != str(inode):
            continue
        pid = int(fields[4])
        if pid > 0 and pid != os.getpid():
            found[pid] = f"pid {pid}{_command(pid)}"
    return list(found.values())


def _command(pid: int) -> str:
    try:
        words = files.read_text(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
        state = files.read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1]
    except OSError:
        return ""
    stopped = ", stopped" if state == ["T"] else ""
    return f" ({words[:60]}{stopped})"
