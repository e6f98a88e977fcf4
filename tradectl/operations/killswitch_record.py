"""What an activation leaves behind: its summary in the journal, for `killswitch status` to show."""

from __future__ import annotations

from tradectl.store import journal
from tradectl.store.connection import Connection
from tradectl.store.journal import Entry

SUBJECT = "killswitch activate"
CLEARED = "killswitch clear"
LISTED = 40  # orders named in one summary; beyond that only counted
_LOOK_BACK = 200


def last_summary(conn: Connection, since_ms: int = 0) -> Entry | None:
    """The newest activation's summary that is not older than `since_ms` (wall time)."""
    for entry in journal.latest(conn, _LOOK_BACK, kind="operator"):
        if entry.at_ms < since_ms or entry.subject == CLEARED:
            return None
        if entry.subject == SUBJECT:
            return entry
    return None
