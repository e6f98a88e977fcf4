"""The one SQLite file: opening, creating, and the only transactions there are.

Rollback journal and synchronous=EXTRA: bot and operator write the same file from two processes. Every write runs in
`transaction()` (BEGIN IMMEDIATE, never nested, never across a network call); every read that needs more than one
statement runs in `read()`, which fetches and ends, because a paused reader blocks every commit, the fence included.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from tradectl.errors import (
    StoreDamaged,
    StoreMissing,
    StoreRefused,
    StoreUnwritable,
    ToolError,
    TradectlError,
)
from tradectl.store import chain, faults, files, identity, migrations
from tradectl.store.identity import Identity

if TYPE_CHECKING:
    import sqlite_utils

# What connections are made of. A scenario puts one here whose process can die, or whose disk can be full.
CONNECTION: ContextVar[type[sqlite3.Connection]] = ContextVar("connection", default=sqlite3.Connection)
OLDEST_SQLITE = (3, 37, 0)  # STRICT tables
LOCK_WAIT_MS = 500  # the daemon's own wait for the store's lock


class Database:
    """An open store. `conn` is for use inside `transaction()` or `read()` only."""

    def __init__(self, path: Path, conn: sqlite3.Connection, stamped: Identity, lock_wait_ms: int) -> None:
        self.path = path
        self.conn = conn
        self.identity = stamped
        self.lock_wait_ms = lock_wait_ms
        self._utils: sqlite_utils.Database | None = None

    @classmethod
    def create(
        cls,
        path: Path | str,
        stamp: Identity,
        at_ms: int,
        lock_wait_ms: int = LOCK_WAIT_MS,
        durable: bool = True,
    ) -> Database:
        """A new store (mode 0600), complete or not there at all: it is built aside and then given its name.

        Raises StoreRefused when something has that name already, StoreUnwritable when it cannot be written.
        """
        _refuse_old_sqlite()
        target = Path(path).resolve()  # of a link: the file itself, beside which the halt file lies
        building = target.with_name(f"{target.name}.new-{os.getpid()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(target):
                raise _taken(target)
            _refuse_stray_journal(target)
            os.close(os.open(building, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
            try:
                _build(str(building), stamp, at_ms, durable)
                target.hardlink_to(building)  # fails when the name was taken meanwhile; a rename would replace it
            except FileExistsError as error:
                raise _taken(target) from error
            finally:
                building.unlink()
            files.sync_folder(str(target))
        except OSError as error:
            raise StoreUnwritable(
                "The store cannot be created",
                where=str(target),
                why=str(error.strerror or error),
                hint="check that its folder exists, belongs to you and has space",
            ) from error
        return cls.open(target, expect=stamp, lock_wait_ms=lock_wait_ms, durable=durable)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        expect: Identity | None,
        lock_wait_ms: int = LOCK_WAIT_MS,
        durable: bool = True,
        readonly: bool = False,
        check: bool = False,
        at_ms: int = 0,
    ) -> Database:
        """Opens an existing store, checks what it is, and brings its schema up to date (at `at_ms`).

        readonly: no statement can change it; a journal that a killed process left is still rolled back.
        check: runs SQLite's quick_check first. durable=False: no fsync, for tests and mass replay.
        Raises StoreMissing, StoreMismatch, StoreTooNew, StoreDamaged, StoreUnwritable, StoreBusy, StoreRefused.
        """
        _refuse_old_sqlite()
        target = Path(path).resolve()
        _refuse_what_is_no_file(target)
        try:
            conn = connect(str(target), lock_wait_ms, durable)
        except sqlite3.Error as error:
            raise faults.translate(error, str(target), lock_wait_ms) or error from error
        try:
            version = migrations.check_file(conn, str(target))
            if readonly:
                conn.execute("PRAGMA query_only = ON")
            if check:
                _quick_check(conn, str(target))
            if readonly and migrations.pending(version):
                raise StoreRefused(
                    f"The store has the older schema {version}",
                    where=str(target),
                    hint="start the bot once, or run a command that changes the store: it is brought up to date then",
                )
            stamped = identity.read(conn)
            if expect is not None:
                identity.compare(stamped, expect, str(target))
            if migrations.pending(version):
                migrations.upgrade(conn, at_ms)  # of the store that is meant, and of no other
        except sqlite3.Error as error:
            conn.close()
            # a store without its own tables is damaged, whatever SQLite calls it
            raise faults.translate(error, str(target), lock_wait_ms) or _damaged(str(target), str(error)) from error
        except TradectlError as error:
            conn.close()
            error.where = error.where or str(target)
            raise
        return cls(target, conn, stamped, lock_wait_ms)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """BEGIN IMMEDIATE … COMMIT; any exception rolls back all of it, a failed COMMIT included.

        Raises StoreBusy, StoreUnwritable, StoreDamaged; ToolError when nested.
        """
        self._refuse_nesting()
        with self._translated():
            try:
                self.conn.execute("BEGIN IMMEDIATE")
                yield self.conn
                self.conn.execute("COMMIT")
            except BaseException:
                self._rollback()
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent picture over several reads. Fetch all inside, end it, then think or render."""
        self._refuse_nesting()
        with self._translated():
            try:
                self.conn.execute("BEGIN")
                yield self.conn
            finally:
                self._rollback()

    @property
    def utils(self) -> sqlite_utils.Database:
        """sqlite-utils over the same connection, for introspection and export; loaded at first use."""
        if self._utils is None:
            import sqlite_utils

            self._utils = sqlite_utils.Database(self.conn, execute_plugins=False)
        return self._utils

    def close(self) -> None:
        self.conn.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _refuse_nesting(self) -> None:
        if self.conn.in_transaction:
            raise ToolError(
                "A store transaction was opened inside another",
                where=str(self.path),
                why="the inner one would commit the outer one's half",
                hint="this is a fault in tradectl: report it",
            )

    def _rollback(self) -> None:
        # after a full disk or an I/O error SQLite has often rolled back by itself
        if self.conn.in_transaction:
            self.conn.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            known = faults.translate(error, str(self.path), self.lock_wait_ms)
            if known is None:
                raise
            raise known from error


