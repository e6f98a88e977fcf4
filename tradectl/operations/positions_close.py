"""`positions close`: one position, or a fraction of it, closed reduce-only on an operator's word.

Works in every system state, with the bot running, paused, killed or gone, and where the store cannot be written
(emergency journal). The stop is cancelled only after a fresh read shows the position gone (promise 5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from tradectl.domain.fill import Fill
from tradectl.domain.instrument import Instrument
from tradectl.domain.ledger import OpenTrade, book_fill
from tradectl.domain.money import ONE, ZERO, divide, text
from tradectl.domain.position import Lot, PositionFact
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, ExitCode, Refused, StoreRefused, UsageError, VenueUnreachable
from tradectl.execution.closing import Reduced, cancel_left_behind, left_behind, reduce_to
from tradectl.execution.ingest import fetch_events, ingest
from tradectl.execution.sweep import IN_EMERGENCY, Swept
from tradectl.operations import positions_list, symbols
from tradectl.operations.killswitch_check import describe
from tradectl.operations.killswitch_record import emptied
from tradectl.operations.killswitch_venue import Books, hands
from tradectl.operations.opening import Desk, wall_ms
from tradectl.operations.positions_list import PositionLine
from tradectl.store import emergency, journal, ledger


@dataclass(frozen=True, slots=True)
class ClosePlan:
    """`close_qty` of `line.qty` goes, `leave_qty` stays; `orders` is how many the venue's largest order makes of it."""

    path: Path
    line: PositionLine
    position: PositionFact
    close_qty: Decimal
    leave_qty: Decimal
    orders: int
    event_seq: int
    max_market_qty: Decimal
    trade: OpenTrade | None
    after: tuple[str, ...]  # what happens to its stops and targets, one sentence each
    warnings: tuple[str, ...]
    currency: str


@dataclass(frozen=True, slots=True)
class Closed:
    """What the venue did. P&L in quote currency, from the venue's own fills; `net` is realised − fees."""

    plan: ClosePlan
    reduced: Reduced
    cancelled: tuple[Swept, ...]
    fills: int
    average_price: Decimal | None
    realised: Decimal
    fees: Decimal
    recorded_in: str
    left: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what is wrong with the emergency journal: nothing of the close itself

    @property
    def net(self) -> Decimal:
        return self.realised - self.fees

    @property
    def done(self) -> bool:
        return not self.reduced.problem and self.reduced.left_qty <= self.plan.leave_qty

    @property
    def exit_code(self) -> ExitCode:
        if self.reduced.unverified:
            return ExitCode.DRIFT
        if not self.done:
            return ExitCode.REFUSED
        return ExitCode.DRIFT if self.left else ExitCode.OK


def parse_fraction(typed: str) -> Decimal:
    """A share above 0 and up to 1, as '0.5', '1' or '50%'. Raises UsageError."""
    body = typed.strip()
    try:
        value = Decimal(body.removesuffix("%")) / (100 if body.endswith("%") else 1)
    except ArithmeticError:
        value = ZERO
    if not value.is_finite() or not ZERO < value <= ONE:
        raise UsageError(f"'{typed}' is not a share of a position", hint="write a number above 0 and up to 1, like 0.5")
    return value


