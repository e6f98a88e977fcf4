"""`stops list`: each position with its stops, what they cover, and what is given up when they fire."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.money import divide
from tradectl.domain.order import OrderFact, TriggerBy
from tradectl.domain.position import PositionFact, covers
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import ExitCode
from tradectl.operations import order_owners, positions_list, symbols
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk
from tradectl.operations.order_owners import Known
from tradectl.operations.positions_list import PositionLine
from tradectl.store.identity import Identity


@dataclass(frozen=True, slots=True)
class StopLine:
    """One stop. Quantities in base units, prices and money in quote currency.

    covers_qty: of its position, whatever the others cover; 0 for one that does not count, and `why` says why.
    distance:   from the mark, fraction of the mark, > 0 while it is not reached.
    money:      P&L from the mark to its trigger on what it covers, before fees and slippage.
    whose:      'ours', 'attached' (to an order of ours), 'other_store', 'foreign', 'stray', 'untold'.
    """

    order_id: str
    client_id: str | None
    symbol: str
    side: str
    trigger_price: Decimal
    trigger_by: TriggerBy | None
    close_position: bool
    covers_qty: Decimal
    distance: Decimal | None
    money: Decimal | None
    whose: str
    age_ms: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Guarded:
    position: PositionLine
    stops: tuple[StopLine, ...]  # in the order in which the market meets them


@dataclass(frozen=True, slots=True)
class Stops:
    """`idle`: stops on symbols that hold no position, or on the side that would open one."""

    identity: Identity
    store: str
    at_ms: int  # the venue's clock
    guarded: tuple[Guarded, ...]
    idle: tuple[StopLine, ...]
    store_trouble: str
    completed: tuple[str, ...]
    absent: bool = False  # the books hold what the venue does not list

    @property
    def uncovered(self) -> tuple[PositionLine, ...]:
        return tuple(one.position for one in self.guarded if one.position.uncovered_qty)

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.DRIFT if self.uncovered or self.absent else ExitCode.OK


async def read(books: Books, desk: Desk, typed_symbol: str = "") -> Stops:
    """One read of the venue, then one of the store.

    Raises VenueUnreachable: an unread venue is never 'covered'. UsageError for a symbol that the venue does not list.
    """
    snapshot = await desk.venue.snapshot()
    listed = await desk.venue.instruments()
    only = symbols.match(typed_symbol, listed, desk.venue.currency, whose="the venue") if typed_symbol else ""
    stops = [
        order
        for order in snapshot.orders
        if order.protective and order.status.open and order.trigger_price is not None and only in ("", order.symbol)
    ]
    known = order_owners.look_up(books, stops)
    held = {position.symbol: position for position in snapshot.positions if position.qty}
    lines = positions_list.lines(books, snapshot, listed)
    guarded = tuple(
        Guarded(line, _of(held[line.symbol], stops, known, snapshot)) for line in lines if only in ("", line.symbol)
    )
    shown = {stop.order_id for one in guarded for stop in one.stops}
    return Stops(
        identity=books.identity(),
        store=str(books.path),
        at_ms=snapshot.at_ms,
        guarded=guarded,
        idle=tuple(
            _line(order, held.get(order.symbol), known, snapshot) for order in stops if order.order_id not in shown
        ),
        store_trouble=known.trouble or books.trouble,
        completed=(*snapshot.doubts, *snapshot.absences),
        absent=bool(snapshot.absent),
    )


def _of(position: PositionFact, stops: list[OrderFact], known: Known, snapshot: Snapshot) -> tuple[StopLine, ...]:
    mine = [order for order in stops if order.symbol == position.symbol and order.side is position.side.closing]
    found = [_line(order, position, known, snapshot) for order in mine]
    return tuple(sorted(found, key=lambda line: -line.trigger_price * position.side.sign))


def _line(order: OrderFact, position: PositionFact | None, known: Known, snapshot: Snapshot) -> StopLine:
    assert order.trigger_price is not None
    told = order_owners.line(order, known, snapshot.orders, snapshot.at_ms)
    why, covered = "", Decimal(0)
    distance = money = None
    if position is None:
        why = "there is no position"
    elif order.side is not position.side.closing:
        why = f"the position is {position.side.value}: it is on the opening side"
    elif not position.inside_liquidation(order.trigger_price):
        why = "beyond liquidation: it never fires"
    else:
        covered = min(covers(order, position), abs(position.qty))
        away = (position.mark_price - order.trigger_price) * position.side.sign
        distance = divide(away, position.mark_price)
        money = -max(away, Decimal(0)) * covered
    return StopLine(
        order_id=order.order_id,
        client_id=order.client_id,
        symbol=order.symbol,
        side=order.side.value,
        trigger_price=order.trigger_price,
        trigger_by=order.trigger_by,
        close_position=order.close_position,
        covers_qty=covered,
        distance=distance,
        money=money,
        whose=told.whose,
        age_ms=told.age_ms,
        why=why,
    )
