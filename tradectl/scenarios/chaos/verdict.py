"""The last word on a world: once the faults have stopped and everything has settled, both sides must tell one story."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradectl.domain.fill import Fill
from tradectl.domain.intent import INTENT_TRANSITIONS, ClientId, Intent, IntentState, Purpose
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import POSITION_TRANSITIONS, Managed
from tradectl.domain.position import Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import LatchName
from tradectl.scenarios.chaos import halts
from tradectl.scenarios.chaos.bounds import Bounds
from tradectl.scenarios.chaos.watch import surplus
from tradectl.scenarios.world import Exchange
from tradectl.sim import views
from tradectl.sim.state import TRADER
from tradectl.store import emergency, intents, journal, latches, ledger, outbox, positions, transfers
from tradectl.store.connection import Connection
from tradectl.store.database import Database

PAGE = 100_000
Finding = tuple[str, str]  # law, what is wrong
_INTENT_MOVES = {(before.value, after.value) for before, after, _ in INTENT_TRANSITIONS}
_POSITION_MOVES = {(before.value if before else None, after.value) for before, after, _, _ in POSITION_TRANSITIONS}


def settled(
    db: Database,
    exchange: Exchange,
    accepted: dict[str, str],
    held_to: Bounds,
    *,
    young: frozenset[str] = frozenset(),
    no_room: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Everything that must hold now.

    young: symbols that have been naked for less than is allowed; the world ends before it is over
    no_room: of positions that are not to be closed and for which the venue takes no further stop; an alert says so
    """
    picture = views.snapshot(exchange.state)
    with db.read() as conn:
        recorded = intents.latest(conn, None, PAGE)
        trades = ledger.open_trades(conn)
        managed = positions.alive(conn)
        found = [
            *_fills(conn, exchange),
            *_money(conn, exchange, held_to.start_balance),
            *_books(picture, trades, managed),
            *_intents(recorded, accepted),
            *_latches(conn),
            *halts.judged(conn, held_to.recoveries, held_to.reasons),
            *_journal(conn),
            *_alerts(conn),
        ]
    left_alone = frozenset(position.symbol for position in picture.positions if position.symbol not in managed)
    if not held_to.report_only:
        left_alone = frozenset()
    found += _protection(picture, exchange, db.identity.store_tag, young | left_alone | no_room, left_alone)
    left = emergency.look(db.path)
    if left.records or left.troubles:
        found.append(("emergency journal is imported", f"{len(left.records)} records, {left.troubles}"))
    return found


def _fills(conn: Connection, exchange: Exchange) -> Iterator[Finding]:
    theirs = {event.execution_id for event in exchange.account_events(0, PAGE) if isinstance(event, Fill)}
    ours = ledger.execution_ids(conn)
    for execution_id in sorted(theirs - ours):
        yield "fills are booked once", f"fill {execution_id} is lost"
    for execution_id in sorted(ours - theirs):
        if not execution_id.startswith("adjustment"):
            yield "fills are booked once", f"fill {execution_id} is invented"


def _money(conn: Connection, exchange: Exchange, start_balance: Decimal) -> Iterator[Finding]:
    if any(execution_id.startswith("adjustment") for execution_id in ledger.execution_ids(conn)):
        return  # an operator has set the books by hand
    totals = ledger.totals(conn)
    ours = start_balance + transfers.total(conn) + totals.net
    wallet = exchange.state.balances[TRADER]
    if ours != wallet:
        yield "money agrees", f"the ledger comes to {ours}, the wallet is {wallet}"


def _books(picture: Snapshot, trades: dict[str, OpenTrade], managed: dict[str, Managed]) -> Iterator[Finding]:
    theirs = {position.symbol: position.qty for position in picture.positions if position.qty}
    for symbol in sorted(theirs.keys() | trades.keys()):
        ours = trades[symbol].lot.qty if symbol in trades else Decimal(0)
        if ours != theirs.get(symbol, Decimal(0)):
            yield "local equals venue", f"{symbol}: the exchange holds {theirs.get(symbol)}, the books hold {ours}"
    for symbol, one in managed.items():
        held = theirs.get(symbol)
        if held is None:
            yield "positions end", f"{symbol}: position {one.number} is {one.state.value}, and nothing is held"
        elif (held > 0) != (one.side.sign > 0):
            yield "positions end", f"{symbol}: position {one.number} is {one.side.value}, {held} is held"