async def plan(books: Books, desk: Desk, symbol: str, fraction: Decimal) -> ClosePlan:
    """Looks at venue and books. Raises Refused when there is no such position, VenueUnreachable, UsageError."""
    if books.db is not None:
        try:
            await ingest(books.db, desk.venue, desk.venue.currency)
        except (Busy, StoreRefused) as error:
            books.trouble, books.writable = error.what, False
    snapshot = await desk.venue.snapshot()
    held = {position.symbol: position for position in snapshot.positions if position.qty}
    if not held:
        raise Refused("no position is open at the venue", where=str(books.path), hint="tradectl positions list")
    name = symbols.match(symbol, held, desk.venue.currency)
    position = held.get(name)
    if position is None:
        raise Refused(f"no position in {name} is open at the venue", hint=f"open are: {', '.join(sorted(held))}")
    instrument = (await desk.venue.instruments())[name]
    trade = _trade(books, name)
    close_qty = abs(position.qty) if fraction == ONE else instrument.floor_qty(abs(position.qty) * fraction)
    if not close_qty:
        raise Refused(
            f"{text(fraction)} of {text(abs(position.qty))} {name} is less than the venue's step {instrument.qty_step}",
            hint="close a larger share, or all of it",
        )
    leave = abs(position.qty) - close_qty
    return ClosePlan(
        path=books.path,
        line=positions_list.line(position, snapshot, trade, instrument.min_qty),
        position=position,
        close_qty=close_qty,
        leave_qty=leave,
        orders=int(-(-close_qty // instrument.max_market_qty)),
        event_seq=snapshot.event_seq,
        max_market_qty=instrument.max_market_qty,
        trade=trade,
        after=tuple(_after(snapshot, name, leave, books.identity().store_tag)),
        warnings=tuple(_warnings(position, instrument, close_qty, leave, trade)),
        currency=desk.venue.currency,
    )


async def apply(books: Books, desk: Desk, planned: ClosePlan, *, reason: str, actor: str) -> Closed:
    """Carries the plan out and looks again.

    Raises Refused when the position is no longer the one planned for, VenueUnreachable while nothing has left: from
    the first order on, what could not be read is said in the answer.
    """
    position = planned.position
    now = (await desk.venue.snapshot()).position(position.symbol)
    if now is None or not now.qty or now.side is not position.side:
        raise Refused(
            f"the position in {position.symbol} is no longer there as planned: nothing was sent",
            why="it was closed or turned over meanwhile",
            hint="tradectl positions list",
        )
    own = hands(books, desk, actor=actor)
    reduced = await reduce_to(
        own,
        desk.venue,
        position,
        leave=planned.leave_qty,
        max_market_qty=planned.max_market_qty,
        reason=f"operator close: {reason}",
    )
    if own.store_trouble:
        books.trouble, books.writable = own.store_trouble, False
    tag = books.identity().store_tag
    cancelled: tuple[Swept, ...] = ()
    unread: list[str] = []
    if reduced.unverified:
        unread.append(f"see what it came to, then close what is left: {see_command(books.path)}")
    try:
        if reduced.gone:
            cancelled = await cancel_left_behind(own, desk.venue, position.symbol, tag)
    except VenueUnreachable as error:
        unread.append(f"its own stops and targets may still rest: {error.what}; {see_command(books.path)}")
    try:
        events = await fetch_events(desk.venue, planned.event_seq)
    except VenueUnreachable as error:
        events = []
        unread.append(f"the fills could not be read: {error.what}; tradectl trades shows the result later")
    fills = [
        event
        for event in events
        if isinstance(event, Fill) and event.symbol == position.symbol and event.side is position.side.closing
    ]
    realised, fees = _result_of(planned, fills)
    sold = sum((fill.qty for fill in fills), ZERO)
    closed = Closed(
        plan=planned,
        reduced=reduced,
        cancelled=cancelled,
        fills=len(fills),
        average_price=divide(sum((fill.qty * fill.price for fill in fills), ZERO), sold) if sold else None,
        realised=realised,
        fees=fees,
        recorded_in="",
        left=(),
    )
    recorded, trouble, notes = await _record(books, desk, closed, reason=reason, actor=actor)
    left = [f"{one.order.order_id} ({describe(one.order)}): {one.detail}" for one in cancelled if not one.done]
    return replace(closed, recorded_in=recorded, left=tuple(unread + left + trouble), notes=notes)


def see_command(store: Path) -> str:
    return f"tradectl positions list --state {store}"


async def _record(
    books: Books, desk: Desk, closed: Closed, *, reason: str, actor: str
) -> tuple[str, list[str], tuple[str, ...]]:
    """The operator's act in the journal and the fills in the ledger: where, what stood in the way, and notes."""
    later = "the fills are not in the ledger yet (the bot takes them in later)"
    if books.db is None or not books.writable:
        return IN_EMERGENCY, [f"{later}: {books.trouble}"], emergency.look(books.path).troubles
    line, at_ms = closed.plan.line, wall_ms()
    waiting: list[str] = []
    try:
        await ingest(books.db, desk.venue, desk.venue.currency)
    except VenueUnreachable as error:
        waiting.append(f"{later}: {error.what}")
    except (Busy, StoreRefused) as error:
        return IN_EMERGENCY, [f"{later}: {error.what}"], ()
    try:
        with books.db.transaction() as conn:
            absorbed = emergency.absorb(conn, books.path, at_ms=at_ms)
            journal.append(
                conn,
                at_ms=at_ms,
                kind="operator",
                actor=actor,
                subject="positions close",
                symbol=line.symbol,
                body={
                    "reason": reason,
                    "side": line.side,
                    "before": text(line.qty),
                    "after": text(closed.reduced.left_qty),
                    "realised": text(closed.realised),
                    "fees": text(closed.fees),
                    "problem": closed.reduced.problem,
                },
            )
    except (Busy, StoreRefused) as error:
        return IN_EMERGENCY, [f"{later}: {error.what}"], ()
    return "store", waiting, emptied(books.path, absorbed)


def _trade(books: Books, symbol: str) -> OpenTrade | None:
    if books.db is None:
        return None
    with books.db.read() as conn:
        return ledger.open_trades(conn).get(symbol)


def _result_of(planned: ClosePlan, fills: list[Fill]) -> tuple[Decimal, Decimal]:
    """(realised before fees, fees): exactly as the ledger books them, else against the venue's entry price."""
    position = planned.position
    trade = planned.trade
    if trade is None or trade.lot.qty != position.qty:
        lot = Lot(position.qty, position.qty * position.entry_price)
        trade = OpenTrade(0, position.symbol, position.side, position.updated_ms, lot, entry_qty=abs(position.qty))
    realised = ZERO
    for fill in fills:
        if trade is None:
            break
        booked = book_fill(trade, fill, 0)
        realised += booked.realised
        trade = booked.open
    return realised, sum((fill.fee for fill in fills), ZERO)


def _after(snapshot: Snapshot, symbol: str, leave: Decimal, store_tag: str) -> list[str]:
    ours, others = left_behind(snapshot, symbol, store_tag)
    if leave:
        return [f"{describe(order)} stays" for order in (*ours, *others)]
    said = [f"{describe(order)} is cancelled once the position is gone" for order in ours]
    return said + [f"{describe(order)} is not ours: we leave it to the venue" for order in others]


def _warnings(
    position: PositionFact, instrument: Instrument, close_qty: Decimal, leave: Decimal, trade: OpenTrade | None
) -> list[str]:
    said = []
    if trade is None:
        said.append("the books do not know this position: its entry price is the venue's")
    elif trade.lot.qty != position.qty:
        said.append(f"the books hold {text(trade.lot.qty)}, the venue {text(position.qty)}")
    if close_qty < instrument.min_qty:
        said.append(f"below the venue's smallest order ({text(instrument.min_qty)}): the venue may refuse it as dust")
    if ZERO < leave < instrument.min_qty:
        said.append(f"what is left ({text(leave)}) would be dust, below the smallest order {text(instrument.min_qty)}")
    return said
