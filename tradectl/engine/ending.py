"""What a bot writes last, in spite of a store that somebody else holds: tried again within a bound, then let go.

Neither is needed for safety: an unended session is resumed by the next run, and the lease of a process that is gone is
taken over. So the report is given all the same, and says what could not be written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tradectl.errors import StoreBusy
from tradectl.store.connection import Connection
from tradectl.store.database import Database

T = TypeVar("T")
INSIST_SECONDS = 2.0
_PAUSE_SECONDS = 0.05  # SQLite mostly waits for the lock itself, but not always


def insist(db: Database, work: Callable[[Connection], T]) -> T:
    """Runs `work` in a transaction of its own, again while the store is locked, for two seconds.

    Raises StoreBusy after that, StoreUnwritable at once.
    """
    until = time.monotonic() + INSIST_SECONDS
    while True:
        try:
            with db.transaction() as conn:
                return work(conn)
        except StoreBusy:
            if time.monotonic() >= until:
                raise
        time.sleep(_PAUSE_SECONDS)
