"""Both sides read for reconciliation: the venue's picture with its fills, and the books as they are and would be.

What needs a person is believed only when two readings agree on it: the parts of a venue's picture are not of one
moment, and neither are its fills.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.domain.fill import AccountEvent, Fill
from tradectl.domain.finding import FindingKind
from tradectl.domain.intent import ClientId
from tradectl.domain.ledger import OpenTrade, book_fill
from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderFact
from tradectl.domain.ports import Venue
from tradectl.domain.position import Lot, Side
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import LatchName
from tradectl.execution import making_way
from tradectl.execution.ingest import fetch_events, read_over
from tradectl.execution.reconcile import Plan, plan
from tradectl.execution.reconcile_guard import in_guard
from tradectl.execution.reconcile_sides import Flight, Local
from tradectl.store import intents, invented, latches, ledger, positions, seen_orders
from tradectl.store.connection import Connection
from tradectl.store.database import Database

LOOKS = 4
_ORDER_KINDS = (FindingKind.STRAY, FindingKind.OTHER_STORE, FindingKind.FOREIGN)


@dataclass(frozen=True, slots=True)
class Sides:
    picture: Snapshot
    local: Local


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A picture that the caller has already. `settled`: every fill that belongs to it is in the books."""

    picture: Snapshot
    settled: bool


async def read_sides(
    db: Database, venue: Venue, sides: frozenset[Side] = frozenset(Side), first: FirstLook | None = None
) -> Sides:
    """One reading of both. Nothing is booked. Raises VenueUnreachable, StoreBusy and its kin."""
    picture = first.picture if first is not None else await venue.snapshot()
    events: list[AccountEvent] = []
    if first is None or not first.settled:
        with db.read() as conn:
            cursor = ledger.cursor(conn)
        events = [event for event in await fetch_events(venue, read_over(cursor)) if event.seq <= picture.event_seq]
    with db.read() as conn:
        return Sides(picture, local_side(conn, db.identity.store_tag, picture.orders, events, sides))


async def find(
    db: Database,
    venue: Venue,
    *,
    sides: frozenset[Side] = frozenset(Side),
    adopt: frozenset[str] = frozenset(),
    report_only: bool = False,
    first: FirstLook | None = None,
    guard: bool = False,
) -> Plan:
    """The plan for the world as it is now: what it needs a person for, two readings have seen. Raises as read_sides.

    guard: what it means in a guard session.
    """
    before: frozenset[tuple[str, str, str]] | None = None
    for _ in range(LOOKS):
        read = await read_sides(db, venue, sides, first)
        first = None
        found = plan(read.picture, read.local, adopt=adopt, report_only=report_only)
        now = frozenset(one.key for one in found.findings if one.blocks and one.kind not in _ORDER_KINDS)
        if not now or now == before:
            break
        before = now
    return in_guard(found) if guard else found


def local_side(
    conn: Connection, store_tag: str, orders: tuple[OrderFact, ...], events: list[AccountEvent], sides: frozenset[Side]
) -> Local:
    """The books, and what the venue's events would make of them."""
    trades = ledger.open_trades(conn)
    after, unbooked, overfull = _after(conn, trades, events)
    flying: dict[str, list[Flight]] = {}
    seen = _seen_by_client(conn, events)
    for symbol, client_id, qty in positions.flights(conn):
        left = qty - seen.get(client_id, ZERO)
        if left and (left > 0) == (qty > 0):
            flying.setdefault(symbol, []).append(Flight(client_id, left))
    ours = [
        order.client_id
        for order in orders
        if order.client_id is not None
        and (parsed := ClientId.parse(order.client_id)) is not None
        and parsed.store_tag == store_tag
    ]
    named = sorted({order.parent_id for order in orders if order.parent_id is not None})
    listed = [order.order_id for order in orders]
    return Local(
        store_tag=store_tag,
        lots={symbol: trade.lot.qty for symbol, trade in trades.items()},
        lots_after={symbol: trade.lot.qty for symbol, trade in after.items() if trade.lot.qty},
        openers_after={symbol: trade.opener for symbol, trade in after.items()},
        unbooked=unbooked,
        overfull=overfull,
        managed=positions.alive(conn),
        flights={symbol: tuple(them) for symbol, them in flying.items()},
        doubtful=frozenset(one.symbol for one in intents.in_doubt(conn)),
        states=intents.states(conn, ours) if ours else {},
        parents=intents.known_orders(conn, named) if named else frozenset(),
        blocked=frozenset(one.scope for one in latches.active(conn) if one.name is LatchName.RECONCILE),
        noted=seen_orders.among(conn, listed) if listed else frozenset(),
        sides=sides,
    )


def _after(
    conn: Connection, trades: dict[str, OpenTrade], events: list[AccountEvent]
) -> tuple[dict[str, OpenTrade], dict[str, int], frozenset[str]]:
    """The open trades once these events are booked, in quantity; how many fills of each symbol that takes; and where
    what stood in for fills is taken back."""
    after = dict(trades)
    count: dict[str, int] = {}
    taken: dict[str, Decimal] = {}
    for event in events:
        if not isinstance(event, Fill) or ledger.knows(conn, event.execution_id):
            continue
        count[event.symbol] = count.get(event.symbol, 0) + 1
        brought_in, left = making_way.shares(conn, event, taken)
        for share in brought_in:
            taken[share.of.execution_id] = taken.get(share.of.execution_id, ZERO) + share.qty
        if not left:
            continue
        booked = book_fill(after.get(event.symbol), replace(event, qty=left), 0)
        if booked.open is None:
            after.pop(event.symbol, None)
            continue
        after[event.symbol] = booked.open
    overfull: set[str] = set()
    for one, more in invented.overfull(conn):
        trade = after.get(one.symbol)
        if trade is None:
            continue
        qty = min(more, abs(one.qty) - taken.get(one.execution_id, ZERO), abs(trade.lot.qty))
        if qty <= 0:
            continue
        overfull.add(one.symbol)
        left = trade.lot.qty - qty * trade.side.sign
        if left:
            after[one.symbol] = replace(trade, lot=Lot(left, trade.lot.cost))
        else:
            del after[one.symbol]
    return after, count, frozenset(overfull)


def _seen_by_client(conn: Connection, events: list[AccountEvent]) -> dict[str, Decimal]:
    """{client id: signed quantity} of fills that are not booked yet: they are no longer in flight."""
    found: dict[str, Decimal] = {}
    for event in events:
        if isinstance(event, Fill) and event.client_id is not None and not ledger.knows(conn, event.execution_id):
            found[event.client_id] = found.get(event.client_id, ZERO) + event.signed_qty
    return found
