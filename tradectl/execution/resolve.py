"""What became of orders in doubt: asked of the venue, never guessed (promise 3).

Found by its client id: CONFIRMED. Not found by two complete, successful searches after the request has expired:
NOT_PLACED. Anything else stays in doubt, and its symbol stays blocked.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl import logs
from tradectl.domain.intent import Intent, IntentState, Purpose
from tradectl.domain.order import OrderFact
from tradectl.domain.ports import Clock, Venue
from tradectl.domain.system_state import LatchName
from tradectl.domain.tags import Tag
from tradectl.errors import VenueUnreachable
from tradectl.execution.submit import block_symbol
from tradectl.store import intents, latches
from tradectl.store.database import Database

_log = logs.get("execution.resolve")
SEARCHES_NEEDED = 2


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one intent in doubt turned out to be. `intent.state` still UNKNOWN: not yet."""

    intent: Intent
    sentence: str

    @property
    def resolved(self) -> bool:
        return not self.intent.state.in_doubt


def adopt_doubt(db: Database, clock: Clock, *, reason: str) -> tuple[Intent, ...]:
    """Start-up: whatever is RECORDED or SENT becomes UNKNOWN, with its symbol blocked (promise 1)."""
    return _adopt(db, clock, reason=reason)


def _left_open(intent: Intent, epoch: int | None, too_late_ms: int = 0) -> bool:
    """Whether nobody will say any more what became of it: it is of this epoch, or can no longer arrive.

    too_late_ms: what expired before that on the venue's clock cannot; so a command that died leaves nothing behind.
    """
    if intent.state is IntentState.UNKNOWN:
        return False
    return epoch in (None, intent.epoch) or intent.expires_ms < too_late_ms


def _adopt(
    db: Database, clock: Clock, *, reason: str, epoch: int | None = None, too_late_ms: int = 0
) -> tuple[Intent, ...]:
    """Every intent in doubt, those of this epoch (None: of all) and those that expired long ago as UNKNOWN now."""
    with db.transaction() as conn:
        for intent in intents.in_doubt(conn):
            if _left_open(intent, epoch, too_late_ms):
                unknown = intents.advance(conn, intent.number, IntentState.UNKNOWN, at_ms=clock.now_ms(), detail=reason)
                block_symbol(conn, unknown, clock.wall_ms(), clock.now_ms(), reason)
        return intents.in_doubt(conn)


async def resolve(
    db: Database, venue: Venue, clock: Clock, *, max_skew_ms: int, actor: str = "bot", epoch: int = 0
) -> tuple[Resolution, ...]:
    """One pass over every UNKNOWN intent. Unreadable sources leave it as it is; nothing is raised for them.

    epoch: the caller's own lease. It has nothing under way while it asks, so what it left RECORDED or SENT (the store
    failed once the request had left) is in doubt as well, and so is what a command that died left. 0: judge UNKNOWN
    ones alone.
    """
    with db.read() as conn:
        found = intents.in_doubt(conn)
        blocked = any(latch.name is LatchName.UNKNOWN_ORDER for latch in latches.active(conn))
    too_late_ms = clock.now_ms() - max_skew_ms
    if epoch and any(_left_open(intent, epoch, too_late_ms) for intent in found):
        found = _adopt(db, clock, reason="its outcome was not recorded", epoch=epoch, too_late_ms=too_late_ms)
    doubtful = [intent for intent in found if intent.state is IntentState.UNKNOWN]
    if not doubtful and not blocked:
        return ()
    results = []
    for intent in doubtful:
        try:
            results.append(await _look_up(db, venue, clock, intent, max_skew_ms))
        except VenueUnreachable as error:
            results.append(Resolution(intent, f"the venue could not be searched: {error.what}"))
    _lift_latches(db, clock, actor)
    return tuple(results)


async def _look_up(db: Database, venue: Venue, clock: Clock, intent: Intent, max_skew_ms: int) -> Resolution:
    if intent.purpose in (Purpose.CANCEL, Purpose.AMEND):
        return await _look_up_change(db, venue, clock, intent, max_skew_ms)
    while True:
        expired = await venue.server_time_ms() > intent.expires_ms + max_skew_ms
        order = await venue.find_order(intent.symbol, intent.client_id)
        if order is not None and not _is_of(order, intent, max_skew_ms, _amended_to(db, order)):
            sentence = (
                f"the venue has {order.order_id} under its client id, and that is another order: a person decides"
            )
            return Resolution(intent, sentence)
        if order is not None:
            return _settle(db, clock, intent, IntentState.CONFIRMED, "found at the venue", order=order)
        if not expired:
            return Resolution(intent, "not at the venue yet; its window is still open")
        if _searched(db, intent):
            sentence = f"{SEARCHES_NEEDED} complete searches after it expired did not find it"
            return _settle(db, clock, intent, IntentState.NOT_PLACED, sentence)


