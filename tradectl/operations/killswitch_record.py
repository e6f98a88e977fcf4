"""What an activation leaves behind: its summary in the journal, for `killswitch status` to show.

Where the store cannot be written the emergency journal takes one line of it; whoever writes the store next imports
that. Each summary is one bounded row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from tradectl.errors import Busy, StoreRefused
from tradectl.operations.killswitch_venue import Books
from tradectl.store import emergency, journal
from tradectl.store.journal import Entry

SUBJECT = "killswitch activate"
CLEARED = "killswitch clear"
LISTED = 40  # orders named in one summary; beyond that only counted
_LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class Recorded:
    where: str  # 'store', 'emergency journal' or ''
    trouble: str = ""


def save(books: Books, body: Mapping[str, object], short: str, *, actor: str, at_ms: int) -> Recorded:
    """Journals the summary and takes in what the emergency journal holds. Never raises for the store."""
    if books.db is not None:
        try:
            with books.db.transaction() as conn:
                take_in(conn, books, at_ms=at_ms, actor=actor)
                journal.append(conn, at_ms=at_ms, kind="operator", actor=actor, subject=SUBJECT, body=body)
            emergency.mark_imported(books.path)
            return Recorded("store")
        except (Busy, StoreRefused) as error:
            books.trouble = error.what
    record = emergency.Record(at_ms, "summary", "killswitch", "", SUBJECT, actor, short)
    try:
        emergency.append(books.path, record)
    except StoreRefused as error:
        return Recorded("", f"{books.trouble}; {error.what}")
    return Recorded("emergency journal", books.trouble)


def take_in(conn: sqlite3.Connection, books: Books, *, at_ms: int, actor: str) -> tuple[emergency.Record, ...]:
    """Imports the emergency journal in the caller's transaction; `emergency.mark_imported` after its commit."""
    return emergency.import_emergency(conn, books.path, at_ms=at_ms, actor=actor)


def last_summary(conn: sqlite3.Connection, since_ms: int = 0) -> Entry | None:
    """The newest activation's summary that is not older than `since_ms` (wall time)."""
    for entry in journal.latest(conn, _LOOK_BACK, kind="operator"):
        if entry.at_ms < since_ms or entry.subject == CLEARED:
            return None
        if entry.subject == SUBJECT:
            return entry
    return None
