"""The checker: it stands outside the bot and sees only the exchange's event log and the store.

`compare(store_path)` holds the ledger against the exchange's own books and returns every difference in words; nothing
to say means that they agree to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tradectl.domain.fill import AccountEvent, Fill, Funding
from tradectl.domain.intent import ClientId, Intent, IntentState, Purpose
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.position import Protection, coverage
from tradectl.sim import views
from tradectl.sim.events import Accepted
from tradectl.sim.filehost import FileHost
from tradectl.store import intents, ledger, transfers
from tradectl.store.database import Database

PAGE = 500


@dataclass(frozen=True)
class Compared:
    """What was compared, and what differs."""

    fills: int
    fundings: int
    trades: int
    liquidations: int
    differences: tuple[str, ...]


def exchange_of(store_path: Path) -> Path:
    return store_path.with_name(f"{store_path.stem}.exchange{store_path.suffix}")


def account_events(host: FileHost) -> Iterator[AccountEvent]:
    after = 0
    while page := host.account_events(after, PAGE):
        yield from page
        after = page[-1].seq


def events(host: FileHost) -> Iterator[object]:
    after = 0
    while page := host.events_after(after, PAGE):
        yield from page
        after = page[-1].seq


def compare(store_path: Path, *, start_balance: Decimal = Decimal(10_000)) -> Compared:
    """Ledger, open positions, intents and protection against the exchange's books."""
    db = Database.open(store_path, expect=None, readonly=True)
    host = FileHost.open(exchange_of(store_path))
    try:
        with db.read() as conn:
            totals = ledger.totals(conn)
            open_trades = ledger.open_trades(conn)
            moved = transfers.total(conn)
            known = {row[0]: Decimal(row[1]) for row in conn.execute("SELECT execution_id, qty FROM fills").fetchall()}
            recorded = intents.latest(conn, None, 10_000_000)
        booked = list(account_events(host))
        found = [
            *_money(host, totals, moved, start_balance),
            *_fills(booked, known),
            *_positions(host, open_trades),
            *_orders(host, recorded),
            *_protection(host),
        ]
        fills = [event for event in booked if isinstance(event, Fill)]
        return Compared(
            fills=len(fills),
            fundings=sum(1 for event in booked if isinstance(event, Funding)),
            trades=totals.trades,
            liquidations=sum(1 for fill in fills if fill.kind.value == "liquidation"),
            differences=tuple(found),
        )
    finally:
        host.close()
        db.close()


def standing(store_path: Path) -> tuple[str, ...]:
    """What must hold at any instant, that of a crash included: orders and intents match, and nothing is naked."""
    db = Database.open(store_path, expect=None, readonly=True)
    host = FileHost.open(exchange_of(store_path))
    try:
        with db.read() as conn:
            recorded = intents.latest(conn, None, 10_000_000)
        return (*_orders(host, recorded), *_protection(host))
    finally:
        host.close()
        db.close()


def _money(host: FileHost, totals: ledger.LedgerTotals, moved: Decimal, start_balance: Decimal) -> Iterator[str]:
    wallet = host.state.balances["trader"]
    ours = start_balance + moved + totals.gross - totals.fees + totals.funding
    if ours != wallet:
        yield f"the ledger comes to {ours}, the exchange's wallet is {wallet}"


def _fills(booked: list[AccountEvent], known: dict[str, Decimal]) -> Iterator[str]:
    theirs = {event.execution_id: event.qty for event in booked if isinstance(event, Fill)}
    for execution_id in theirs.keys() - known.keys():
        yield f"fill {execution_id} is lost"
    for execution_id in known.keys() - theirs.keys():
        yield f"fill {execution_id} is invented"
    for execution_id in theirs.keys() & known.keys():
        if theirs[execution_id] != known[execution_id]:
            yield f"fill {execution_id} has {known[execution_id]} here and {theirs[execution_id]} there"


def _positions(host: FileHost, open_trades: dict[str, OpenTrade]) -> Iterator[str]:
    held = {symbol: position.lot for symbol, position in host.state.positions.items() if position.lot.qty}
    for symbol in held.keys() | open_trades.keys():
        theirs = held.get(symbol)
        ours = open_trades[symbol].lot if symbol in open_trades else None
        if theirs != ours:
            yield f"{symbol}: the exchange holds {theirs}, the books hold {ours}"


def _orders(host: FileHost, recorded: list[Intent]) -> Iterator[str]:
    """Every order of ours maps to one earlier intent, and every intent to at most one order."""
    by_client_id = {intent.client_id: intent for intent in recorded}
    seen: dict[str, str] = {}
    for event in events(host):
        if not isinstance(event, Accepted) or event.order.client_id is None:
            continue
        order = event.order
        assert order.client_id is not None
        intent = by_client_id.get(order.client_id)
        if intent is None:
            yield f"order {order.order_id} ({order.client_id}) has no intent"
            continue
        if order.client_id in seen:
            yield f"intent {order.client_id} was placed twice: {seen[order.client_id]} and {order.order_id}"
        seen[order.client_id] = order.order_id
        if intent.state in (IntentState.REJECTED, IntentState.NOT_PLACED):
            yield f"intent {order.client_id} is {intent.state.value} here and was accepted there"
        if (intent.purpose is Purpose.ENTRY) == order.reduces:
            yield f"order {order.order_id} is not what its intent {order.client_id} says"
    for intent in recorded:
        if intent.state is IntentState.CONFIRMED and intent.purpose is not Purpose.CANCEL:
            if intent.client_id not in seen:
                yield f"intent {intent.client_id} is confirmed here and unknown there"
        assert ClientId.parse(intent.client_id) is not None


def _protection(host: FileHost) -> Iterator[str]:
    snapshot = views.snapshot(host.state)
    for position in snapshot.positions:
        cover = coverage(position, snapshot.orders)
        if cover.protection is not Protection.COVERED:
            yield f"{position.symbol} is {cover.protection.value}: {cover.covered_qty} of {abs(position.qty)} covered"
