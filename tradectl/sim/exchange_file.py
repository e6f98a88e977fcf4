"""The exchange's SQLite file: its schema, how it is opened, and what its errors mean to an operator."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradectl.errors import StoreTooNew, VenueUnreachable
from tradectl.sim.codec import CodecError
from tradectl.sim.rows import cold_rows, hot_row
from tradectl.sim.stamp import Stamp
from tradectl.sim.state import ExchangeState

SCHEMA_VERSION = 1
APPLICATION_ID = 0x74645845  # 'tdXE'
BUSY_MS = 2_000

_DDL = (
    """CREATE TABLE stamp (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        account TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE market (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        version INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE feed (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        checkpoint TEXT NOT NULL
    ) STRICT""",
    # Read back in rowid order: a mapping keeps the order its keys came in.
    """CREATE TABLE open_state (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (kind, key)
    ) STRICT""",
    """CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        account INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX event_account ON event (seq) WHERE account = 1",
    """CREATE TABLE closed_order (
        order_id TEXT PRIMARY KEY,
        client_id TEXT,
        ended_seq INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX closed_order_client ON closed_order (client_id, ended_seq) WHERE client_id IS NOT NULL",
)
PUT = (
    "INSERT INTO open_state (kind, key, body) VALUES (?, ?, ?) "
    "ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body"
)


def touch(path: Path) -> None:
    """An empty file that only its owner can read, made before SQLite opens it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return  # another process was quicker; it is the same exchange, and its stamp is compared
    except OSError as error:
        raise VenueUnreachable(
            "the simulated exchange's file cannot be made",
            where=str(path),
            why=str(error),
            hint="give a --state in a folder that can be written",
        ) from error


def connect(path: Path, durable: bool, busy_ms: int) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < (3, 37):
        raise VenueUnreachable(
            f"SQLite {sqlite3.sqlite_version} is too old for the simulated exchange's file",
            why="STRICT tables need 3.37",
            hint="use a Python built with a newer SQLite",
        )
    with mapped(path):
        conn = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rw", timeout=busy_ms / 1000, isolation_level=None, uri=True
        )
        conn.execute("PRAGMA trusted_schema = OFF")
        conn.execute("PRAGMA journal_mode = DELETE")
        conn.execute(f"PRAGMA synchronous = {'EXTRA' if durable else 'OFF'}")
    return conn


def is_empty(conn: sqlite3.Connection) -> bool:
    return bool(conn.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()[0])


def create(conn: sqlite3.Connection, stamp: Stamp, state: ExchangeState, checkpoint: str) -> None:
    """The whole file in one transaction: it is there complete, or still empty."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        if is_empty(conn):
            for statement in _DDL:
                conn.execute(statement)
            conn.execute("INSERT INTO stamp (id, account, body) VALUES (1, ?, ?)", (stamp.account, stamp.body()))
            conn.execute("INSERT INTO market (id, version, body) VALUES (1, 1, ?)", (hot_row(state),))
            conn.execute("INSERT INTO feed (id, checkpoint) VALUES (1, ?)", (checkpoint,))
            conn.executemany(PUT, cold_rows(state))
            conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


def check(conn: sqlite3.Connection, path: Path) -> Stamp:
    """The stamp of a file that is one of ours and that this build can read."""
    application = conn.execute("PRAGMA application_id").fetchone()[0]
    version = conn.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise VenueUnreachable(
            "that file is not a simulated exchange",
            where=str(path),
            why=f"application id {application}, expected {APPLICATION_ID}",
            hint="give the right --state; the exchange's file lies beside the store",
        )
    if version > SCHEMA_VERSION:
        raise StoreTooNew(
            "the simulated exchange's file was written by a newer tradectl",
            where=str(path),
            why=f"its schema version is {version}, this build knows {SCHEMA_VERSION}",
            hint="upgrade tradectl",
        )
    account, body = conn.execute("SELECT account, body FROM stamp").fetchone()
    return Stamp.read(account, body)


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """SQLite's and the decoder's errors as VenueUnreachable, each with its own reason and remedy."""
    try:
        yield
    except sqlite3.Error as error:
        raise _unreachable(path, error) from error
    except CodecError as error:
        raise VenueUnreachable(
            "the simulated exchange's file holds something unreadable",
            where=str(path),
            why=str(error),
            hint="it may have been edited, or written by another build; restore it, or begin anew",
        ) from error


def _unreachable(path: Path, error: sqlite3.Error) -> VenueUnreachable:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        what, hint = "the exchange's file is locked by another process", "try again; find the holder with `lsof`"
    elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        what = "the exchange's file is damaged"
        hint = "restore it from a backup, or move it and the store away together to begin anew"
    elif code == sqlite3.SQLITE_FULL:
        what, hint = "no space left for the exchange's file", "free some space on this disk"
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        what, hint = "the exchange's file cannot be read or written", "check the path, its owner and the disk"
    else:
        what, hint = "the exchange's file cannot be used", "run `tradectl state verify`"
    return VenueUnreachable(what, where=str(path), why=str(error), hint=hint)
