"""`orders cancel`: one order, planned, cancelled, read again and journalled.

A protective stop is not cancelled while its position would not stay fully covered, unless that is overridden, which is
recorded (promise 5). An order that has ended already is no failure. One cancel is sent, whatever becomes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tradectl.domain.money import text
from tradectl.domain.order import OrderFact
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import ExitCode, Refused, VenueUnreachable
from tradectl.execution.sweep import Sent, cancelled
from tradectl.operations import act_record, by_hand, orders_find
from tradectl.operations.act_record import Recorded
from tradectl.operations.cancel_meaning import Cover, cover_without, meaning
from tradectl.operations.killswitch_check import Held, check, close_command, describe, ways_out
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.killswitch_venue import hands as operator_hands
from tradectl.operations.opening import Desk, wall_ms
from tradectl.operations.order_owners import OrderLine
from tradectl.operations.orders_find import Ended, InDoubt, Resting

SUBJECT = "orders cancel"
NO_REASON = "operator's cancel"


@dataclass(frozen=True, slots=True)
class CancelPlan:
    """`means`: what cancelling it means, one sentence each; `cover` None where it protects no position."""

    path: Path
    order: OrderFact
    line: OrderLine
    means: tuple[str, ...]
    cover: Cover | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of it. `result`: 'cancelled', 'gone' (it had ended), 'failed', 'unknown' or 'unverified'.

    how:  how it ended, as the venue has it; '' where it is not known to have ended.
    held: its symbol's position and what covers it by the last read; None without one.
    left: what is not as it should be. next: what to do about it.
    """

    plan: CancelPlan
    result: str
    sentence: str
    how: str
    filled_qty: Decimal
    held: Held | None
    overridden: bool
    left: tuple[str, ...]
    next: tuple[str, ...]
    recorded: Recorded | None  # None: nothing was sent

    @property
    def exit_code(self) -> ExitCode:
        if self.result == "failed":
            return ExitCode.REFUSED
        return ExitCode.DRIFT if self.left or self.result in ("unknown", "unverified") else ExitCode.OK


async def plan(books: Books, desk: Desk, name: str) -> CancelPlan | Ended | InDoubt:
    """Looks at venue and books. Raises Refused when no single order is called that, VenueUnreachable."""
    snapshot = await desk.venue.snapshot()
    found = await orders_find.find(books, desk.venue, snapshot, name)
    if not isinstance(found, Resting):
        return found
    cover = cover_without(snapshot, found.order)
    means = tuple(meaning(found.order, found.line, cover, snapshot, bot_runs=books.bot_runs(wall_ms())))
    return CancelPlan(books.path, found.order, found.line, means, cover)


def refuse(planned: CancelPlan, cover: Cover | None, *, override: bool) -> None:
    """Raises Refused where a position would not stay fully covered without this stop, unless overridden."""
    if cover is None or cover.full_without or override:
        return
    raise Refused(
        f"{planned.order.order_id} stays: it is a protective stop, and {cover.symbol} would not stay fully covered",
        why=cover.sentence(),
        hint=f"to get out of it: {close_command(cover.symbol, str(planned.path))}; or repeat with --override --reason "
        "TEXT, which is recorded",
    )


async def apply(
    books: Books, desk: Desk, planned: CancelPlan, *, reason: str, actor: str, override: bool
) -> Cancelled | Ended:
    """Cancels as planned and looks again.

    Raises Refused when its position has lost other cover meanwhile, VenueUnreachable while nothing has left.
    """
    before = await desk.venue.snapshot()
    order = _open(before, planned.order)
    if order is None:
        ended = await desk.venue.order(planned.order.symbol, planned.order.order_id)
        how = orders_find.how_it_ended(books, ended) if ended is not None else "it is no longer open"
        return Ended(planned.order.order_id, planned.order.symbol, ended, how)
    cover = cover_without(before, order)
    refuse(planned, cover, override=override)
    overridden = cover is not None and not cover.full_without
    hands = operator_hands(books, desk, actor=actor)
    sent = await hands.cancel(order, f"{SUBJECT}: {reason}")
    if hands.store_trouble:
        books.trouble, books.writable = hands.store_trouble, False
    held = _held(before, order.symbol)
    return await _verified(
        books,
        desk,
        planned,
        sent,
        cover,
        reason=reason,
        actor=actor,
        overridden=overridden,
        was_covered=held is not None and held.covered,
    )


