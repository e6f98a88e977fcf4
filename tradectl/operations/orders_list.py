"""`orders list`: every open order at the venue and whose it is, beside the store's intents in doubt.

Changes nothing: what became of an intent in doubt is settled by the bot (execution/resolve.py), here it is only asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.domain.intent import Intent, Purpose
from tradectl.domain.money import text
from tradectl.domain.order import OrderFact
from tradectl.domain.ports import Venue
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import ExitCode, StoreBusy, StoreDamaged, VenueUnreachable
from tradectl.execution.drain import Windows
from tradectl.execution.resolve import SEARCHES_NEEDED
from tradectl.operations import order_owners, symbols
from tradectl.operations.killswitch_check import describe
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import open_venue, wall_ms
from tradectl.operations.order_owners import STRANGE, OrderLine
from tradectl.operations.times import span, when
from tradectl.store.identity import Identity

DEFAULT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Doubt:
    """An intent that the venue may or may not have. Times on the venue's clock.

    window_left_ms: how long its request may still arrive, the bound on the clocks' difference included; 0: no more.
    searches:       complete searches after that which did not find it; two prove that it never arrived (promise 3).
    known:          what the store and the venue's open orders say of it.
    asked:          what the venue answered when it was asked for it by name; None where it was not.
    """

    number: int
    client_id: str
    symbol: str
    purpose: str
    side: str
    qty: Decimal | None
    cancels_order_id: str | None
    state: str
    since_ms: int
    age_ms: int
    window_left_ms: int
    searches: int
    known: str
    asked: str | None = None
    unreachable: bool = False  # it was asked for, and the venue did not answer


@dataclass(frozen=True, slots=True)
class Orders:
    """`orders`: the strange ones first, at most as many as were wanted; `total` there are.

    doubts: None when the store cannot be read, and `store_trouble` says why.
    asked:  only what is in doubt was wanted, and the venue was asked about each.
    completed: what the venue's own list lacked or had too much of, and was set right, one sentence each.
    bot_alive: a bot is there to settle what is in doubt; taken for alive when the store cannot be read.
    """

    identity: Identity
    store: str
    at_ms: int
    symbol: str | None
    orders: tuple[OrderLine, ...]
    total: int
    doubts: tuple[Doubt, ...] | None
    store_trouble: str
    asked: bool
    bot_alive: bool
    completed: tuple[str, ...]

    @property
    def strange(self) -> tuple[OrderLine, ...]:
        return tuple(line for line in self.orders if line.whose in STRANGE)

    @property
    def exit_code(self) -> ExitCode:
        if any(doubt.unreachable for doubt in self.doubts or ()):
            return ExitCode.BUSY
        return ExitCode.DRIFT if self.doubts is None or self.doubts or self.strange else ExitCode.OK


async def read(books: Books, *, typed_symbol: str | None, ask: bool, limit: int = DEFAULT_LIMIT) -> Orders:
    """One read of the venue, then one of the store. With `ask`, the venue is asked about each intent in doubt.

    Raises VenueUnreachable: an unread venue is never 'none'. With `ask` also StoreBusy or StoreDamaged: without the
    store nothing is known to be in doubt. UsageError for a symbol that the venue does not list.
    """
    identity = books.identity()
    desk = open_venue(books.path, identity, books.db)
    try:
        snapshot = await desk.venue.snapshot()
        symbol = None
        if typed_symbol is not None:
            listed = await desk.venue.instruments()
            symbol = symbols.match(typed_symbol, listed, desk.venue.currency, whose="the venue")
        doubts = _doubts(books, snapshot, symbol)
        if ask:
            if doubts is None:
                raise _unreadable(books)
            doubts = tuple([await _asked(desk.venue, doubt, snapshot) for doubt in doubts])
    finally:
        await desk.venue.close()
    resting = [order for order in snapshot.orders if order.status.open]
    known = order_owners.look_up(books, resting)
    lines = [
        order_owners.line(order, known, resting, snapshot.at_ms)
        for order in resting
        if symbol is None or order.symbol == symbol
    ]
    lines.sort(key=lambda line: (line.whose not in STRANGE, line.symbol, line.created_ms, line.order_id))
    return Orders(
        identity=identity,
        store=str(books.path),
        at_ms=snapshot.at_ms,
        symbol=symbol,
        orders=tuple(lines[:limit]),
        total=len(lines),
        doubts=doubts,
        store_trouble="" if doubts is not None and not known.trouble else known.trouble or books.trouble,
        asked=ask,
        bot_alive=books.bot_alive(wall_ms()),
        completed=(*snapshot.doubts, *snapshot.absences),
    )


def _doubts(books: Books, snapshot: Snapshot, symbol: str | None) -> tuple[Doubt, ...] | None:
    found = books.in_doubt()
    if found is None:
        return None
    windows = books.windows()
    return tuple(
        doubt(intent, snapshot.orders, windows, snapshot.at_ms)
        for intent in found
        if symbol is None or intent.symbol == symbol
    )


def doubt(intent: Intent, orders: tuple[OrderFact, ...], windows: Windows, now_ms: int) -> Doubt:
    """One intent in doubt beside the venue's open orders; `now_ms` is on the venue's clock."""
    left_ms = max(intent.expires_ms + windows.max_skew_ms - now_ms, 0)
    return Doubt(
        number=intent.number,
        client_id=intent.client_id,
        symbol=intent.symbol,
        purpose=intent.purpose.value,
        side=intent.side.value,
        qty=intent.qty,
        cancels_order_id=intent.cancels_order_id,
        state=intent.state.value,
        since_ms=intent.created_ms,
        age_ms=max(now_ms - intent.created_ms, 0),
        window_left_ms=left_ms,
        searches=intent.searches,
        known=_known(intent, orders, left_ms),
    )


def _known(intent: Intent, orders: tuple[OrderFact, ...], left_ms: int) -> str:
    parts = [intent.detail] if intent.detail else []
    if intent.cancels_order_id is not None:
        still = any(order.order_id == intent.cancels_order_id for order in orders if order.status.open)
        parts.append(f"its order {intent.cancels_order_id} is {'still' if still else 'no longer'} open")
    else:
        found = next((order for order in orders if order.client_id == intent.client_id and order.status.open), None)
        parts.append(f"the venue has it, open as {found.order_id}" if found else "not among the venue's open orders")
    if not left_ms and intent.searches:
        parts.append(f"{intent.searches} of {SEARCHES_NEEDED} complete searches did not find it")
    return "; ".join(parts)


async def _asked(venue: Venue, one: Doubt, snapshot: Snapshot) -> Doubt:
    """The same with the venue's answer. What is about another order is answered by how that one stands."""
    if one.cancels_order_id is not None:
        about = next((order for order in snapshot.orders if order.order_id == one.cancels_order_id), None)
        if about is None or not about.status.open:
            return replace(one, asked=f"FOUND: its order {one.cancels_order_id} is no longer open")
        if one.purpose != Purpose.CANCEL.value:
            return replace(one, asked=f"its order is {describe(about)}; {_may_arrive(one)}")
        return replace(one, asked=f"NOT FOUND: its order {one.cancels_order_id} is still open; {_may_arrive(one)}")
    try:
        order = await venue.find_order(one.symbol, one.client_id)
    except VenueUnreachable as error:
        return replace(one, asked=f"the venue did not answer: {error.what}", unreachable=True)
    if order is not None:
        return replace(one, asked=f"FOUND: {standing(order)}")
    return replace(one, asked=f"NOT FOUND; {_may_arrive(one)}")


