"""`positions list`: what is open at the venue now, and what protects it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.ledger import OpenTrade
from tradectl.domain.money import divide
from tradectl.domain.position import PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, StoreRefused
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import open_venue
from tradectl.store import ledger
from tradectl.store.identity import Identity


@dataclass(frozen=True, slots=True)
class PositionLine:
    """One position; `qty` without sign, money in quote currency.

    stop_distance: from the mark to the nearest stop, fraction of the mark, > 0 while the stop is not reached.
    stop_money:    P&L from the mark to that stop on what it covers, < 0 is given up on the way.
    naked_ms:      how long the bot has seen it without full cover; None when it is covered or nobody measured.
    dust:          less than the venue's smallest order: it cannot be closed by an order of its own size alone.
    stops_why:     why stops that are there do not count (beyond liquidation); '' when all of them do.
    """

    symbol: str
    side: str
    qty: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised: Decimal
    leverage: Decimal
    liquidation_price: Decimal | None
    protection: str
    covered_qty: Decimal
    stop_price: Decimal | None
    stop_distance: Decimal | None
    stop_money: Decimal | None
    naked_ms: int | None
    in_books: bool
    dust: bool
    stops_why: str = ""


@dataclass(frozen=True, slots=True)
class Positions:
    identity: Identity
    store: str
    at_ms: int  # the venue's clock
    equity: Decimal
    unrealised: Decimal
    positions: tuple[PositionLine, ...]
    store_trouble: str  # why the books could not be read beside it; '' when they could

    @property
    def unprotected(self) -> tuple[PositionLine, ...]:
        return tuple(line for line in self.positions if line.protection != Protection.COVERED.value)


async def read(books: Books) -> Positions:
    """The venue's positions beside the books' facts. Raises VenueUnreachable: an unread venue is never 'none'."""
    trades = _trades(books)
    identity = books.identity()
    desk = open_venue(books.path, identity, books.db)
    try:
        snapshot = await desk.venue.snapshot()
        listed = await desk.venue.instruments()
    finally:
        await desk.venue.close()
    lines = tuple(
        line(position, snapshot, (trades or {}).get(position.symbol), listed[position.symbol].min_qty)
        for position in snapshot.positions
        if position.qty
    )
    return Positions(
        identity=identity,
        store=str(books.path),
        at_ms=snapshot.at_ms,
        equity=snapshot.equity,
        unrealised=snapshot.account.unrealised,
        positions=lines,
        store_trouble="" if trades is not None else books.trouble,
    )


def _trades(books: Books) -> dict[str, OpenTrade] | None:
    """The books' open trades; None when the store cannot be read: the venue is shown all the same."""
    if books.db is None:
        return None
    try:
        with books.db.read() as conn:
            return ledger.open_trades(conn)
    except (Busy, StoreRefused) as error:
        books.trouble = error.what
        return None


def line(position: PositionFact, snapshot: Snapshot, trade: OpenTrade | None, min_qty: Decimal) -> PositionLine:
    cover = coverage(position, snapshot.orders)
    away = None if cover.stop_price is None else (position.mark_price - cover.stop_price) * position.side.sign
    naked_since = trade.naked_since_ms if trade is not None else None
    covered = cover.protection is Protection.COVERED
    return PositionLine(
        symbol=position.symbol,
        side=position.side.value,
        qty=abs(position.qty),
        entry_price=position.entry_price,
        mark_price=position.mark_price,
        unrealised=position.unrealised,
        leverage=position.leverage,
        liquidation_price=position.liquidation_price,
        protection=cover.protection.value,
        covered_qty=cover.covered_qty,
        stop_price=cover.stop_price,
        stop_distance=None if away is None else divide(away, position.mark_price),
        stop_money=None if away is None else -away * cover.covered_qty,
        naked_ms=None if covered or naked_since is None else max(snapshot.at_ms - naked_since, 0),
        in_books=trade is not None and trade.lot.qty == position.qty,
        dust=abs(position.qty) < min_qty,
        stops_why=cover.why,
    )
