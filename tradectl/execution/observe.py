"""The world, read once for the whole cycle (promise 4: complete, or not at all)."""

from __future__ import annotations

from tradectl.domain.ledger import OpenTrade
from tradectl.domain.ports import Venue
from tradectl.domain.snapshot import Snapshot


async def observe(venue: Venue) -> Snapshot:
    """One complete reading of account, positions and orders. Raises VenueUnreachable otherwise."""
    return await venue.snapshot()


def compare_books(snapshot: Snapshot, open_trades: dict[str, OpenTrade]) -> dict[str, str]:
    """Where local positions differ from the venue's, after ingestion: {symbol: one sentence}; empty: they agree."""
    found: dict[str, str] = {}
    theirs = {position.symbol: position.qty for position in snapshot.positions if position.qty}
    for symbol, qty in theirs.items():
        ours = open_trades.get(symbol)
        if ours is None:
            found[symbol] = f"the venue shows {qty} and the books show none"
        elif ours.lot.qty != qty:
            found[symbol] = f"the venue shows {qty} and the books show {ours.lot.qty}"
    for symbol, trade in open_trades.items():
        if symbol not in theirs:
            found[symbol] = f"the books show {trade.lot.qty} and the venue shows none"
    return found
