"""An operator's act in the journal: who, why, before and after, in one transaction with what waited beside the store.

Where the store cannot be written the emergency journal takes one line of it; whoever writes the store next imports
that (promises 1 and 11). Each act is one bounded row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradectl.errors import Busy, StoreRefused
from tradectl.execution.sweep import EMERGENCY_KIND, IN_EMERGENCY, IN_STORE
from tradectl.operations.killswitch_venue import Books
from tradectl.store import emergency, journal
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


def emptied(path: Path, absorbed: Absorbed) -> tuple[str, ...]:
    """Empties the emergency journal after the commit that imported it; what was wrong with any of it, to be shown."""
    trouble = emergency.clear(path, absorbed)
    return (*absorbed.troubles, trouble) if trouble else absorbed.troubles