def _may_arrive(one: Doubt) -> str:
    if one.window_left_ms:
        return f"its window is still open for {span(one.window_left_ms)}, it may yet arrive"
    return "its window has passed, it cannot arrive any more"


def standing(order: OrderFact) -> str:
    """Where an order stands at the venue: 'o7 is open', 'o7 was filled 0.01 at 60000 (2025-10-10 21:15:00Z)'."""
    if order.status.open:
        filled = f", {text(order.filled_qty)} of {text(order.qty)} filled" if order.filled_qty else ""
        return f"{order.order_id} is open{filled}"
    how = order.status.value.replace("canceled", "cancelled").replace("_", " ")
    at = f" {text(order.filled_qty)} at {text(order.average_price)}" if order.average_price is not None else ""
    before = f" after{at} had filled" if at and how != "filled" else at
    why = f" ({order.reason.replace('_', ' ')})" if order.reason not in ("", order.status.value) else ""
    return f"{order.order_id} was {how}{before}{why}, {when(order.updated_ms)}"


def _unreadable(books: Books) -> StoreBusy | StoreDamaged:
    return (StoreDamaged if books.damaged else StoreBusy)(
        "what is in doubt cannot be told without the store",
        where=str(books.path),
        why=books.trouble,
        hint="tradectl orders list shows the venue's part without it",
    )
