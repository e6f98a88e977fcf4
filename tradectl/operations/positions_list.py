"""`positions list`: what is open at the venue now, and what protects it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.money import ZERO, divide
from tradectl.domain.position import Coverage, PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, StoreRefused
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import open_venue
from tradectl.store import ledger
from tradectl.store.identity import Identity


@dataclass(frozen=True, slots=True)
class PositionLine:
    """One position; `qty` without sign, money in quote currency.

    notional:      at the mark. margin: what the venue has set aside for it.
    stop_distance: from the mark to the nearest stop, fraction of the mark, > 0 while the stop is not reached.
    stop_money:    P&L from the mark to its stops, each on what it covers, before fees and slippage; < 0 is given up on
                   the way, never > 0: a stop that the mark has passed fills where the mark is.
    stop_money_from_entry: the same from the entry price; > 0 is a profit that the stops lock in.
    uncovered_qty: what no stop covers: its loss has no bound here.
    liquidation_distance: from the mark to the liquidation price, fraction of the mark.
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
    notional: Decimal
    margin: Decimal
    leverage: Decimal
    liquidation_price: Decimal | None
    liquidation_distance: Decimal | None
    protection: str
    covered_qty: Decimal
    uncovered_qty: Decimal
    stop_price: Decimal | None
    stop_distance: Decimal | None
    stop_money: Decimal | None
    stop_money_from_entry: Decimal | None
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
    absent: tuple[str, ...] = ()  # what the books hold and the venue does not list, a sentence each

    @property
    def unprotected(self) -> tuple[PositionLine, ...]:
        return tuple(line for line in self.positions if line.protection != Protection.COVERED.value)


async def read(books: Books) -> Positions:
    """The venue's positions beside the books' facts. Raises VenueUnreachable: an unread venue is never 'none'."""
    identity = books.identity()
    desk = open_venue(books.path, identity, books.db)
    try:
        snapshot = await desk.venue.snapshot()
        found = lines(books, snapshot, await desk.venue.instruments())
    finally:
        await desk.venue.close()
    return Positions(
        identity=identity,
        store=str(books.path),
        at_ms=snapshot.at_ms,
        equity=snapshot.equity,
        unrealised=snapshot.account.unrealised,
        positions=found,
        store_trouble=books.trouble,
        absent=snapshot.absences,
    )


def lines(books: Books, snapshot: Snapshot, listed: Mapping[str, Instrument]) -> tuple[PositionLine, ...]:
    """Every position of a picture, beside the books; these are read without raising, as `books.trouble` tells."""
    trades = open_trades(books) or {}
    return tuple(
        line(position, snapshot, trades.get(position.symbol), _min_qty(listed.get(position.symbol)))
        for position in snapshot.positions
        if position.qty
    )


def _min_qty(instrument: Instrument | None) -> Decimal:
    return ZERO if instrument is None else instrument.min_qty  # a contract that is not listed any more


def open_trades(books: Books) -> dict[str, OpenTrade] | None:
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
    mark, size = position.mark_price, abs(position.qty)
    liquidation = position.liquidation_price or None  # some venues say 0 where there is none
    naked_since = trade.naked_since_ms if trade is not None else None
    covered = cover.protection is Protection.COVERED
    return PositionLine(
        symbol=position.symbol,
        side=position.side.value,
        qty=size,
        entry_price=position.entry_price,
        mark_price=mark,
        unrealised=position.unrealised,
        notional=position.notional,
        margin=position.initial_margin,
        leverage=position.leverage,
        liquidation_price=liquidation,
        liquidation_distance=None if liquidation is None else _distance(position, liquidation),
        protection=cover.protection.value,
        covered_qty=cover.covered_qty,
        uncovered_qty=size - cover.covered_qty,
        stop_price=cover.stop_price,
        stop_distance=None if cover.stop_price is None else _distance(position, cover.stop_price),
        stop_money=_at_stops(position, cover, mark),
        stop_money_from_entry=_at_stops(position, cover, position.entry_price),
        naked_ms=None if covered or naked_since is None else max(snapshot.at_ms - naked_since, 0),
        in_books=trade is not None and trade.lot.qty == position.qty,
        dust=size < min_qty,
        stops_why=cover.why,
    )


def _distance(position: PositionFact, price: Decimal) -> Decimal:
    return divide((position.mark_price - price) * position.side.sign, position.mark_price)


def _at_stops(position: PositionFact, cover: Coverage, since: Decimal) -> Decimal | None:
    """P&L from `since` to the stops, each on what it takes; None without a stop."""
    if not cover.steps:
        return None
    sign, mark = position.side.sign, position.mark_price
    fills_at = [(min(price, mark) if sign > 0 else max(price, mark), qty) for price, qty in cover.steps]
    return sum(((price - since) * sign * qty for price, qty in fills_at), ZERO)
