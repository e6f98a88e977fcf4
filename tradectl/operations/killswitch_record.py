"""What an activation leaves behind: its summary in the journal, for `killswitch status` to show.

Where the store cannot be written the emergency journal takes one line of it; whoever writes the store next imports
that. Each summary is one bounded row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradectl.errors import Busy, StoreRefused
from tradectl.execution.sweep import EMERGENCY_KIND
from tradectl.operations.killswitch_venue import Books
from tradectl.store import emergency, journal
from tradectl.store.connection import Connection
from tradectl.store.emergency import Absorbed
from tradectl.store.journal import Entry

SUBJECT = "killswitch activate"
CLEARED = "killswitch clear"
LISTED = 40  # orders named in one summary; beyond that only counted
_LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class Recorded:
    """`trouble`: why not in the store; where it is in the store, what is wrong with the emergency journal."""

    where: str  # 'store', 'emergency journal' or ''
    trouble: str = ""


def save(books: Books, body: Mapping[str, object], short: str, *, actor: str, at_ms: int) -> Recorded:
    """Journals the summary and takes in what the emergency journal holds. Never raises for the store."""
    if books.db is not None:
        try:
            with books.db.transaction() as conn:
                absorbed = emergency.absorb(conn, books.path, at_ms=at_ms)
                journal.append(conn, at_ms=at_ms, kind="operator", actor=actor, subject=SUBJECT, body=body)
        except (Busy, StoreRefused) as error:
            books.trouble = error.what
        else:
            return Recorded("store", "; ".join(emptied(books.path, absorbed)))
    try:
        emergency.record(
            books.path, at_ms=at_ms, kind=EMERGENCY_KIND, actor=actor, body={"step": "summary", "detail": short}
        )
    except StoreRefused as error:
        return Recorded("", f"{books.trouble}; {error.what}")
    return Recorded("emergency journal", books.trouble)


def emptied(path: Path, absorbed: Absorbed) -> tuple[str, ...]:
    """Empties the emergency journal after the commit that imported it; what was wrong with any of it, to be shown."""
    trouble = emergency.clear(path, absorbed)
    return (*absorbed.troubles, trouble) if trouble else absorbed.troubles


def last_summary(conn: Connection, since_ms: int = 0) -> Entry | None:
    """The newest activation's summary that is not older than `since_ms` (wall time)."""
    for entry in journal.latest(conn, _LOOK_BACK, kind="operator"):
        if entry.at_ms < since_ms or entry.subject == CLEARED:
            return None
        if entry.subject == SUBJECT:
            return entry
    return None