def _intents(recorded: list[Intent], accepted: dict[str, str]) -> Iterator[Finding]:
    for intent in recorded:
        if intent.purpose in (Purpose.CANCEL, Purpose.AMEND):
            continue
        there = intent.client_id in accepted
        if intent.state is IntentState.CONFIRMED and not there:
            yield "unknown needs evidence", f"{intent.client_id} is confirmed here, and the exchange never took it"
        elif intent.state in (IntentState.REJECTED, IntentState.NOT_PLACED) and there:
            yield "unknown needs evidence", f"{intent.client_id} is {intent.state.value} here, the exchange took it"
        elif intent.state.in_doubt:
            yield "doubts end", f"{intent.client_id} is still {intent.state.value}: {intent.detail}"
    known = {intent.client_id for intent in recorded}
    for client_id in accepted:
        if client_id not in known and ClientId.parse(client_id) is not None:
            yield "write before act", f"{client_id} was accepted, and the store has no intent of it"


def _latches(conn: Connection) -> Iterator[Finding]:
    for latch in latches.active(conn):
        if latch.name is LatchName.UNKNOWN_ORDER:
            yield "doubts end", f"the latch of {latch.scope} stands: {latch.reason}"


def _journal(conn: Connection) -> Iterator[Finding]:
    report = journal.verify(conn)
    if not report.ok:
        yield "the chain holds", report.why
    for row in journal.page(conn, limit=PAGE, kind="outcome"):
        move = (str(row.body["from"]), str(row.body["to"]))
        if move not in _INTENT_MOVES:
            yield "only legal transitions", f"intent {row.subject} went {move}"
    for row in journal.page(conn, limit=PAGE, kind="state"):
        if row.subject.startswith("position:"):
            before = row.body["from"]
            change = (None if before is None else str(before), str(row.body["to"]))
            if change not in _POSITION_MOVES:
                yield "only legal transitions", f"{row.subject} went {change}"


def _alerts(conn: Connection) -> Iterator[Finding]:
    """An alert commits with its cause: as many of each as there were causes."""
    told = outbox.count_by_type(conn)
    closed = ledger.totals(conn).trades
    if told.get("position_closed", 0) != closed:
        yield "alerts commit with their cause", f"{closed} trades closed, {told.get('position_closed', 0)} alerts"
    doubts = sum(row.body["to"] == IntentState.UNKNOWN.value for row in journal.page(conn, limit=PAGE, kind="outcome"))
    if told.get("safety_unknown_order", 0) < doubts:
        yield (
            "alerts commit with their cause",
            f"{doubts} orders fell into doubt, {told.get('safety_unknown_order', 0)} alerts",
        )


def alarmed(conn: Connection, symbol: str, since_ms: int) -> bool:
    """Whether an alert has said since then that this position is not covered."""
    said_ms = outbox.last_ms(conn, "safety_naked_position", symbol)
    return said_ms is not None and said_ms >= since_ms - outbox.REPEAT_MS


def _protection(
    picture: Snapshot, exchange: Exchange, tag: str, spared: frozenset[str], left_alone: frozenset[str]
) -> Iterator[Finding]:
    over = surplus(exchange.state, tag)
    for position in picture.positions:
        cover = coverage(position, picture.orders)
        if cover.protection is not Protection.COVERED and position.symbol not in spared:
            yield "every position is covered", f"{position.symbol}: {cover.covered_qty} of {position.qty} {cover.why}"
        if position.symbol in over and position.symbol not in left_alone:
            yield "covered exactly once", f"{position.symbol}: stops of ours are {over[position.symbol]} too many"
    held = {position.symbol for position in picture.positions if position.qty}
    for order in picture.orders:
        ours = ClientId.parse(order.client_id)
        if order.reduces and order.symbol not in held and ours is not None and ours.store_tag == tag:
            yield "nothing is left behind", f"{order.order_id} ({order.client_id}) rests without a position"
