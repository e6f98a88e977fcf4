"""Fills, funding and transfers into the ledger: each once, by its execution id, with the counters it moves (promise 7).

Events are paged to the end first, then booked in one transaction: ledger rows, open trades, risk counters, journal,
alerts and the cursor commit together or not at all, so a crash anywhere books each of them exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradectl import logs
from tradectl.domain.fill import AccountEvent, Fill, Funding, TransferFact
from tradectl.domain.ledger import ClosedTrade, OpenTrade
from tradectl.domain.ports import Venue
from tradectl.execution.booking import Booking
from tradectl.store import invented, ledger
from tradectl.store.database import Database

_log = logs.get("execution.ingest")
PAGE = 200
OVERLAP = 1_000  # account events: how far behind the cursor a fill may enter the venue's list


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one ingestion booked, and the cursor it ended at."""

    cursor: int
    fills: tuple[Fill, ...] = ()
    fundings: tuple[Funding, ...] = ()
    transfers: tuple[TransferFact, ...] = ()
    opened: tuple[OpenTrade, ...] = ()
    closed: tuple[ClosedTrade, ...] = ()

    @property
    def anything(self) -> bool:
        return bool(self.fills or self.fundings or self.transfers)


async def fetch_events(venue: Venue, after_seq: int) -> list[AccountEvent]:
    """Every account event after the cursor, oldest first; raises VenueUnreachable rather than stop half-way."""
    events: list[AccountEvent] = []
    while True:
        page = sorted(await venue.account_events(after_seq, PAGE), key=lambda event: event.seq)
        events.extend(page)
        if len(page) < PAGE:
            return events
        after_seq = page[-1].seq


def read_over(cursor: int) -> int:
    """From where to read so that what came late into the list, behind the cursor, is met too; the rest is known."""
    return max(cursor - OVERLAP, 0)


async def ingest(db: Database, venue: Venue, currency: str, after_seq: int | None = None) -> Ingested:
    """Takes in everything since the stored cursor, or since `after_seq` where the caller knows it.

    Another process may have booked some of it meanwhile: what is known already is passed over.
    """
    if after_seq is None:
        with db.read() as conn:
            after_seq = ledger.cursor(conn)
    events = await fetch_events(venue, after_seq)
    with db.read() as conn:
        if not events and not invented.overfull(conn):
            return Ingested(after_seq)
    with db.transaction() as conn:
        booking = Booking(conn, currency)
        for event in events:
            booking.take(event)
        after_seq = events[-1].seq if events else after_seq
        booking.finish(after_seq)
    for line in booking.lines:
        _log.emit(*line)
    return Ingested(
        cursor=after_seq,
        fills=tuple(booking.fills),
        fundings=tuple(booking.fundings),
        transfers=tuple(booking.transfers),
        opened=tuple(booking.opened),
        closed=tuple(booking.closed),
    )
