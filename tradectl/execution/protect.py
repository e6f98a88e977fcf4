"""Every position covered (promise 5). A halt never blocks this.

Each pass looks at the venue's own orders: a position whose stops cover less than all of it gets the missing stop at
once. When the stop's level is already passed, or the venue keeps refusing it, the position is closed reduce-only rather
than left naked (`on_unprotectable: close`). Our own stops left behind by a position that is gone are cancelled.
Before it alarms or closes, it looks at the venue once more; a stop or exit of unknown outcome is waited for until its
window has passed (promise 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tradectl import logs
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import ClientId, Intent, IntentDraft, Purpose, cancel_draft, exit_drafts, stop_drafts
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed, OrderFact, Rejected, TriggerBy
from tradectl.domain.position import Coverage, PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.errors import VenueUnreachable
from tradectl.execution.stop_level import already_passed, stop_level
from tradectl.execution.submit import Door, Submitted
from tradectl.store import cycles, intents, ledger, outbox
from tradectl.store.database import Database

_log = logs.get("execution.protect")
STRIKES = 2  # refusals of a stop in a row before its position is closed


@dataclass(frozen=True, slots=True)
class ProtectionRules:
    stop_loss_pct: Decimal
    trigger_by: TriggerBy
    store_tag: str
    max_skew_ms: int


@dataclass(frozen=True, slots=True)
class Protected:
    """What one pass did: {symbol: what happened}, for the decision records."""

    placed: dict[str, str]
    closed: dict[str, str]
    naked: dict[str, str]
    waiting: dict[str, str] = field(default_factory=dict)  # naked, and an order under way may have ended that
    gone: dict[str, str] = field(default_factory=dict)  # closed or covered by somebody else since the snapshot

    @property
    def changed(self) -> bool:
        """True when something was sent, whatever came of it, or the world has moved: then it is looked at again."""
        return bool(self.placed or self.closed or self.naked or self.gone)


async def protect(
    db: Database,
    door: Door,
    snapshot: Snapshot,
    open_trades: dict[str, OpenTrade],
    instruments: dict[str, Instrument],
    rules: ProtectionRules,
    now_ms: int,
) -> Protected:
    """One pass over every position at the venue, ours or not explained: none stays naked unseen."""
    result = Protected({}, {}, {})
    for position in snapshot.positions:
        trade = open_trades.get(position.symbol)
        seen = _Look(snapshot.at_ms, position, coverage(position, snapshot.orders))
        # What is about to be alarmed about is looked at again: an operator may have closed it since the snapshot.
        look = seen if seen.covered else await _look_again(door, seen)
        if look is None:
            result.gone[position.symbol] = "its position was closed meanwhile"
        elif look.covered:
            _end_naked_spell(db, trade, now_ms)
        else:
            trade = _begin_naked_spell(db, look.position, trade, look.cover, now_ms)
            await _cover(db, door, look, trade, instruments[position.symbol], rules, result)
    await _cancel_left_behind(door, snapshot, rules.store_tag)
    return result


@dataclass(frozen=True, slots=True)
class _Look:
    """One position at one moment of the venue's clock."""

    at_ms: int
    position: PositionFact
    cover: Coverage

    @property
    def covered(self) -> bool:
        return self.cover.protection is Protection.COVERED


async def _look_again(door: Door, known: _Look) -> _Look | None:
    """The position as the venue has it now; None: it is gone. A read that fails tells nothing new (promise 4)."""
    try:
        snapshot = await door.look()
    except VenueUnreachable as error:
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"no fresh look: {error.what}", level=30, symbol=known.position.symbol)
        return known
    position = snapshot.position(known.position.symbol)
    if position is None or not position.qty:
        return None
    return _Look(snapshot.at_ms, position, coverage(position, snapshot.orders))