def _searched(db: Database, intent: Intent) -> bool:
    """Counts one more search that found nothing; True once they are enough."""
    with db.transaction() as conn:
        intents.note_search(conn, intent.number)
        now = intents.get(conn, intent.number)
    assert now is not None
    return now.searches >= SEARCHES_NEEDED


def _amended_to(db: Database, order: OrderFact) -> tuple[Decimal, ...]:
    """The quantities that this order was to be given by amendments of ours which the venue has not refused."""
    with db.read() as conn:
        changes = intents.amends_of(conn, order.order_id)
    return tuple(one.qty for one in changes if one.qty is not None and one.state is not IntentState.REJECTED)


def _is_of(order: OrderFact, intent: Intent, max_skew_ms: int, amended: tuple[Decimal, ...]) -> bool:
    """Whether an order can have come from this intent: a store that was put back from a copy gives numbers out again.

    Its quantity may be smaller: some venues cut a reduce-only order to the position. It may be larger where we have
    enlarged it since.
    """
    same = (order.symbol, order.side, order.type) == (intent.symbol, intent.side, intent.type)
    fits = intent.qty is None or order.qty <= max((intent.qty, *amended))
    return same and fits and order.created_ms + max_skew_ms >= intent.created_ms


async def _look_up_change(db: Database, venue: Venue, clock: Clock, intent: Intent, max_skew_ms: int) -> Resolution:
    """A cancel or amendment is settled by what its order is now, asked by its id.

    While it may yet arrive, only that it has been carried out is evidence. One that two complete searches after that do
    not find is not open any more: the venue's history is shorter than ours.
    """
    assert intent.cancels_order_id is not None
    expired = await venue.server_time_ms() > intent.expires_ms + max_skew_ms
    order = await venue.order(intent.symbol, intent.cancels_order_id)
    while order is None and expired and not _searched(db, intent):
        order = await venue.order(intent.symbol, intent.cancels_order_id)
    if order is None and not expired:
        return Resolution(intent, f"the venue does not find its order {intent.cancels_order_id}")
    if order is None:
        state = IntentState.CONFIRMED if intent.purpose is Purpose.CANCEL else IntentState.NOT_PLACED
        return _settle(db, clock, intent, state, "its order is not open, nor in the venue's history any more")
    if intent.purpose is Purpose.CANCEL:
        done, how = not order.status.open, f"its order is {order.status.value}"
    else:
        done = _reached(intent.trigger_price, order.trigger_price) and _reached(intent.qty, order.qty)
        how = f"it is for {order.qty} at {order.trigger_price}"
    if done:
        return _settle(db, clock, intent, IntentState.CONFIRMED, how, order=order)
    if not expired:
        return Resolution(intent, f"{how}; it may yet arrive")
    return _settle(db, clock, intent, IntentState.NOT_PLACED, f"{how}, and it has expired")


def _reached(wanted: Decimal | None, now: Decimal | None) -> bool:
    """Whether a value that an amendment changes is as it was to be; None: it was to be left as it is."""
    return wanted is None or wanted == now


def _settle(
    db: Database,
    clock: Clock,
    intent: Intent,
    state: IntentState,
    sentence: str,
    *,
    order: OrderFact | None = None,
) -> Resolution:
    with db.transaction() as conn:
        now = intents.get(conn, intent.number)
        if now is not None and now.state is not IntentState.UNKNOWN:
            return Resolution(now, f"settled as {now.state.value} by another process meanwhile")
        settled = intents.advance(conn, intent.number, state, at_ms=clock.now_ms(), order=order, detail=sentence)
    _log.emit(
        Tag.SAFETY_UNKNOWN_ORDER,
        f"{intent.purpose.value} order {intent.client_id} resolved as {state.value}: {sentence}",
        level=20,
        symbol=intent.symbol,
    )
    return Resolution(settled, sentence)


def _lift_latches(db: Database, clock: Clock, actor: str) -> None:
    """Clears the latch of every symbol that has nothing in doubt any more."""
    with db.transaction() as conn:
        doubtful = {intent.symbol for intent in intents.in_doubt(conn)}
        for latch in latches.active(conn):
            if latch.name is LatchName.UNKNOWN_ORDER and latch.scope not in doubtful:
                latches.clear(
                    conn,
                    latch.name,
                    latch.scope,
                    by=actor,
                    reason="the venue has shown what became of every order on this symbol",
                    at_ms=clock.wall_ms(),
                )
