"""An operator's act in the journal: who, why, before and after, in one transaction with what waited beside the store.

Where the store cannot be written the emergency journal takes one line of it; whoever writes the store next imports
that (promises 1 and 11). Each act is one bounded row; with it goes the picture of the account that the command verified
itself with, so that `state show` does not go on showing what was before the act, where no bot looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, StoreRefused
from tradectl.execution.sweep import EMERGENCY_KIND, IN_EMERGENCY, IN_STORE
from tradectl.operations.killswitch_venue import Books
from tradectl.store import emergency, journal, views
from tradectl.store.connection import Connection
from tradectl.store.emergency import Absorbed


@dataclass(frozen=True, slots=True)
class Recorded:
    """`trouble`: why not in the store; where it is in the store, what is wrong with the emergency journal."""

    where: str  # 'store', 'emergency journal' or ''
    trouble: str = ""


def save(
    books: Books,
    subject: str,
    body: Mapping[str, object],
    short: str,
    *,
    actor: str,
    at_ms: int,
    symbol: str = "",
) -> Recorded:
    """Journals the act and takes in what the emergency journal holds. Never raises for the store."""
    if books.db is not None and books.writable:
        try:
            with books.db.transaction() as conn:
                absorbed = emergency.absorb(conn, books.path, at_ms=at_ms)
                journal.append(
                    conn, at_ms=at_ms, kind="operator", actor=actor, subject=subject, symbol=symbol, body=body
                )
                _save_seen(conn, books.seen)
        except (Busy, StoreRefused) as error:
            books.trouble = error.what
        else:
            return Recorded(IN_STORE, "; ".join(emptied(books.path, absorbed)))
    try:
        detail = {"step": "summary", "action": subject, "detail": short}
        emergency.record(books.path, at_ms=at_ms, kind=EMERGENCY_KIND, actor=actor, body=detail, symbol=symbol)
    except StoreRefused as error:
        return Recorded("", f"{books.trouble}; {error.what}")
    return Recorded(IN_EMERGENCY, books.trouble)


def _save_seen(conn: Connection, seen: Snapshot | None) -> None:
    """Unless the bot has looked later, or the picture may lack something."""
    if seen is None or seen.flaw:
        return
    before = views.load_account(conn)
    if before is None or before.at_ms <= seen.at_ms:
        views.save_account(conn, seen)


def emptied(path: Path, absorbed: Absorbed) -> tuple[str, ...]:
    """Empties the emergency journal after the commit that imported it; what was wrong with any of it, to be shown."""
    trouble = emergency.clear(path, absorbed)
    return (*absorbed.troubles, trouble) if trouble else absorbed.troubles