def _awaited(
    db: Database, rules: ProtectionRules, look_ms: int, symbol: str, purposes: Sequence[Purpose]
) -> Intent | None:
    """An order of that kind without an outcome that may have come too late for a look at `look_ms`, or may come yet.

    A new attempt follows the old one's known outcome (promise 3). Once the old one has expired, a complete look taken
    after that shows whether it is there, even where `resolve` could not search for it: no position waits longer.
    """
    with db.read() as conn:
        doubtful = intents.in_doubt(conn)
    for intent in doubtful:
        if intent.symbol == symbol and intent.purpose in purposes and look_ms <= intent.expires_ms + rules.max_skew_ms:
            return intent
    return None


def _wait(result: Protected, intent: Intent) -> None:
    sentence = f"the outcome of {intent.purpose.value} order {intent.client_id} is awaited until its window has passed"
    result.waiting[intent.symbol] = sentence
    _log.emit(Tag.SAFETY_UNKNOWN_ORDER, sentence, level=20, symbol=intent.symbol, client_id=intent.client_id)


async def _cover(
    db: Database,
    door: Door,
    look: _Look,
    trade: OpenTrade | None,
    instrument: Instrument,
    rules: ProtectionRules,
    result: Protected,
) -> None:
    position, cover = look.position, look.cover
    symbol, side = position.symbol, position.side
    missing = abs(position.qty) - cover.covered_qty
    planned = trade.stop_price if trade is not None and trade.side is side else None
    price = stop_level(position, planned, instrument, rules.stop_loss_pct)
    if already_passed(side, price, position.mark_price):
        reason = f"stop level {text(price)} already passed (mark {text(position.mark_price)})"
        await _close(db, door, look, instrument, rules, reason, result)
        return
    if (awaited := _awaited(db, rules, look.at_ms, symbol, (Purpose.STOP,))) is not None:
        _wait(result, awaited)
        return
    why = f"{cover.protection.value}: missing stop placed"
    drafts = stop_drafts(symbol, side, missing, price, rules.trigger_by, instrument, why)
    submitted = await _place(door, drafts)
    if isinstance(submitted.outcome, Confirmed):
        result.placed[symbol] = text(price)
        moved = f" instead of {text(planned)}, beyond liquidation" if planned is not None and planned != price else ""
        sentence = f"missing stop placed at {text(price)}{moved}"
        _log.emit(Tag.SAFETY_STOP_PLACED, sentence, symbol=symbol, qty=text(missing))
        await _cancel_replaced(door, cover, rules.store_tag)
        return
    result.naked[symbol] = submitted.sentence()
    if submitted.outcome is None or submitted.intent.state.in_doubt:
        return  # nothing is known to have failed: the next pass asks the venue first
    now = await _look_again(door, look)  # reduce-only is refused as well where the position is gone
    if now is None or now.covered:
        del result.naked[symbol]
        result.gone[symbol] = "its position was closed or covered meanwhile"
        return
    reason = f"the venue keeps refusing its stop ({submitted.sentence()})"
    await _close(db, door, now, instrument, rules, reason, result)


async def _place(door: Door, drafts: Sequence[IntentDraft]) -> Submitted:
    """The stops, each one refused tried once more as a new intent: one late or throttled request ends no position."""
    for _ in range(STRIKES):
        sent = await door.submit_slices(drafts)
        if not isinstance(sent[-1].outcome, Rejected):
            break
        drafts = drafts[len(sent) - 1 :]
    return sent[-1]


