"""`exposure`: what is at risk now, in money and as a part of equity.

Worst loss: what would be given up from the mark if every stop filled at its own price, before fees and slippage, and
the same from the entry prices. What no stop covers is not in that sum: its loss has no bound, which is said. Entries
that rest or are in doubt are counted apart: they could add.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.money import ZERO, divide
from tradectl.domain.order import OrderFact
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, StoreRefused
from tradectl.operations import positions_list
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import open_venue
from tradectl.operations.positions_list import PositionLine
from tradectl.store import intents
from tradectl.store.identity import Identity


@dataclass(frozen=True, slots=True)
class AtRisk:
    """One position. The shares are of equity, None where equity is not positive; `loss_share` < 0 is a loss."""

    line: PositionLine
    notional_share: Decimal | None
    margin_share: Decimal | None
    loss_share: Decimal | None  # of stop_money
    uncovered_notional: Decimal


@dataclass(frozen=True, slots=True)
class CouldAdd:
    """An order that rests and could open, or an entry in doubt. `notional` None where its price is not known."""

    name: str  # the venue's id, or the client id of an intent
    symbol: str
    side: str
    qty: Decimal
    notional: Decimal | None
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class Exposure:
    """Money in quote currency; shares are fractions of equity, None where equity is not positive.

    worst_from_mark, worst_from_entry: P&L if every stop fills; `bounded` False: that is not all, see `uncovered`.
    margin:    of positions and of orders that could open, as the account carries it.
    could_add: None for what is in doubt where the store cannot be read: `store_trouble` says why.
    """

    identity: Identity
    store: str
    at_ms: int
    currency: str
    equity: Decimal
    positions: tuple[AtRisk, ...]  # the largest notional first
    notional: Decimal
    notional_share: Decimal | None
    margin: Decimal
    margin_share: Decimal | None
    worst_from_mark: Decimal
    worst_from_mark_share: Decimal | None
    worst_from_entry: Decimal
    worst_from_entry_share: Decimal | None
    bounded: bool
    uncovered_notional: Decimal
    nearest_liquidation: PositionLine | None
    could_add: tuple[CouldAdd, ...]
    doubts_known: bool
    store_trouble: str
    completed: tuple[str, ...]  # what the venue's own lists lacked, and was set right

    @property
    def uncovered(self) -> tuple[PositionLine, ...]:
        return tuple(one.line for one in self.positions if one.line.uncovered_qty)

    @property
    def could_add_notional(self) -> Decimal:
        return sum((one.notional for one in self.could_add if one.notional is not None), ZERO)


async def read(books: Books) -> Exposure:
    """One read of the venue beside the books. Raises VenueUnreachable: an unread venue is never 'none'."""
    identity = books.identity()
    desk = open_venue(books.path, identity, books.db)
    try:
        snapshot = await desk.venue.snapshot()
        lines = positions_list.lines(books, snapshot, await desk.venue.instruments())
        currency = desk.venue.currency
    finally:
        await desk.venue.close()
    doubtful, known = _in_doubt(books, snapshot)
    return _summed(books, identity, currency, snapshot, lines, (*_resting(snapshot), *doubtful), known)


def _summed(
    books: Books,
    identity: Identity,
    currency: str,
    snapshot: Snapshot,
    lines: tuple[PositionLine, ...],
    could_add: tuple[CouldAdd, ...],
    known: bool,
) -> Exposure:
    equity = snapshot.equity
    at_risk = tuple(_at_risk(line, equity) for line in sorted(lines, key=lambda line: (-line.notional, line.symbol)))
    from_mark = sum((line.stop_money or ZERO for line in lines), ZERO)
    from_entry = sum((line.stop_money_from_entry or ZERO for line in lines), ZERO)
    near = [line for line in lines if line.liquidation_distance is not None]
    return Exposure(
        identity=identity,
        store=str(books.path),
        at_ms=snapshot.at_ms,
        currency=currency,
        equity=equity,
        positions=at_risk,
        notional=snapshot.notional,
        notional_share=snapshot.exposure,
        margin=snapshot.account.initial_margin,
        margin_share=snapshot.margin_utilisation,
        worst_from_mark=from_mark,
        worst_from_mark_share=_share(from_mark, equity),
        worst_from_entry=from_entry,
        worst_from_entry_share=_share(from_entry, equity),
        bounded=not any(line.uncovered_qty for line in lines),
        uncovered_notional=sum((one.uncovered_notional for one in at_risk), ZERO),
        nearest_liquidation=min(near, key=lambda line: line.liquidation_distance or ZERO, default=None),
        could_add=could_add,
        doubts_known=known,
        store_trouble=books.trouble,
        completed=(*snapshot.doubts, *snapshot.absences),
    )


def _at_risk(line: PositionLine, equity: Decimal) -> AtRisk:
    return AtRisk(
        line=line,
        notional_share=_share(line.notional, equity),
        margin_share=_share(line.margin, equity),
        loss_share=None if line.stop_money is None else _share(line.stop_money, equity),
        uncovered_notional=line.uncovered_qty * line.mark_price,
    )


def _share(value: Decimal, equity: Decimal) -> Decimal | None:
    return divide(value, equity) if equity > 0 else None


def _resting(snapshot: Snapshot) -> tuple[CouldAdd, ...]:
    return tuple(
        CouldAdd(
            order.order_id,
            order.symbol,
            order.side.value,
            order.remaining_qty,
            _notional(order, snapshot),
            in_doubt=False,
        )
        for order in snapshot.orders
        if order.status.open and order.can_add_exposure
    )


def _notional(order: OrderFact, snapshot: Snapshot) -> Decimal | None:
    price = order.price if order.price is not None else order.trigger_price
    position = snapshot.position(order.symbol)
    if price is None and position is not None:
        price = position.mark_price
    return None if price is None else order.remaining_qty * price


def _in_doubt(books: Books, snapshot: Snapshot) -> tuple[tuple[CouldAdd, ...], bool]:
    """(entries that the venue may have or get, whether that could be told); one that rests is counted there."""
    found = books.entries_in_doubt()
    if found is None or books.db is None:
        return (), False
    resting = {order.client_id for order in snapshot.orders if order.status.open}
    doubtful = [one for one in found if one.client_id not in resting]
    if not doubtful:
        return (), True
    try:
        with books.db.read() as conn:
            plans = {one.number: intents.plan(conn, one.number) for one in doubtful}
    except (Busy, StoreRefused) as error:
        books.trouble = error.what
        return (), False
    said = []
    for one in doubtful:
        qty, plan = one.qty or ZERO, plans[one.number]
        notional = None if plan is None else qty * plan.reference_price
        said.append(CouldAdd(one.client_id, one.symbol, one.side.value, qty, notional, in_doubt=True))
    return tuple(said), True