def connect(path: str, lock_wait_ms: int, durable: bool) -> sqlite3.Connection:
    """A connection with our settings; never creates the file. Raises sqlite3.Error."""
    conn = sqlite3.connect(
        files.uri(path),
        uri=True,
        timeout=lock_wait_ms / 1000,
        isolation_level=None,
        cached_statements=256,
        factory=CONNECTION.get(),
    )
    try:
        conn.execute("PRAGMA trusted_schema = OFF")
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("PRAGMA temp_store = MEMORY")
        conn.execute(f"PRAGMA synchronous = {'EXTRA' if durable else 'OFF'}")
        mode = str(conn.execute("PRAGMA journal_mode").fetchone()[0])
        if mode != "delete":  # someone switched the file to WAL: DESIGN.md says why not
            conn.execute("PRAGMA journal_mode = DELETE")
        if not durable:
            conn.execute("PRAGMA journal_mode = TRUNCATE")
    except BaseException:
        conn.close()
        raise
    return conn


def _build(path: str, stamp: Identity, at_ms: int, durable: bool) -> None:
    conn = connect(path, 0, durable)
    try:
        conn.execute("BEGIN IMMEDIATE")
        for step in migrations.MIGRATIONS:
            migrations.apply(conn, step, at_ms)
        identity.stamp(conn, stamp, at_ms)
        conn.execute("INSERT INTO journal_head (id, seq, hash) VALUES (1, 0, ?)", (chain.GENESIS,))
        conn.execute(
            "INSERT INTO ledger (id, cursor, gross, fees, funding, fills, trades) VALUES (1, 0, '0', '0', '0', 0, 0)"
        )
        conn.execute("INSERT INTO progress (id, cycle, venue_ms, wall_ms) VALUES (1, 0, 0, 0)")
        conn.execute("COMMIT")
    except sqlite3.Error as error:
        raise faults.translate(error, path, 0) or error from error
    finally:
        conn.close()
        Path(f"{path}-journal").unlink(missing_ok=True)


def _refuse_old_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreRefused(
            f"SQLite {sqlite3.sqlite_version} is too old for the store; 3.37 or newer is needed",
            why="the store's tables are STRICT, which came with 3.37",
            hint="use a Python that is built with a newer SQLite",
        )


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise StoreMissing(
            "There is no store at this path",
            where=str(path),
            hint="start the bot once (tradectl run), or name the store with --state",
        ) from error
    except OSError as error:
        raise StoreUnwritable(
            "The store cannot be reached", where=str(path), why=str(error.strerror), hint="check the folder's rights"
        ) from error
    if path.is_dir():
        raise StoreRefused("That is a folder, not a store", where=str(path), hint="name the file in it: --state FILE")
    if not path.is_file():
        raise _damaged(str(path), "it is not a file")
    if found.st_size == 0:  # SQLite would take it for a new, empty database
        raise _damaged(str(path), "the file is empty")


def _quick_check(conn: sqlite3.Connection, path: str) -> None:
    rows = [str(row[0]) for row in conn.execute("PRAGMA quick_check(5)").fetchall()]
    if rows != ["ok"]:
        raise _damaged(path, "; ".join(rows))


def _refuse_stray_journal(path: Path) -> None:
    """A journal that outlived its store would be rolled back into the new one, page by page, and ruin it."""
    journal = Path(f"{path}-journal")
    if journal.exists() and journal.stat().st_size:
        raise StoreRefused(
            "A killed process's journal lies at the store's path, but not the store it belongs to",
            where=str(journal),
            hint="put that store back (the journal completes it), or move the journal away",
        )


def _taken(path: Path) -> StoreRefused:
    return StoreRefused(
        "There is a file at the store's path already; it is never overwritten",
        where=str(path),
        hint="open it, or move it away first",
    )


def _damaged(path: str, why: str) -> StoreDamaged:
    return StoreDamaged("The store is damaged", where=path, why=why, hint=faults.RESTORE_HINT)