async def _close(
    db: Database,
    door: Door,
    look: _Look,
    instrument: Instrument,
    rules: ProtectionRules,
    reason: str,
    result: Protected,
) -> None:
    position = look.position
    symbol = position.symbol
    if (awaited := _awaited(db, rules, look.at_ms, symbol, (Purpose.EXIT, Purpose.CLOSE))) is not None:
        _wait(result, awaited)
        return
    drafts = exit_drafts(symbol, position.side, abs(position.qty), instrument, f"unprotectable: {reason}")
    sent = await door.submit_slices(drafts, last_resort=True)
    submitted = sent[-1]
    filled = sum((one.outcome.order.filled_qty for one in sent if isinstance(one.outcome, Confirmed)), ZERO)
    closed = filled >= abs(position.qty)
    if not closed and await _look_again(door, look) is None:
        if not filled and (submitted.outcome is None or isinstance(submitted.outcome, Rejected)):
            result.naked.pop(symbol, None)
            result.gone[symbol] = "its position was closed meanwhile"  # by somebody else: not ours to alarm about
            return
        closed = True
    sentence = f"unprotectable position {'closed' if closed else 'NOT closed'}: {reason}; {submitted.sentence()}"
    if not closed:
        sentence += f", {text(filled)} of {text(abs(position.qty))} filled"
    (result.closed if closed else result.naked)[symbol] = sentence
    _log.emit(Tag.SAFETY_NAKED_POSITION, sentence, level=50, symbol=symbol, qty=text(abs(position.qty)))
    with db.transaction() as conn:
        outbox.put(
            conn,
            at_ms=submitted.intent.created_ms,
            type=Tag.SAFETY_NAKED_POSITION.value.lower(),
            symbol=symbol,
            urgent=True,
            text=sentence,
            context={"symbol": symbol, "qty": text(abs(position.qty))},
        )


def _begin_naked_spell(
    db: Database, position: PositionFact, trade: OpenTrade | None, cover: Coverage, now_ms: int
) -> OpenTrade | None:
    """Measures how long a position is naked, and says so the first time it is seen."""
    if trade is not None and trade.naked_since_ms is not None:
        return trade
    with db.read() as conn:  # at the last complete cycle it was looked at, and not naked yet
        seen_ms = cycles.progress(conn).venue_ms
    since = max(trade.opened_ms, min(seen_ms, now_ms)) if trade is not None else now_ms
    sentence = (
        f"{position.side.value} {text(abs(position.qty))} {position.symbol} is {cover.protection.value}: "
        f"stops cover {text(cover.covered_qty)}{f' ({cover.why})' if cover.why else ''}"
    )
    _log.emit(Tag.SAFETY_NAKED_POSITION, sentence, symbol=position.symbol, naked_ms=now_ms - since)
    with db.transaction() as conn:
        if trade is not None:
            trade = replace(trade, naked_since_ms=since)
            ledger.begin_naked(conn, trade.number, since)
        outbox.put(
            conn,
            at_ms=now_ms,
            type=Tag.SAFETY_NAKED_POSITION.value.lower(),
            symbol=position.symbol,
            urgent=True,
            text=sentence,
            context={"symbol": position.symbol, "qty": text(abs(position.qty))},
        )
    return trade


def _end_naked_spell(db: Database, trade: OpenTrade | None, now_ms: int) -> None:
    if trade is None or trade.naked_since_ms is None:
        return
    with db.transaction() as conn:
        ledger.end_naked(conn, trade.number, now_ms)


async def _cancel_left_behind(door: Door, snapshot: Snapshot, store_tag: str) -> None:
    """Cancels our own stand-alone stops whose position is gone; everybody else's are left alone (promise 6)."""
    held = {position.symbol for position in snapshot.positions if position.qty}
    for order in snapshot.orders:
        if order.symbol not in held and _is_our_stop(order, store_tag):
            await door.submit(cancel_draft(order.symbol, order.side, order.order_id, "its position is gone"))


async def _cancel_replaced(door: Door, cover: Coverage, store_tag: str) -> None:
    """Cancels our own stops that covered nothing, now that another one stands in their place (promise 5)."""
    for order in cover.beyond:
        if _is_our_stop(order, store_tag):
            await door.submit(cancel_draft(order.symbol, order.side, order.order_id, "it lay beyond liquidation"))


def _is_our_stop(order: OrderFact, store_tag: str) -> bool:
    ours = ClientId.parse(order.client_id)
    return ours is not None and ours.store_tag == store_tag and ours.purpose is Purpose.STOP
