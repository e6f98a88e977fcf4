"""Closing a position on an operator's word: reduce-only market orders, down to what is to be left, and no further.

Each order asks for what a fresh read still shows above that, so two operators at once, or a store that fails on the
way, never close more than was meant and never turn a position over (the venue's reduce-only holds as well). An
unknown outcome ends it: it is not asked for again before the venue has been searched (promise 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.intent import ClientId, exit_draft
from tradectl.domain.money import ZERO
from tradectl.domain.order import Confirmed, OrderFact
from tradectl.domain.ports import Venue
from tradectl.domain.position import PositionFact
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import VenueUnreachable
from tradectl.execution.sweep import Hands, Sent, Swept, cancelled

_MOST_ORDERS = 200  # far beyond any position over its venue's largest market order


@dataclass(frozen=True, slots=True)
class Reduced:
    """What became of one position. Quantities without sign; `problem` is '' when only `leave` is left.

    `unverified`: orders have left, but the venue could not be read after them; `left_qty` is from before the last one.
    """

    symbol: str
    before_qty: Decimal
    left_qty: Decimal
    sent: tuple[Sent, ...]
    problem: str = ""
    unverified: bool = False

    @property
    def gone(self) -> bool:
        return not self.left_qty


async def reduce_to(
    hands: Hands, venue: Venue, position: PositionFact, *, leave: Decimal, max_market_qty: Decimal, reason: str
) -> Reduced:
    """Brings a position down to `leave` (≥ 0, base units).

    Raises VenueUnreachable when the position cannot be read before anything has left; after that it is in the answer.
    """
    symbol, before = position.symbol, abs(position.qty)
    sent: list[Sent] = []
    left, problem = await _left(venue, position), ""
    for _ in range(_MOST_ORDERS):
        if left <= leave or problem:
            break
        qty = min(left - leave, max_market_qty)
        one = await hands.close(exit_draft(symbol, position.side, qty, reason, operator=True))
        if one is not None:
            sent.append(one)
        try:
            was, left = left, await _left(venue, position)
        except VenueUnreachable as error:
            if one is not None and all(each.outcome is None for each in sent):
                raise
            problem = _unseen(sent, maybe_more=one is None, error=error)
            return Reduced(symbol, before, left, tuple(sent), problem, unverified=True)
        if one is not None and left > leave:
            problem = _problem(one, was, left)
    return Reduced(symbol, before, left, tuple(sent), problem if left > leave else "")


def _problem(one: Sent, was: Decimal, left: Decimal) -> str:
    if not isinstance(one.outcome, Confirmed):
        return one.sentence
    return "the venue confirmed the order, but the position did not shrink" if left >= was else ""


def _unseen(sent: list[Sent], *, maybe_more: bool, error: VenueUnreachable) -> str:
    """What has left before the venue could not be read any more: it may have closed the position already."""
    orders = [f"order {one.client_id} HAS left ({one.sentence})" for one in sent if one.outcome is not None]
    orders += [f"order {one.client_id}: {one.sentence}" for one in sent if one.outcome is None]
    if maybe_more:
        orders.append("the store failed while an order was under way: it may have left")
    return f"{'; '.join(orders)}; the venue could not be read after that: {error.what}"


async def _left(venue: Venue, position: PositionFact) -> Decimal:
    """What a fresh, complete read still shows on this side (promise 4)."""
    snapshot = await venue.snapshot()
    now = snapshot.position(position.symbol, position.side)
    why = snapshot.unproven(position.symbol)
    if snapshot.position(position.symbol) is None and why:
        raise VenueUnreachable("whether the position is closed cannot be told", why=why, hint="try again")
    return abs(now.qty) if now is not None else ZERO


def left_behind(snapshot: Snapshot, symbol: str, store_tag: str) -> tuple[list[OrderFact], list[OrderFact]]:
    """(ours or attached, others') reducing orders of one symbol; others' are left alone (promise 6)."""
    ours: list[OrderFact] = []
    others: list[OrderFact] = []
    for order in snapshot.orders_of(symbol):
        if order.reduces and order.status.open:
            parsed = ClientId.parse(order.client_id)
            mine = order.parent_id is not None or (parsed is not None and parsed.store_tag == store_tag)
            (ours if mine else others).append(order)
    return ours, others


def _gone(snapshot: Snapshot, symbol: str) -> bool:
    position = snapshot.position(symbol)
    return not snapshot.unproven(symbol) and (position is None or not position.qty)


async def cancel_left_behind(hands: Hands, venue: Venue, symbol: str, store_tag: str) -> tuple[Swept, ...]:
    """Cancels our stops and targets of a symbol, but only when a fresh read shows its position gone (promise 5).

    Those that were listed before that read: a list is read after the positions, and may hold the stop of an entry that
    arrived between the two.
    """
    snapshot = await venue.snapshot()
    ours, _ = left_behind(snapshot, symbol, store_tag)
    if not _gone(snapshot, symbol) or not ours or not _gone(await venue.snapshot(), symbol):
        return ()
    done = []
    for order in ours:
        why = "its position is gone"
        done.append(cancelled(order, await hands.cancel(order, why), why))
    return tuple(done)
