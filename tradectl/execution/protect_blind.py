"""Protection while the store cannot be written: promise 1's one exception, for the bot itself.

Entries have stopped with the store. What the venue's own orders leave uncovered gets its stop, recorded in the
emergency journal before it leaves and imported when the store can be written again. A level that was already passed,
or a stop that the venue refuses, closes the position reduce-only, as `protect` would.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tradectl import logs
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import exit_drafts, stop_drafts
from tradectl.domain.money import text
from tradectl.domain.order import Confirmed, Rejected, Unknown
from tradectl.domain.position import PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.errors import StoreUnwritable
from tradectl.execution.protect import ProtectionRules
from tradectl.execution.stop_level import already_passed, stop_level
from tradectl.execution.sweep import EmergencyDoor, Sent

_log = logs.get("execution.protect_blind")


async def protect_blind(
    door: EmergencyDoor,
    snapshot: Snapshot,
    instruments: Mapping[str, Instrument],
    rules: ProtectionRules,
    planned_stops: Mapping[str, Decimal],
    waiting: Mapping[str, int],
) -> dict[str, int]:
    """One pass. `planned_stops`: stop of each position as last read from the store; `waiting`: symbol → when a request
    of unknown outcome for it expires (venue clock): until then nothing more is sent for it. Returns the new `waiting`.
    """
    unknown: dict[str, int] = {}
    for position in snapshot.positions:
        symbol = position.symbol
        cover = coverage(position, snapshot.orders)
        if cover.protection is Protection.COVERED:
            continue
        if snapshot.at_ms <= waiting.get(symbol, -1):
            unknown[symbol] = waiting[symbol]
            continue
        try:
            sent = await _cover(
                door, position, cover.covered_qty, instruments[symbol], rules, planned_stops.get(symbol)
            )
        except StoreUnwritable as error:
            sentence = f"{symbol} is {cover.protection.value} and not even the emergency journal can be written"
            _log.emit(Tag.SAFETY_NAKED_POSITION, f"{sentence}: {error.what}", level=50, symbol=symbol)
            continue
        if isinstance(sent.outcome, Unknown):
            unknown[symbol] = snapshot.at_ms + door.window_ms + rules.max_skew_ms
    return unknown


async def _cover(
    door: EmergencyDoor,
    position: PositionFact,
    covered: Decimal,
    instrument: Instrument,
    rules: ProtectionRules,
    planned: Decimal | None,
) -> Sent:
    symbol, side = position.symbol, position.side
    price = stop_level(position, planned, instrument, rules.stop_loss_pct)
    if already_passed(side, price, position.mark_price):
        return await _close(door, position, instrument, f"stop level {text(price)} already passed")
    missing = abs(position.qty) - covered
    reason = "missing stop placed while the store could not be written"
    for draft in stop_drafts(symbol, side, missing, price, rules.trigger_by, instrument, reason):
        sent = await door.submit(draft)
        if not isinstance(sent.outcome, Confirmed):
            break
    if isinstance(sent.outcome, Rejected):
        return await _close(door, position, instrument, f"the venue refuses its stop ({sent.sentence})")
    level = 30 if isinstance(sent.outcome, Confirmed) else 50
    _log.emit(
        Tag.SAFETY_STOP_PLACED,
        f"stop at {text(price)} while the store cannot be written: {sent.sentence}",
        level=level,
        symbol=symbol,
        qty=text(missing),
    )
    return sent


async def _close(door: EmergencyDoor, position: PositionFact, instrument: Instrument, reason: str) -> Sent:
    drafts = exit_drafts(position.symbol, position.side, abs(position.qty), instrument, f"unprotectable: {reason}")
    for draft in drafts:
        sent = await door.submit(draft)
        if not isinstance(sent.outcome, Confirmed):
            break
    sentence = f"unprotectable while the store cannot be written ({reason}): close {sent.sentence}"
    _log.emit(Tag.SAFETY_NAKED_POSITION, sentence, level=50, symbol=position.symbol, qty=text(abs(position.qty)))
    return sent