async def _verified(
    books: Books,
    desk: Desk,
    planned: CancelPlan,
    sent: Sent,
    cover: Cover | None,
    *,
    reason: str,
    actor: str,
    overridden: bool,
    was_covered: bool,
) -> Cancelled:
    order = planned.order
    swept = cancelled(order, sent, reason)
    left: list[str] = []
    after, ended, how = None, None, ""
    try:
        after = books.seen = await desk.venue.snapshot()
        if _open(after, order) is None:
            ended = await desk.venue.order(order.symbol, order.order_id)
            how = orders_find.how_it_ended(books, ended) if ended is not None else "it is no longer open"
    except VenueUnreachable as error:
        left.append(f"the venue could not be read again: {error.what}")
    result = "gone" if swept.result == "failed" and how else swept.result
    if result in ("cancelled", "gone") and not how:
        result = "unverified"
        if not left:
            left.append(f"the venue answered '{sent.sentence}', and still shows {order.order_id} open")
    overridden = overridden and result != "failed"
    held = _held(after, order.symbol)
    if held is not None and not held.covered and was_covered and not overridden:
        left.append(held.sentence())
    shown = "open" if after is not None else "not read"
    before_it, after_it = {"order": "open"}, {"order": ended.status.value if ended is not None else how or shown}
    if cover is not None:
        before_it["covered"] = f"{text(cover.now)} of {text(cover.qty)}"
        after_it["covered"] = f"{text(held.covered_qty)} of {text(held.qty)}" if held is not None else "no position"
    what = {
        "reason": reason,
        "order": describe(order),
        "symbol": order.symbol,
        "order_id": order.order_id,
        "client_id": order.client_id,
        "whose": planned.line.whose,
        "override": overridden,
        "result": result,
        "answer": sent.sentence,
        "before": before_it,
        "after": after_it,
    }
    short = f"{order.order_id} ({describe(order)}) {result}: {reason}"
    recorded = act_record.save(books, SUBJECT, what, short, actor=actor, at_ms=wall_ms(), symbol=order.symbol)
    if not recorded.where:
        done = "nothing was sent, and this is" if sent.outcome is None else "what was done is"
        left.append(f"{done} recorded nowhere: {recorded.trouble}")
    return Cancelled(
        plan=planned,
        result=result,
        sentence=sent.sentence,
        how=how,
        filled_qty=ended.filled_qty if ended is not None else order.filled_qty,
        held=held,
        overridden=overridden,
        left=tuple(left),
        next=tuple(_next(planned, sent, result, how, held)),
        recorded=recorded,
    )


def _next(planned: CancelPlan, sent: Sent, result: str, how: str, held: Held | None) -> list[str]:
    """Sentences, and the commands they are about."""
    store = planned.path
    rows = []
    if by_hand.nowhere(sent):
        rows.append(f"nothing was cancelled; {by_hand.to_cancel(planned.order)}")
    elif sent.outcome is None and result == "failed":
        needed = planned.cover is not None and not planned.cover.full_without
        rows.append("nothing was cancelled: repeat the command:")
        override = " --override" if needed else ""
        rows.append(f"tradectl orders cancel {planned.order.order_id}{override} --reason TEXT --state {store}")
    elif result == "unknown" and how:
        rows.append("it is gone; the bot settles the lost answer, no entries on its symbol until then:")
        rows.append(f"tradectl orders list --unknown --state {store}")
    elif result == "unknown":
        rows.append("it is open still, or could not be read, and the cancel may yet arrive: let its window pass, then:")
        rows.append(f"tradectl orders list --unknown --state {store}")
        rows.append("and if it stays:")
        rows.append(f"tradectl orders cancel {planned.order.order_id} --state {store}")
    elif result == "unverified":
        rows.append("look again:")
        rows.append(f"tradectl orders list --state {store}")
    if held is not None and not held.covered:
        rows += ways_out(held.symbol, str(store))
    return rows


def _open(snapshot: Snapshot, order: OrderFact) -> OrderFact | None:
    same = (one for one in snapshot.orders if (one.order_id, one.symbol) == (order.order_id, order.symbol))
    return next((one for one in same if one.status.open), None)


def _held(snapshot: Snapshot | None, symbol: str) -> Held | None:
    return None if snapshot is None else next((one for one in check(snapshot).held if one.symbol == symbol), None)
