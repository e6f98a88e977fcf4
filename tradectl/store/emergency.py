"""The emergency journal of promise 1: protection is recorded here where the store cannot be written; imported later.

A file beside the store (`<store>.emergency`), allocated in full while all is well, so that a full disk cannot refuse
it. Only reduce-only orders and cancels may be recorded here; entries need the store. Each record is one line of JSON,
written and synced before its request leaves. Importing journals each record once, then empties the file.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradectl.errors import StoreUnwritable
from tradectl.store import encoding, files, journal

SIZE_BYTES = 256 * 1024
_EMPTY = b"\0"


def path_of(store_path: Path | str) -> Path:
    store = Path(store_path).resolve()
    return store.with_name(store.name + ".emergency")


def prepare(store_path: Path | str) -> Path:
    """Allocates the file (mode 0600) unless it is there. Raises OSError."""
    path = path_of(store_path)
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        size = os.fstat(handle).st_size
        if size < SIZE_BYTES:
            os.pwrite(handle, _EMPTY * (SIZE_BYTES - size), size)
            os.fsync(handle)
    finally:
        os.close(handle)
    files.sync_folder(str(path))
    return path


def record(
    store_path: Path | str, *, at_ms: int, kind: str, actor: str, body: Mapping[str, object], symbol: str = ""
) -> None:
    """Appends one record, durably, before its request leaves. Raises StoreUnwritable when even this cannot be done.

    `kind` is a journal kind; body and the rest are what the journal will get.
    """
    line = (
        encoding.dump({"at_ms": at_ms, "kind": kind, "actor": actor, "symbol": symbol, "body": body}).encode() + b"\n"
    )
    try:
        path = path_of(store_path)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, line, _used(path).rfind(b"\n") + 1)  # over a line that a crash cut short
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise StoreUnwritable(
            "Neither the store nor its emergency journal can be written",
            where=str(path_of(store_path)),
            why=str(error.strerror or error),
            hint="free space or restore the disk; until then orders can be sent only at the venue itself",
        ) from error


def waiting(store_path: Path | str) -> list[dict[str, Any]]:
    """The records that were not imported yet, oldest first; a last line cut by a crash was never acted upon."""
    path = path_of(store_path)
    if not path.exists():
        return []
    return [encoding.load(line.decode()) for line in _used(path).split(b"\n")[:-1]]


def absorb(conn: sqlite3.Connection, store_path: Path | str) -> int:
    """Journals every waiting record in the caller's transaction, each once; returns how many were new.

    Call `clear` after that transaction has committed; a crash in between imports nothing twice.
    """
    new = 0
    for place, entry in enumerate(waiting(store_path)):
        subject = "emergency:" + hashlib.sha256(f"{place}:{encoding.dump(entry)}".encode()).hexdigest()[:32]
        if conn.execute("SELECT 1 FROM journal WHERE subject = ?", (subject,)).fetchone() is None:
            journal.append(
                conn,
                at_ms=entry["at_ms"],
                kind=entry["kind"],
                actor=entry["actor"],
                subject=subject,
                symbol=entry["symbol"],
                body=entry["body"],
            )
            new += 1
    return new


def clear(store_path: Path | str) -> None:
    """Empties the file after its records were imported, keeping its space."""
    path = path_of(store_path)
    if not path.exists():
        return
    used = len(_used(path))
    handle = os.open(path, os.O_RDWR)
    try:
        os.pwrite(handle, _EMPTY * used, 0)
        os.fsync(handle)
    finally:
        os.close(handle)


def _used(path: Path) -> bytes:
    return path.read_bytes().split(_EMPTY, 1)[0]
