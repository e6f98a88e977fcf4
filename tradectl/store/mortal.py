"""A connection of a simulated process: each statement is a step at which the process can die, or the disk refuse.

A process that dies inside a transaction leaves it to be rolled back, on the real file; a disk that is full, read-only
or held by another answers with the errors that SQLite has for that. Only scenarios use it (see database.CONNECTION).
"""

from __future__ import annotations

import sqlite3
from typing import Any, Protocol


class Body(Protocol):
    """The process that a connection belongs to."""

    def opened(self, conn: sqlite3.Connection) -> None:
        """Told of each connection, so that it can be closed when the process is gone."""

    def step(self, what: str) -> None:
        """Called before and after each statement. Raises when the process dies here, and ever after."""

    @property
    def disk(self) -> str:
        """'', 'full', 'readonly' or 'locked': what becomes of writes."""


def connection_of(body: Body) -> type[sqlite3.Connection]:
    """The class of that process's connections."""

    class Mortal(sqlite3.Connection):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            body.opened(self)

        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            word = sql.lstrip()[:8].upper()
            if word.startswith(("SELECT", "PRAGMA")):
                body.step("")  # nothing changes by it: no moment of its own, but the dead read nothing
                return super().execute(sql, *args)
            body.step(sql)
            if word.startswith("BEGIN IM"):
                _refuse(self, body.disk)
            done = super().execute(sql, *args)
            if word.startswith("COMMIT"):
                body.step("committed")
            return done

        def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
            body.step(sql)
            return super().executemany(sql, *args)

    return Mortal


def _refuse(conn: sqlite3.Connection, disk: str) -> None:
    """Puts the connection into the state in which SQLite itself will refuse to write."""
    if disk == "locked":
        raise _error("database is locked", sqlite3.SQLITE_BUSY)
    sqlite3.Connection.execute(conn, f"PRAGMA query_only = {'ON' if disk == 'readonly' else 'OFF'}")
    if disk == "full":
        raise _error("database or disk is full", sqlite3.SQLITE_FULL)


def _error(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error
