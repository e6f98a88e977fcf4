"""A position that the books hold and the venue does not list is gone only when fills close it (promise 4).

A list that was cut reads as "closed" to everybody who asks for that position. What the venue has booked since decides:
fills that bring it to nothing are evidence, a list alone is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tradectl.domain.fill import Fill
from tradectl.domain.money import ZERO
from tradectl.domain.ports import Venue
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import VenueUnreachable
from tradectl.execution.ingest import fetch_events


async def absent(
    venue: Venue, picture: Snapshot, held: Mapping[str, Decimal], booked_seq: int, *, booked_next: bool, for_exit: bool
) -> dict[str, Decimal]:
    """{symbol: signed quantity} that the books hold, or fills since have opened, not listed, and closed by no fill.

    booked_next: the caller books what opened since and compares then; only what the books hold is looked for.

    Raises VenueUnreachable where that cannot be read, unless somebody only wants out (for_exit).
    """
    listed = {position.symbol for position in picture.positions if position.qty}
    missing = {symbol: qty for symbol, qty in held.items() if qty and symbol not in listed}
    if not missing and booked_next:
        return {}
    try:
        events = await fetch_events(venue, booked_seq)
    except VenueUnreachable:
        if not for_exit:
            raise
        return missing
    then, now = dict(missing), dict(missing)  # when the picture was taken, and with everything since
    for event in events:
        if isinstance(event, Fill) and event.symbol not in listed:
            now[event.symbol] = now.get(event.symbol, ZERO) + event.signed_qty
            if event.seq <= picture.event_seq:
                then[event.symbol] = then.get(event.symbol, ZERO) + event.signed_qty
    return {symbol: qty for symbol, qty in then.items() if qty and now[symbol] * qty > ZERO}
