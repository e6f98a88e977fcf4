"""`flatten`: every position, or those named, closed the way `positions close` closes one (position_exit.py).

One plan, then position after position, the largest first. What goes wrong with one never keeps the others open. It
changes no latch and cancels no entry: whether the bot may open again is said at the end, with what stops that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tradectl.domain.money import ZERO, amount, text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact
from tradectl.domain.system_state import PERMISSIONS, SystemState, system_state
from tradectl.errors import Busy, ExitCode, StoreRefused, TradectlError, VenueUnreachable
from tradectl.execution.sweep import Hands
from tradectl.operations import act_record, position_exit, symbols
from tradectl.operations.act_record import Recorded
from tradectl.operations.killswitch_venue import Books, hands
from tradectl.operations.opening import Desk, wall_ms
from tradectl.operations.position_exit import Closed, ClosePlan
from tradectl.store import halt, latches, ledger

SUBJECT = "flatten"
WORD = "flatten"  # what is typed to confirm it
_STRICTEST = (ExitCode.REFUSED, ExitCode.DRIFT, ExitCode.OK)
_LISTED = 40  # positions named in the journal's summary


@dataclass(frozen=True, slots=True)
class FlattenPlan:
    """`closes`, the largest notional first. Money in quote currency.

    fees:       what closing them costs, at the rates of the account's last taker fills; None where none is known.
    nothing_in: symbols that were named and hold nothing.
    unlisted:   positions whose contract the venue does not list, or with two legs (hedge mode): they cannot be closed
                from here.
    adding:     orders that could open a position again; they are left alone.
    absent:     what the books hold and the venue does not list, a sentence each: whether it is closed cannot be told.
    """

    path: Path
    whose: str
    currency: str
    named: tuple[str, ...]  # () means every position
    closes: tuple[ClosePlan, ...]
    fees: tuple[Decimal, ...] | None  # beside `closes`
    nothing_in: tuple[str, ...]
    unlisted: tuple[PositionFact, ...]
    adding: tuple[OrderFact, ...]
    absent: tuple[str, ...] = ()

    @property
    def notional(self) -> Decimal:
        return sum((one.line.notional for one in self.closes), ZERO)

    @property
    def unrealised(self) -> Decimal:
        return sum((one.line.unrealised for one in self.closes), ZERO)

    @property
    def fees_total(self) -> Decimal | None:
        return None if self.fees is None else sum(self.fees, ZERO)

    @property
    def nothing(self) -> bool:
        return not self.closes and not self.unlisted


@dataclass(frozen=True, slots=True)
class Exit:
    """What became of one position. `closed` None: nothing has left for it, and `problem` says why."""

    plan: ClosePlan
    closed: Closed | None
    problem: str = ""

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.REFUSED if self.closed is None else self.closed.exit_code


@dataclass(frozen=True, slots=True)
class Flattened:
    """`left`: what is not as it should be, by a last read of the venue. `state` None: the store cannot tell it."""

    plan: FlattenPlan
    exits: tuple[Exit, ...]
    left: tuple[str, ...]
    adding: tuple[OrderFact, ...]
    state: SystemState | None
    recorded: Recorded | None  # None: there was nothing to do
    guard: bool = False  # others trade this account, and no state of ours keeps them from it

    @property
    def realised(self) -> Decimal:
        return sum((one.closed.realised for one in self.exits if one.closed), ZERO)

    @property
    def fees(self) -> Decimal:
        return sum((one.closed.fees for one in self.exits if one.closed), ZERO)

    @property
    def net(self) -> Decimal:
        return self.realised - self.fees

    @property
    def entries_allowed(self) -> bool | None:
        if self.guard:
            return True
        return None if self.state is None else PERMISSIONS[self.state].entries

    @property
    def exit_code(self) -> ExitCode:
        codes = {one.exit_code for one in self.exits}
        codes.add(ExitCode.REFUSED if self.plan.unlisted else ExitCode.DRIFT if self.left else ExitCode.OK)
        return next(code for code in _STRICTEST if code in codes)


OnDone = Callable[[Exit], None]  # told of each position as soon as its result is known
OnFault = Callable[[Exception], str]  # keeps the traceback of a fault of our own; answers with where it is


async def plan(books: Books, desk: Desk, named: Sequence[str]) -> FlattenPlan:
    """Looks at venue and books. Raises VenueUnreachable, and UsageError for a symbol that the venue does not list."""
    snapshot = await position_exit.look(books, desk)
    listed = await desk.venue.instruments()
    held = {position.symbol: position for position in snapshot.positions if position.qty}
    known = {*listed, *held}
    names = sorted({symbols.match(typed, known, desk.venue.currency, whose="the venue") for typed in named})
    if snapshot.flaw and (not held or any(name not in held for name in names)):
        raise position_exit.unbelievable(snapshot.flaw)
    if unseen := [name for name in names if name in snapshot.absent]:
        raise position_exit.unbelievable(snapshot.absence(unseen[0]))
    legs = Counter(position.symbol for position in snapshot.positions if position.qty)
    chosen = [held[name] for name in names if name in held] if named else list(held.values())
    chosen.sort(key=lambda position: (-position.notional, position.symbol))
    closes = tuple(
        position_exit.plan(books, snapshot, position, listed[position.symbol])
        for position in chosen
        if position.symbol in listed and legs[position.symbol] == 1
    )
    return FlattenPlan(
        path=books.path,
        whose=str(books.identity()) if books.identity().account else "account unknown",
        currency=desk.venue.currency,
        named=tuple(names),
        closes=closes,
        fees=_fees(books, closes),
        nothing_in=tuple(name for name in names if name not in held),
        unlisted=tuple(
            position
            for position in snapshot.positions
            if position.qty
            and (not names or position.symbol in names)
            and (position.symbol not in listed or legs[position.symbol] > 1)
        ),
        adding=_adding(snapshot.orders, names),
        absent=() if names else snapshot.absences,
    )


async def apply(
    books: Books, desk: Desk, planned: FlattenPlan, *, reason: str, actor: str, on_done: OnDone, on_fault: OnFault
) -> Flattened:
    """Closes one after another and reads the venue once more.

    Raises VenueUnreachable only when it could be read for none of them: then nothing has left.
    """
    own = hands(books, desk, actor=actor)
    exits: list[Exit] = []
    unreachable: list[VenueUnreachable] = []
    for close in planned.closes:
        try:
            one = await _close(own, books, desk, close, reason=reason, actor=actor, on_fault=on_fault)
        except VenueUnreachable as error:
            unreachable.append(error)
            one = Exit(close, None, f"nothing was sent, the venue could not be read: {error.what}")
        exits.append(one)
        on_done(one)
    if unreachable and len(unreachable) == len(exits):
        raise unreachable[-1]
    left, adding = await _look_again(books, desk, planned)
    recorded = _record(books, planned, exits, left, reason=reason, actor=actor)
    if not recorded.where:
        left.append(f"{'what was done' if _sent(exits) else 'this command'} is recorded nowhere: {recorded.trouble}")
    return Flattened(planned, tuple(exits), tuple(left), adding, trading_state(books), recorded, books.guard())


def _sent(exits: Sequence[Exit]) -> bool:
    """Whether any order has left."""
    return any(one.outcome is not None for each in exits if each.closed for one in each.closed.reduced.sent)


def nothing_done(books: Books, planned: FlattenPlan) -> Flattened:
    """The answer where nothing is open."""
    return Flattened(planned, (), planned.absent, planned.adding, trading_state(books), None, books.guard())


def trading_state(books: Books) -> SystemState | None:
    """What the latches and the halt file demand; None when the store cannot be read and no halt file answers."""
    if halt.read(str(books.path)) is not None:
        return SystemState.HALTED
    if books.db is None:
        return None
    try:
        with books.db.read() as conn:
            return system_state(latches.active(conn))
    except (Busy, StoreRefused):
        return None


async def _close(
    own: Hands, books: Books, desk: Desk, close: ClosePlan, *, reason: str, actor: str, on_fault: OnFault
) -> Exit:
    try:
        closed = await position_exit.carry_out(own, books, desk, close, reason=reason, actor=actor, subject=SUBJECT)
    except VenueUnreachable:
        raise
    except TradectlError as error:
        return Exit(close, None, "; ".join(part for part in (error.what, error.why) if part))
    except Exception as error:  # a fault of our own in one position's close must not keep the others open
        return Exit(close, None, f"the tool failed here ({type(error).__name__}: {error}); {on_fault(error)}")
    return Exit(close, closed, closed.reduced.problem)


async def _look_again(books: Books, desk: Desk, planned: FlattenPlan) -> tuple[list[str], tuple[OrderFact, ...]]:
    """(what is still open of what was meant, orders that could add exposure) by a fresh, complete read."""
    try:
        snapshot = books.seen = await desk.venue.snapshot()
    except VenueUnreachable as error:
        see = position_exit.see_command(books.path)
        return [f"the venue could not be read at the end: {error.what}; {see}"], planned.adding
    meant = {close.line.symbol for close in planned.closes}
    unlisted = {position.symbol for position in planned.unlisted}
    said = [one for one in snapshot.absences if not planned.named]
    for position in snapshot.positions:
        if not position.qty or (planned.named and position.symbol not in planned.named):
            continue
        why = "is still open" if position.symbol in meant else "was opened since the plan"
        if position.symbol in unlisted:
            why = "cannot be closed from here (not listed, or two legs): close it on the venue's own site"
        said.append(f"{position.symbol} {position.side.value} {text(abs(position.qty))} {why}")
    return said, _adding(snapshot.orders, planned.named)


def _record(
    books: Books, planned: FlattenPlan, exits: list[Exit], left: list[str], *, reason: str, actor: str
) -> Recorded:
    closed = [one.closed for one in exits if one.closed is not None]
    net = sum((one.net for one in closed), ZERO)
    body: dict[str, object] = {
        "reason": reason,
        "before": {one.plan.line.symbol: f"{one.plan.line.side} {text(one.plan.line.qty)}" for one in exits[:_LISTED]},
        "after": {one.plan.line.symbol: _after(one, planned.currency) for one in exits[:_LISTED]},
        "positions": len(exits),
        "realised": text(sum((one.realised for one in closed), ZERO)),
        "fees": text(sum((one.fees for one in closed), ZERO)),
        "net": text(net),
        "left": left[:_LISTED],
    }
    done = sum(one.done for one in closed)
    short = f"{done} of {len(exits)} closed, net {amount(net, planned.currency)}: {reason}"
    return act_record.save(books, SUBJECT, body, short, actor=actor, at_ms=wall_ms())


def _after(one: Exit, currency: str) -> str:
    if one.closed is None:
        return f"unchanged ({one.problem})"
    return f"{text(one.closed.reduced.left_qty)} (net {amount(one.closed.net, currency)})"


def _fees(books: Books, closes: tuple[ClosePlan, ...]) -> tuple[Decimal, ...] | None:
    """Each close's fee at its symbol's last taker rate, else at the account's last one; None where none is known."""
    if books.db is None:
        return None
    try:
        with books.db.read() as conn:
            rates = ledger.taker_fee_rates(conn)
    except (Busy, StoreRefused):
        return None
    if not rates:
        return None
    newest = next(iter(rates.values()))
    return tuple(one.line.notional * rates.get(one.line.symbol, newest) for one in closes)


def _adding(orders: Sequence[OrderFact], named: Sequence[str]) -> tuple[OrderFact, ...]:
    return tuple(
        order
        for order in orders
        if order.status.open and order.can_add_exposure and (not named or order.symbol in named)
    )
