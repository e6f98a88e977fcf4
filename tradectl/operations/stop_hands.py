"""What `stops place-missing` and `stops move` do at the venue: stops placed one by one, and whether they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.intent import IntentDraft, Purpose
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed, Rejected
from tradectl.domain.position import Protection, coverage
from tradectl.errors import Busy, StoreRefused, VenueUnreachable
from tradectl.execution.sweep import Hands, Sent
from tradectl.operations import by_hand
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk
from tradectl.store import emergency_orders, intents

RACED_AGAIN = 3  # looks, where the bot places a stop at the same moment
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class PlacedStops:
    """`said`: one sentence per request. `rest`: the drafts that do not stand. `last` None: nothing was to be placed,
    or the store failed on the way."""

    said: tuple[str, ...]
    rest: tuple[IntentDraft, ...]
    last: Sent | None
    recorded_in: str = ""

    @property
    def complete(self) -> bool:
        return not self.rest

    @property
    def raced(self) -> bool:
        return self.last is not None and self.last.raced

    @property
    def code(self) -> str:
        outcome = self.last.outcome if self.last is not None else None
        return outcome.code if isinstance(outcome, Rejected) else ""


async def place_stops(own: Hands, books: Books, drafts: Sequence[IntentDraft], newest: int) -> PlacedStops:
    """One after another; the first that does not stand ends it. newest: of `before_look`."""
    said: list[str] = []
    last: Sent | None = None
    where = ""
    for at, draft in enumerate(drafts):
        last = await own.stop(draft, seen=newest)
        if last is None:
            said.append(f"the store failed while it was placed: {own.store_trouble}; it may have left")
            return PlacedStops(tuple(said), tuple(drafts[at:]), None, where)
        level = text(draft.trigger_price or ZERO)
        said.append(f"stop of {text(draft.qty or ZERO)} at {level}: {last.sentence}")
        where = last.recorded_in or where
        if not isinstance(last.outcome, Confirmed):
            said += [by_hand.to_place(one) for one in drafts[at:]] if by_hand.nowhere(last) else []
            return PlacedStops(tuple(said), tuple(drafts[at:]), last, where)
        newest = max(newest, newest_stop(books, draft.symbol))
    return PlacedStops(tuple(said), (), last, where)


async def before_look(books: Books, desk: Desk, symbol: str) -> int:
    """Waits until no stop of the symbol is on its way; then the number of its newest, to be taken before a look.

    A stop in doubt, or a change of one, may arrive until its window has passed; a look after that shows it (promise 3).
    """
    skew_ms = books.windows().max_skew_ms
    while True:
        newest = newest_stop(books, symbol)
        under_way = [
            one.expires_ms
            for one in books.in_doubt() or ()
            if one.symbol == symbol and one.purpose in (Purpose.STOP, Purpose.AMEND)
        ]
        under_way.append(emergency_orders.stops_under_way(books.path).get(symbol, 0))
        if max(under_way) + skew_ms < desk.clock.now_ms():
            return newest
        await desk.clock.sleep(PAUSE_S)


def newest_stop(books: Books, symbol: str) -> int:
    """The number of the symbol's newest stop; 0 where the store cannot be read."""
    if books.db is None:
        return 0
    try:
        with books.db.read() as conn:
            return intents.newest_stop(conn, symbol)
    except (Busy, StoreRefused):
        return 0


async def covered(books: Books, desk: Desk, symbol: str) -> tuple[bool, Decimal | None]:
    """By a fresh read: (whether its stops cover all of it, or it is gone; the nearest stop).

    Raises VenueUnreachable.
    """
    snapshot = books.seen = await desk.venue.snapshot()
    position = snapshot.position(symbol)
    if position is None and (why := snapshot.unproven(symbol)):
        raise VenueUnreachable("whether it is covered cannot be told", why=why, hint="try again")
    if position is None or not position.qty:
        return True, None
    cover = coverage(position, snapshot.orders)
    return cover.protection is Protection.COVERED, cover.stop_price
