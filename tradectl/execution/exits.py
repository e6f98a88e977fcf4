"""What is open is managed: targets that are missing are put back, stops are moved to the smaller loss, never back.

Targets are shares of what the entry filled. Each is looked at by itself: one that is passed or too close is skipped
with a warning, and the others are still placed. A stop moves to break-even once the first of several targets is done,
and trails from then on where the market moves enough; the level is committed here, and `protect` brings the orders
to it: place, confirm, cancel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tradectl import logs
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import Intent, Purpose, target_draft
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed, PositionState, Target, split_targets
from tradectl.domain.money import ONE, ZERO, divide, text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact, Side
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.errors import EntryRefused
from tradectl.execution.naked import UNLISTED
from tradectl.execution.stop_level import already_passed
from tradectl.execution.submit import Door
from tradectl.execution.whose import Owner, Whose, owner, purpose_of
from tradectl.store import intents, positions
from tradectl.store.database import Database

_log = logs.get("execution.exits")
TOO_CLOSE = Decimal("0.0001")  # of the mark: a target nearer than that would trade at once
TRAIL_STEP = Decimal("0.1")  # ATRs: a smaller gain is not worth two orders


@dataclass(frozen=True, slots=True)
class ExitRules:
    """`trailing_atr_min`: ATR, as a fraction of the price, from which a stop trails; 0 is off."""

    store_tag: str
    break_even: bool
    trailing_atr_min: Decimal
    trailing_multiple: Decimal
    taker_fee: Decimal


@dataclass(slots=True)
class Exits:
    """What one pass did, by symbol."""

    placed: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    skipped: dict[tuple[str, str], str] = field(default_factory=dict)  # (symbol, target) → why it is not placed

    @property
    def changed(self) -> bool:
        return bool(self.placed or self.moved)


async def manage(
    db: Database,
    door: Door,
    snapshot: Snapshot,
    trades: Mapping[str, OpenTrade],
    instruments: Mapping[str, Instrument],
    rules: ExitRules,
    *,
    atr: Mapping[str, Decimal],
    targets_allowed: bool,
    now_ms: int,
) -> Exits:
    """One pass over positions of ours. atr: price units, by symbol, where it is known; without it no stop trails.

    A position on which venue and books do not agree is left alone: reconciliation comes first.
    """
    with db.read() as conn:
        managed = positions.alive(conn)
        if not managed:
            return Exits()
        doubtful = intents.in_doubt(conn)
        entries = {one.symbol for one in (*doubtful, *intents.standing(conn)) if one.purpose is Purpose.ENTRY}
        whose = owner(conn, rules.store_tag, snapshot.orders)
    done = Exits()
    for symbol, ours in managed.items():
        position, trade = snapshot.position(symbol), trades.get(symbol)
        if position is None or trade is None or trade.lot.qty != position.qty or snapshot.doubts:
            continue
        if ours.state is not PositionState.OPEN or ours.side is not position.side or symbol in entries:
            continue
        instrument = instruments.get(symbol)
        if instrument is None:
            done.skipped |= {(symbol, target.name): UNLISTED for target in ours.targets}
            continue
        ours = replace(ours, targets=split_targets(ours.targets, ours.entry_qty, instrument.qty_step))
        resting = _resting(snapshot.orders_of(symbol), whose)
        if targets_allowed:
            await _put_back(door, position, ours, resting, instrument, doubtful, done)
        _move_stop(db, position, trade, ours, resting, instrument, rules, atr.get(symbol), now_ms, done)
    return done


def _resting(orders: Sequence[OrderFact], whose: Owner) -> dict[str, Decimal]:
    """{target's name: quantity that rests for it}. What is attached to an entry is its first target."""
    found: dict[str, Decimal] = {}
    for order in orders:
        if not order.take_profit or not order.status.open:
            continue
        kind, purpose = whose.of(order), purpose_of(order)
        name = Purpose.TP1.value if kind is Whose.ATTACHED else None
        if kind is Whose.OURS and purpose in (Purpose.TP1, Purpose.TP2):
            name = purpose.value
        if name is not None:
            found[name] = found.get(name, ZERO) + order.remaining_qty
    return found


def _missing(position: PositionFact, ours: Managed, resting: Mapping[str, Decimal]) -> list[tuple[Target, Decimal]]:
    """Each target with what has still to be placed for it: never more than what is left of the position."""
    left = abs(position.qty)
    found = []
    for target in ours.targets:
        wanted = min(target.open_qty, left)
        left -= wanted
        found.append((target, max(wanted - resting.get(target.name, ZERO), ZERO)))
    return found


async def _put_back(
    door: Door,
    position: PositionFact,
    ours: Managed,
    resting: Mapping[str, Decimal],
    instrument: Instrument,
    doubtful: Sequence[Intent],
    done: Exits,
) -> None:
    symbol = position.symbol
    for target, qty in _missing(position, ours, resting):
        why = _not_now(position, target, qty, instrument, doubtful)
        if not qty or why:
            if why and qty:
                done.skipped[(symbol, target.name)] = why
            continue
        draft = target_draft(
            symbol, position.side, target.name, qty, target.price, "missing target placed", held=abs(position.qty)
        )
        try:
            sent = await door.submit(draft)
        except EntryRefused as refusal:  # the system was halted meanwhile: targets come back when it is cleared
            done.skipped[(symbol, target.name)] = refusal.what
            return
        sentence = f"{target.name} of {text(qty)} {symbol} at {text(target.price)}: {sent.sentence()}"
        if sent.confirmed:
            done.placed[symbol] = sentence
        else:
            done.skipped[(symbol, target.name)] = sentence
        _log.emit(Tag.EXIT, f"target {sentence}", level=20 if sent.confirmed else 30, symbol=symbol)


def _not_now(
    position: PositionFact, target: Target, qty: Decimal, instrument: Instrument, doubtful: Sequence[Intent]
) -> str:
    """Why a target is not placed in this pass; '' when it is."""
    if not qty:
        return ""
    if any(one.symbol == position.symbol and one.purpose.value == target.name for one in doubtful):
        return "an earlier order for it is in doubt"
    if qty < instrument.min_qty:
        return f"{text(qty)} is below the venue's smallest order {text(instrument.min_qty)}"
    away = (target.price - position.mark_price) * position.side.sign
    if away <= position.mark_price * TOO_CLOSE:
        state = "is already passed" if away <= 0 else "is too close"
        return f"its price {text(target.price)} {state} (mark {text(position.mark_price)})"
    return ""


def _move_stop(
    db: Database,
    position: PositionFact,
    trade: OpenTrade,
    ours: Managed,
    resting: Mapping[str, Decimal],
    instrument: Instrument,
    rules: ExitRules,
    atr: Decimal | None,
    now_ms: int,
    done: Exits,
) -> None:
    """Break-even and trailing: to the smaller loss only, and never to where the market is through already."""
    first_done = len(ours.targets) > 1 and _first_target_done(position, ours, resting)
    if rules.break_even and first_done and not ours.break_even:
        level = break_even_price(instrument, ours.side, trade, rules.taker_fee)
        if _may_move(position, ours, level):
            why = f"break-even after {ours.targets[0].name}"
            _commit(db, ours, level, why, now_ms, done, break_even=True)
            ours = replace(ours, stop_price=level, break_even=True)
    if not rules.trailing_atr_min or atr is None or not (first_done or ours.break_even or ours.trailing):
        return
    if not ours.trailing and divide(atr, position.mark_price) < rules.trailing_atr_min:
        return
    level = position.mark_price - ours.side.sign * rules.trailing_multiple * atr
    level = instrument.ceil_price(level) if ours.side is Side.LONG else instrument.floor_price(level)
    gained = (level - ours.stop_price) * ours.side.sign if ours.stop_price is not None else atr
    if gained >= TRAIL_STEP * atr and _may_move(position, ours, level):
        _commit(db, ours, level, f"trails {text(rules.trailing_multiple)} ATR behind", now_ms, done, trailing=True)


def _first_target_done(position: PositionFact, ours: Managed, resting: Mapping[str, Decimal]) -> bool:
    """It has filled, and nothing is left to be placed or to rest for it."""
    target, missing = _missing(position, ours, resting)[0]
    return target.filled > 0 and (target.hit or (not missing and not resting.get(target.name)))


def _may_move(position: PositionFact, ours: Managed, level: Decimal) -> bool:
    return ours.tighter(level) and not already_passed(position.side, level, position.mark_price)


def break_even_price(instrument: Instrument, side: Side, trade: OpenTrade, taker_fee: Decimal) -> Decimal:
    """Where closing at the market leaves nothing lost: the entry, with the fees of both ways; on the tick beyond it.

    Solves (p − entry) × sign = fee × (entry + p) per unit for p.
    """
    entry, fee, sign = trade.lot.average_price, max(taker_fee, ZERO), side.sign
    price = entry * (ONE + sign * fee) / (ONE - sign * fee)
    return instrument.ceil_price(price) if side is Side.LONG else instrument.floor_price(price)


def _commit(
    db: Database,
    ours: Managed,
    level: Decimal,
    why: str,
    now_ms: int,
    done: Exits,
    *,
    break_even: bool = False,
    trailing: bool = False,
) -> None:
    with db.transaction() as conn:
        positions.set_stop(
            conn, ours, level, why=why, actor="bot", at_ms=now_ms, break_even=break_even, trailing=trailing
        )
    was = f" from {text(ours.stop_price)}" if ours.stop_price is not None else ""
    done.moved[ours.symbol] = f"stop moves{was} to {text(level)}: {why}"
    _log.emit(Tag.EXIT, done.moved[ours.symbol], symbol=ours.symbol)
