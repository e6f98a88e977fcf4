"""Protection while the store cannot be written: promise 1's one exception, for the bot itself.

Entries have stopped with the store. What the venue's own orders leave uncovered gets its stop, recorded in the
emergency journal before it leaves and imported when the store can be written again. A level that was already passed,
or a stop that the venue keeps refusing, closes a position of ours reduce-only, as `protect` would; one that nobody can
explain is no more closed than with a store (promise 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tradectl import logs
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import exit_drafts, stop_drafts
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed, Rejected, Unknown
from tradectl.domain.position import Coverage, PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.errors import StoreUnwritable, ToolError, TradectlError
from tradectl.execution.naked import UNLISTED
from tradectl.execution.protect import ProtectionRules
from tradectl.execution.stop_level import already_passed, level_of, placeable
from tradectl.execution.sweep import EmergencyDoor, Sent
from tradectl.execution.unprotectable import Strikes, borne
from tradectl.execution.whose import held_of, ours_of

_log = logs.get("execution.protect_blind")


@dataclass(frozen=True, slots=True)
class Remembered:
    """The books as they were last read, by symbol: positions of ours, open trades, and entries in flight."""

    managed: Mapping[str, Managed] = field(default_factory=dict)
    trades: Mapping[str, OpenTrade] = field(default_factory=dict)
    flying: Mapping[str, Decimal] = field(default_factory=dict)  # signed, what entries in flight may bring yet

    def ours(self, position: PositionFact) -> Managed | None:
        symbol = position.symbol
        return ours_of(position, self.managed.get(symbol), self.trades.get(symbol), self.flying.get(symbol, ZERO))

    def held(self, position: PositionFact) -> Decimal:
        """How much of it the books hold: no more than that is closed."""
        return held_of(position, self.trades.get(position.symbol))


async def protect_blind(
    door: EmergencyDoor,
    snapshot: Snapshot,
    instruments: Mapping[str, Instrument],
    rules: ProtectionRules,
    books: Remembered,
    waiting: Mapping[str, int],
    strikes: Strikes | None = None,
) -> dict[str, int]:
    """One pass over a picture that was completed by what stands, earlier emergency stops included (`observe`).

    `waiting`: symbol → when a request of unknown outcome for it expires (venue clock): until then nothing
    more is sent for it. `strikes`: what earlier passes came to; without it no refusal closes a position.
    Returns the new `waiting`.
    """
    unknown: dict[str, int] = {}
    for symbol, legs in snapshot.several_legs().items():
        both = " and ".join(f"{leg.side.value} {text(abs(leg.qty))}" for leg in legs)
        _log.emit(Tag.SAFETY_NAKED_POSITION, f"several legs: {both}; each is looked at", level=50, symbol=symbol)
    for position in snapshot.positions:
        symbol = position.symbol
        cover = coverage(position, snapshot.orders)
        if cover.protection is Protection.COVERED:
            if strikes is not None:
                strikes.forget(position)
            continue
        if snapshot.at_ms <= waiting.get(symbol, -1):
            unknown[symbol] = waiting[symbol]
            continue
        try:
            if (instrument := instruments.get(symbol)) is None:
                _left_naked(position, UNLISTED)
                continue
            sent = await _cover(door, position, cover, instrument, rules, books, strikes, snapshot.at_ms)
        except StoreUnwritable as error:
            sentence = f"{symbol} is {cover.protection.value} and not even the emergency journal can be written"
            _log.emit(Tag.SAFETY_NAKED_POSITION, f"{sentence}: {error.what}", level=50, symbol=symbol)
            continue
        except Exception as error:
            if isinstance(error, TradectlError) and not isinstance(error, ToolError):
                raise
            said = f"{symbol} may be left naked, an error of the bot itself: {type(error).__name__}: {error}"
            logs.trace("execution.protect_blind", said, symbol=symbol)  # the cycle has failed already
            continue
        if sent is not None and isinstance(sent.outcome, Unknown):
            unknown[symbol] = snapshot.at_ms + door.window_ms + rules.max_skew_ms
    if strikes is not None:
        strikes.next_pass()  # the pass that the store failed in, if it came so far, ends with this one
    return unknown


async def _cover(
    door: EmergencyDoor,
    position: PositionFact,
    cover: Coverage,
    instrument: Instrument,
    rules: ProtectionRules,
    books: Remembered,
    strikes: Strikes | None,
    now_ms: int,
) -> Sent | None:
    """None: nothing was sent, and the log says why."""
    symbol, side, ours = position.symbol, position.side, books.ours(position)
    if ours is None and not rules.unexplained:
        _left_naked(position, "nothing of ours explains it, and such positions are only reported")
        return None
    qty = placeable(position, abs(position.qty) - cover.covered_qty, instrument)
    if not qty:
        _left_naked(position, f"it is dust, below the venue's smallest order {text(instrument.min_qty)}")
        return None
    trade = books.trades.get(symbol)
    price = level_of(position, ours, trade, instrument, rules.stop_loss_pct, cover.loosest_price).price
    if already_passed(side, price, position.mark_price):
        return await _close(door, position, books, instrument, rules, f"stop level {text(price)} already passed")
    reason = "missing stop placed while the store could not be written"
    for draft in stop_drafts(symbol, side, qty, price, rules.trigger_by, instrument, reason):
        sent = await door.submit(draft)
        if not isinstance(sent.outcome, Confirmed):
            break
    if isinstance(sent.outcome, Rejected):
        if why := borne(strikes, rules, position, sent.outcome, now_ms):
            _left_naked(position, f"the venue refuses its stop ({sent.sentence}); it is tried again, {why}")
            return sent
        return await _close(door, position, books, instrument, rules, f"the venue refuses its stop ({sent.sentence})")
    level = 30 if isinstance(sent.outcome, Confirmed) else 50
    _log.emit(
        Tag.SAFETY_STOP_PLACED,
        f"stop at {text(price)} while the store cannot be written: {sent.sentence}",
        level=level,
        symbol=symbol,
        qty=text(qty),
    )
    return sent


def _left_naked(position: PositionFact, why: str) -> None:
    sentence = f"naked while the store cannot be written, and left so: {why}"
    _log.emit(Tag.SAFETY_NAKED_POSITION, sentence, level=50, symbol=position.symbol, qty=text(abs(position.qty)))


async def _close(
    door: EmergencyDoor,
    position: PositionFact,
    books: Remembered,
    instrument: Instrument,
    rules: ProtectionRules,
    reason: str,
) -> Sent | None:
    size = books.held(position)
    if not rules.close:
        _left_naked(position, f"not closed, as configured: {reason}")
        return None
    if books.ours(position) is None or not size:
        _left_naked(position, f"nothing of ours explains it; {reason}")
        return None
    drafts = exit_drafts(position.symbol, position.side, size, instrument, f"unprotectable: {reason}")
    for draft in drafts:
        sent = await door.submit(draft)
        if not isinstance(sent.outcome, Confirmed):
            break
    sentence = f"unprotectable while the store cannot be written ({reason}): close {sent.sentence}"
    _log.emit(Tag.SAFETY_NAKED_POSITION, sentence, level=50, symbol=position.symbol, qty=text(abs(position.qty)))
    return sent
