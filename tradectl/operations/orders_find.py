"""What an order's name means: one that is open, one that has ended, or an intent whose order is in doubt.

A name is the venue's id or a client id, exactly. Orders that have ended are asked of the venue too: nothing is told of
them from memory alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from tradectl.domain.intent import Intent, IntentState, Purpose
from tradectl.domain.order import OrderFact, OrderStatus
from tradectl.domain.ports import Venue
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, Refused, StoreRefused
from tradectl.execution.resolve import SEARCHES_NEEDED
from tradectl.operations import order_owners, orders_list
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.order_owners import OrderLine
from tradectl.operations.orders_list import Doubt, standing
from tradectl.operations.times import span
from tradectl.operations.why import known_symbols
from tradectl.store import intents, ledger

_SEARCHED_AT_MOST = 25  # symbols whose past orders are searched where nothing says which one it is


@dataclass(frozen=True, slots=True)
class Resting:
    order: OrderFact
    line: OrderLine


@dataclass(frozen=True, slots=True)
class Ended:
    """`how`: in a sentence. `order` None: the venue does not have it any more, and the store alone tells."""

    name: str
    symbol: str
    order: OrderFact | None
    how: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Not at the venue, and it may yet come. `then`: what will happen, one sentence each."""

    name: str
    doubt: Doubt
    then: tuple[str, ...]


Found = Resting | Ended | InDoubt


async def find(books: Books, venue: Venue, snapshot: Snapshot, name: str) -> Found:
    """Raises Refused when nothing is known by that name or more than one order is, VenueUnreachable."""
    resting = [order for order in snapshot.orders if order.status.open]
    named = [order for order in resting if name in (order.order_id, order.client_id)]
    if len(named) > 1:
        raise Refused(
            f"{len(named)} open orders are called {name}: none of them is cancelled",
            why="; ".join(f"{one.symbol} {one.order_id}, client id {one.client_id or 'none'}" for one in named),
            hint="name it by the id that no other has, or cancel it on the venue's own site",
        )
    if named:
        return _resting(books, named[0], resting, snapshot)
    intent = _intent(books, name)
    if intent is not None and intent.cancels_order_id is not None:
        raise Refused(
            f"{name} is the {intent.purpose.value} of order {intent.cancels_order_id}, not an order",
            hint=f"tradectl orders cancel {intent.cancels_order_id}",
        )
    if intent is not None:
        order = await venue.find_order(intent.symbol, intent.client_id)
        if order is not None and order.status.open:  # it came since the list was read
            return _resting(books, order, (*resting, order), snapshot)
        return _from_intent(books, name, intent, order, snapshot)
    for symbol in await _symbols(books, venue, snapshot, name):
        order = await venue.order(symbol, name) or await venue.find_order(symbol, name)
        if order is not None:
            return Ended(name, order.symbol, order, how_it_ended(books, order))
    raise _unknown(name, resting, books)


def how_it_ended(books: Books, order: OrderFact) -> str:
    """Its end, and whose cancel that was, where the store tells."""
    said = standing(order)
    if order.status is not OrderStatus.CANCELED or books.db is None:
        return said
    try:
        with books.db.read() as conn:
            cancels = intents.cancels_of(conn, order.order_id)
    except (Busy, StoreRefused):
        return said
    done = [one for one in cancels if one.state is IntentState.CONFIRMED and one.symbol == order.symbol]
    return f"{said}, by {done[-1].actor}: {done[-1].reason}" if done else said


def _resting(books: Books, order: OrderFact, orders: Iterable[OrderFact], snapshot: Snapshot) -> Resting:
    known = order_owners.look_up(books, (order,))
    return Resting(order, order_owners.line(order, known, orders, snapshot.at_ms))


def _intent(books: Books, name: str) -> Intent | None:
    if books.db is None:
        return None
    try:
        with books.db.read() as conn:
            return intents.by_client_id(conn, name) or intents.by_order_id(conn, name)
    except (Busy, StoreRefused) as error:
        books.trouble = error.what
        return None


def _from_intent(books: Books, name: str, intent: Intent, order: OrderFact | None, snapshot: Snapshot) -> Found:
    """An intent of ours whose order is not open."""
    if order is not None:
        return Ended(name, intent.symbol, order, how_it_ended(books, order))
    if intent.state.in_doubt:
        doubt = orders_list.doubt(intent, snapshot.orders, books.windows(), snapshot.at_ms)
        return InDoubt(name, doubt, tuple(_what_will_happen(intent, doubt)))
    if intent.state is IntentState.CONFIRMED:
        how = f"the venue had it as {intent.order_id} and shows it no longer: how it ended is not told any more"
    else:
        how = f"it never stood at the venue, {intent.state.value.replace('_', ' ')}: {intent.detail}"
    return Ended(name, intent.symbol, None, how)


def _what_will_happen(intent: Intent, doubt: Doubt) -> list[str]:
    until = f"no entries on {intent.symbol} until that is settled"
    if not doubt.window_left_ms:
        return [
            "its window has passed: it cannot arrive any more",
            f"the bot settles it as not placed once {SEARCHES_NEEDED} complete searches have not found it; {until}",
        ]
    said = [
        f"it may still arrive for {span(doubt.window_left_ms)} on the venue's clock; after that it never does",
        f"the bot then asks the venue and settles it; {until}",
    ]
    if intent.purpose is Purpose.ENTRY:
        said.append("tradectl killswitch activate waits that out and cancels it if it rests then")
    return said


async def _symbols(books: Books, venue: Venue, snapshot: Snapshot, name: str) -> list[str]:
    """Where an order that has ended may have stood: the symbol that the store names, else every one in play."""
    known: set[str] = set()
    if books.db is not None:
        try:
            with books.db.read() as conn:
                cancels, fill = intents.cancels_of(conn, name), ledger.order_of_fill(conn, name)
                known = known_symbols(conn)
            if cancels:
                return [cancels[-1].symbol]
            if fill is not None:
                return [fill[0]]
        except (Busy, StoreRefused) as error:
            books.trouble = error.what
    listed = await venue.instruments()
    known |= {one.symbol for one in snapshot.positions} | {one.symbol for one in snapshot.orders}
    if len(listed) <= _SEARCHED_AT_MOST:
        known |= set(listed)
    return sorted(known & set(listed))


def _unknown(name: str, resting: list[OrderFact], books: Books) -> Refused:
    ids = [one for order in resting for one in (order.order_id, order.client_id) if one]
    near = difflib.get_close_matches(name, ids, n=2, cutoff=0.8)
    why = "it is neither open at the venue nor among the past orders of any symbol in play"
    if books.trouble:
        why += f"; the store could not be asked: {books.trouble}"
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return Refused(f"no order is called {name}", why=why, hint=f"{meant}tradectl orders list --state {books.path}")
