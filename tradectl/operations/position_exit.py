"""The way out of one position, shared by `positions close` and `flatten`: planned, carried out, read again, recorded.

Reduce-only market orders and nothing else. Works in every system state, and where the store cannot be written
(emergency journal). A position's stops and targets are cancelled only after a fresh read shows it gone (promise 5).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from tradectl.domain.fill import Fill
from tradectl.domain.instrument import Instrument
from tradectl.domain.ledger import OpenTrade, book_fill
from tradectl.domain.money import ONE, ZERO, divide, text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import Lot, PositionFact
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, ExitCode, Refused, StoreRefused, VenueUnreachable
from tradectl.execution.closing import Reduced, cancel_left_behind, left_behind, reduce_to
from tradectl.execution.ingest import fetch_events, ingest
from tradectl.execution.sweep import IN_EMERGENCY, IN_STORE, Hands, Swept
from tradectl.operations import act_record, by_hand, positions_list
from tradectl.operations.killswitch_check import describe
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk, wall_ms
from tradectl.operations.positions_list import PositionLine
from tradectl.store import emergency

_LATER = "the fills are not in the ledger yet (the bot takes them in later)"


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
    own: tuple[OrderFact, ...]  # its stops and targets that are ours or attached: they go once it is gone
    others: tuple[OrderFact, ...]  # reducing orders on its symbol that are not ours: left to the venue (promise 6)
    warnings: tuple[str, ...]
    currency: str

    @property
    def after(self) -> tuple[str, ...]:
        """What happens to its stops and targets, one sentence each."""
        if self.leave_qty:
            return tuple(f"{describe(order)} stays" for order in (*self.own, *self.others))
        gone = [f"{describe(order)} is cancelled once the position is gone" for order in self.own]
        return (*gone, *(f"{describe(order)} is not ours: we leave it to the venue" for order in self.others))


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


async def look(books: Books, desk: Desk) -> Snapshot:
    """Takes the fills into the books as far as they can be written, then reads the venue. Raises VenueUnreachable."""
    if books.db is not None and books.writable:
        try:
            await ingest(books.db, desk.venue, desk.venue.currency)
        except VenueUnreachable:
            pass  # fills that cannot be read keep nobody from getting out; what is open is asked next, and must answer
        except (Busy, StoreRefused) as error:
            books.trouble, books.writable = error.what, False
    return await desk.venue.snapshot()


def plan(
    books: Books,
    snapshot: Snapshot,
    position: PositionFact,
    instrument: Instrument,
    fraction: Decimal = ONE,
) -> ClosePlan:
    """The close of one position, or of a share of it. Raises Refused where the share is less than one step."""
    held, name = abs(position.qty), position.symbol
    close_qty = held if fraction == ONE else instrument.floor_qty(held * fraction)
    if not close_qty:
        raise Refused(
            f"{text(fraction)} of {text(held)} {name} is less than the venue's step {instrument.qty_step}",
            hint="close a larger share, or all of it",
        )
    leave = held - close_qty
    own, others = left_behind(snapshot, name, books.identity().store_tag)
    trades = positions_list.open_trades(books)
    trade = None if trades is None else trades.get(name)
    warnings = [] if trades is not None else [f"the books cannot be read: {books.trouble}"]
    warnings += _warnings(position, instrument, close_qty, leave, trade)
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
        own=tuple(own),
        others=tuple(others),
        warnings=tuple(warnings),
        currency=snapshot.account.currency,
    )


async def carry_out(
    own: Hands, books: Books, desk: Desk, planned: ClosePlan, *, reason: str, actor: str, subject: str
) -> Closed:
    """Carries the plan out, looks again and journals it under `subject`.

    A position that is gone by now gets no order. Raises VenueUnreachable while nothing has left: from the first order
    on, what could not be read is said in the answer.
    """
    position = planned.position
    reduced = await reduce_to(
        own,
        desk.venue,
        position,
        leave=planned.leave_qty,
        max_market_qty=planned.max_market_qty,
        reason=f"operator {subject.split()[-1]}: {reason}",
    )
    cancelled: tuple[Swept, ...] = ()
    unread: list[str] = []
    if reduced.unverified:
        unread.append(f"see what it came to, then close what is left: {see_command(books.path)}")
    try:
        if reduced.gone:
            cancelled = await cancel_left_behind(own, desk.venue, position.symbol, books.identity().store_tag)
    except VenueUnreachable as error:
        unread.append(f"its own stops and targets may still rest: {error.what}; {see_command(books.path)}")
    if own.store_trouble:
        books.trouble, books.writable = own.store_trouble, False
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
    recorded, trouble, notes = await _record(books, desk, closed, reason=reason, actor=actor, subject=subject)
    left = [f"{one.order.order_id} ({describe(one.order)}): {one.detail}" for one in cancelled if not one.done]
    return replace(closed, recorded_in=recorded, left=tuple(unread + left + trouble), notes=notes)


def unbelievable(why: str) -> VenueUnreachable:
    """For the answer that nothing is open, by a picture that cannot be taken at its word (promise 4)."""
    return VenueUnreachable(
        "the venue's picture does not show it, and cannot be believed yet", why=why, hint="try again"
    )


def see_command(store: Path) -> str:
    return f"tradectl positions list --state {store}"


async def _record(
    books: Books, desk: Desk, closed: Closed, *, reason: str, actor: str, subject: str
) -> tuple[str, list[str], tuple[str, ...]]:
    """The operator's act in the journal and the fills in the ledger: where, what stood in the way, and notes."""
    if books.db is None or not books.writable:
        return _beside(books, closed, books.trouble)
    waiting: list[str] = []
    try:
        await ingest(books.db, desk.venue, desk.venue.currency)
    except VenueUnreachable as error:
        waiting.append(f"{_LATER}: {error.what}")
    except (Busy, StoreRefused) as error:
        books.trouble, books.writable = error.what, False
        return _beside(books, closed, error.what)
    with suppress(VenueUnreachable):  # only the picture for `state show`, which says how old it is
        books.seen = await desk.venue.snapshot()
    line = closed.plan.line
    body: dict[str, object] = {
        "reason": reason,
        "side": line.side,
        "before": text(line.qty),
        "after": text(closed.reduced.left_qty),
        "realised": text(closed.realised),
        "fees": text(closed.fees),
        "problem": closed.reduced.problem,
    }
    short = f"{line.side} {text(line.qty)} → {text(closed.reduced.left_qty)}: {reason}"
    saved = act_record.save(books, subject, body, short, actor=actor, at_ms=wall_ms(), symbol=line.symbol)
    if saved.where == IN_STORE:
        return IN_STORE, waiting, (saved.trouble,) if saved.trouble else ()
    return saved.where, [*waiting, f"this act is not in the journal yet: {saved.trouble}"], ()


def _beside(books: Books, closed: Closed, trouble: str) -> tuple[str, list[str], tuple[str, ...]]:
    """The same where the store cannot be written: what each request was recorded in, if anything was at all."""
    reduced = closed.reduced
    places = {*(one.recorded_in for one in reduced.sent), *(one.recorded_in for one in closed.cancelled)}
    where = next((place for place in (IN_EMERGENCY, IN_STORE) if place in places), "")
    waiting = []
    if closed.fills or reduced.left_qty < reduced.before_qty or any(one.outcome is not None for one in reduced.sent):
        waiting.append(f"{_LATER}: {trouble}")
    elif any(by_hand.nowhere(one) for one in reduced.sent):
        waiting.append(by_hand.to_close(closed.plan.position, reduced.left_qty - closed.plan.leave_qty))
    return where, waiting, emergency.look(books.path).troubles


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
