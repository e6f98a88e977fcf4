"""`positions close`: one position, or a fraction of it, closed reduce-only on an operator's word (position_exit.py)."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.money import ONE, ZERO
from tradectl.errors import Refused, UsageError
from tradectl.operations import position_exit, symbols
from tradectl.operations.killswitch_venue import Books, hands
from tradectl.operations.opening import Desk
from tradectl.operations.position_exit import Closed, ClosePlan

SUBJECT = "positions close"


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
    snapshot = await position_exit.look(books, desk)
    held = {position.symbol: position for position in snapshot.positions if position.qty}
    listed = await desk.venue.instruments()
    name = symbols.match(symbol, {*listed, *held}, desk.venue.currency, whose="the venue")
    position = held.get(name)
    if position is None and (why := snapshot.unproven(name)):
        raise position_exit.unbelievable(why)
    if position is None:
        open_now = f"open are: {', '.join(sorted(held))}" if held else "no position is open at all"
        raise Refused(f"no position in {name} is open at the venue", where=str(books.path), hint=open_now)
    if sum(one.symbol == name and bool(one.qty) for one in snapshot.positions) > 1:
        raise Refused(f"{name} has two legs (hedge mode)", hint="close them on the venue's own site; use one-way mode")
    if name not in listed:
        raise Refused(f"the venue does not list {name} any more", hint="close it on the venue's own site")
    instrument = listed[name]
    return position_exit.plan(books, snapshot, position, instrument, fraction)


async def apply(books: Books, desk: Desk, planned: ClosePlan, *, reason: str, actor: str) -> Closed:
    """Carries the plan out and looks again.

    Raises Refused when the position is no longer the one planned for, VenueUnreachable while nothing has left: from
    the first order on, what could not be read is said in the answer.
    """
    position = planned.position
    snapshot = await desk.venue.snapshot()
    now = snapshot.position(position.symbol)
    if now is None and (why := snapshot.unproven(position.symbol)):
        raise position_exit.unbelievable(why)
    if now is None or not now.qty or now.side is not position.side:
        raise Refused(
            f"the position in {position.symbol} is no longer there as planned: nothing was sent",
            why="it was closed or turned over meanwhile",
            hint="tradectl positions list",
        )
    own = hands(books, desk, actor=actor)
    return await position_exit.carry_out(own, books, desk, planned, reason=reason, actor=actor, subject=SUBJECT)
