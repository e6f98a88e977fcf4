"""Every position covered (promise 5). A halt never blocks this.

Each pass looks at the venue's own orders: a position whose stops cover less than all of it gets the missing stop at
once. When the stop's level is already passed, or the venue keeps refusing it, the position is closed reduce-only rather
than left naked (`on_unprotectable: close`). Our own stops left behind by a position that is gone are cancelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl import logs
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import ClientId, IntentDraft, Purpose, cancel_draft, exit_drafts, stop_drafts
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.money import ONE, ZERO, text
from tradectl.domain.order import Confirmed, OrderFact, Rejected, TriggerBy
from tradectl.domain.position import Coverage, PositionFact, Protection, Side, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.execution.submit import Door, Submitted
from tradectl.store import cycles, ledger, outbox
from tradectl.store.database import Database

_log = logs.get("execution.protect")
STRIKES = 2  # refusals of a stop in a row before its position is closed


@dataclass(frozen=True, slots=True)
class ProtectionRules:
    stop_loss_pct: Decimal
    trigger_by: TriggerBy
    store_tag: str


@dataclass(frozen=True, slots=True)
class Protected:
    """What one pass did: {symbol: what happened}, for the decision records."""

    placed: dict[str, str]
    closed: dict[str, str]
    naked: dict[str, str]

    @property
    def changed(self) -> bool:
        """True when something was sent, whatever came of it: then the venue is looked at again."""
        return bool(self.placed or self.closed or self.naked)


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
        cover = coverage(position, snapshot.orders)
        trade = open_trades.get(position.symbol)
        if cover.protection is Protection.COVERED:
            _end_naked_spell(db, trade, now_ms)
            continue
        trade = _begin_naked_spell(db, position, trade, cover, now_ms)
        await _cover(db, door, position, trade, cover, instruments[position.symbol], rules, result)
    await _cancel_left_behind(door, snapshot, rules.store_tag)
    return result


async def _cover(
    db: Database,
    door: Door,
    position: PositionFact,
    trade: OpenTrade | None,
    cover: Coverage,
    instrument: Instrument,
    rules: ProtectionRules,
    result: Protected,
) -> None:
    symbol, side = position.symbol, position.side
    missing = abs(position.qty) - cover.covered_qty
    planned = trade.stop_price if trade is not None and trade.side is side else None
    price = planned if planned is not None else stop_price(instrument, side, position.entry_price, rules.stop_loss_pct)
    if already_passed(side, price, position.mark_price):
        reason = f"stop level {text(price)} already passed (mark {text(position.mark_price)})"
        await _close(db, door, position, instrument, reason, result)
        return
    why = f"{cover.protection.value}: missing stop placed"
    drafts = stop_drafts(symbol, side, missing, price, rules.trigger_by, instrument, why)
    submitted = await _place(door, drafts)
    if isinstance(submitted.outcome, Confirmed):
        result.placed[symbol] = text(price)
        _log.emit(Tag.SAFETY_STOP_PLACED, f"missing stop placed at {text(price)}", symbol=symbol, qty=text(missing))
        return
    result.naked[symbol] = submitted.sentence()
    if submitted.outcome is None or submitted.intent.state.in_doubt:
        return  # nothing is known to have failed: the next pass asks the venue first
    reason = f"the venue keeps refusing its stop ({submitted.sentence()})"
    await _close(db, door, position, instrument, reason, result)


async def _place(door: Door, drafts: Sequence[IntentDraft]) -> Submitted:
    """The stops, each one refused tried once more as a new intent: one late or throttled request ends no position."""
    for _ in range(STRIKES):
        sent = await door.submit_slices(drafts)
        if not isinstance(sent[-1].outcome, Rejected):
            break
        drafts = drafts[len(sent) - 1 :]
    return sent[-1]


async def _close(
    db: Database, door: Door, position: PositionFact, instrument: Instrument, reason: str, result: Protected
) -> None:
    symbol = position.symbol
    drafts = exit_drafts(symbol, position.side, abs(position.qty), instrument, f"unprotectable: {reason}")
    sent = await door.submit_slices(drafts, last_resort=True)
    submitted = sent[-1]
    filled = sum((one.outcome.order.filled_qty for one in sent if isinstance(one.outcome, Confirmed)), ZERO)
    closed = filled >= abs(position.qty)
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


def stop_price(instrument: Instrument, side: Side, entry_price: Decimal, stop_loss_pct: Decimal) -> Decimal:
    """The configured distance from entry, rounded to the smaller loss: a long's stop up, a short's down."""
    if side is Side.LONG:
        return instrument.ceil_price(entry_price * (ONE - stop_loss_pct))
    return instrument.floor_price(entry_price * (ONE + stop_loss_pct))


def already_passed(side: Side, price: Decimal, mark: Decimal) -> bool:
    """True when a stop at `price` would trigger at once."""
    return mark <= price if side is Side.LONG else mark >= price


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
        f"stops cover {text(cover.covered_qty)}"
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


def _is_our_stop(order: OrderFact, store_tag: str) -> bool:
    ours = ClientId.parse(order.client_id)
    return ours is not None and ours.store_tag == store_tag and ours.purpose is Purpose.STOP
