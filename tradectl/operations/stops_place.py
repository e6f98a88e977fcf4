"""`stops place-missing`: every position that its stops do not cover gets the missing one. Run twice, it places once.

The plan first: where each stop goes, and what says so. Then the placement, looked at again before each and refused
where somebody else has just recorded a stop there; then a fresh read that shows the coverage. A level that the market
has passed already is the operator's choice: close the position, place the stop tighter, or leave it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from tradectl.domain.intent import exit_draft, stop_drafts
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed
from tradectl.domain.position import PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, ExitCode, StoreRefused, VenueUnreachable
from tradectl.execution.stop_level import already_passed, level_of, stop_price
from tradectl.execution.sweep import Hands
from tradectl.operations import act_record, symbols
from tradectl.operations.killswitch_venue import Books, hands
from tradectl.operations.opening import Desk, wall_ms
from tradectl.operations.stop_rules import StopRules
from tradectl.store import intents, ledger, positions

SUBJECT = "stops place-missing"
_LISTED = 40


class OnBreached(StrEnum):
    """What is done where the stop's level is already passed."""

    ASK = ""
    CLOSE = "close"
    TIGHTEN = "tighten"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class MissingStop:
    """One position and the stop that it lacks. Quantities without sign, prices in quote currency."""

    symbol: str
    side: str
    qty: Decimal
    covered_qty: Decimal
    missing_qty: Decimal
    mark_price: Decimal
    liquidation_price: Decimal | None
    price: Decimal
    source: str
    breached: bool  # the level is passed: a stop there would fire at once
    tighter: Decimal  # where a stop goes instead, measured from the mark
    min_qty: Decimal


@dataclass(frozen=True, slots=True)
class StopPlan:
    path: Path
    missing: tuple[MissingStop, ...]
    covered: tuple[str, ...]  # symbols whose stops cover all of them
    trouble: str = ""  # why the books could not be read; then stops are measured from the mark

    @property
    def undecided(self) -> tuple[MissingStop, ...]:
        return tuple(one for one in self.missing if one.breached)


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one line. `covered` is a fresh read's answer."""

    stop: MissingStop
    sentence: str
    covered: bool
    recorded_in: str = ""


@dataclass(frozen=True, slots=True)
class PlacedAll:
    plan: StopPlan
    placed: tuple[Placed, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        if all(one.covered for one in self.placed):
            return ExitCode.OK
        return ExitCode.REFUSED


async def plan(books: Books, desk: Desk, rules: StopRules, symbol: str = "") -> StopPlan:
    """Raises VenueUnreachable: an unread venue is never 'covered'."""
    snapshot = await desk.venue.snapshot()
    listed = await desk.venue.instruments()
    managed, trades, trouble = _known(books)
    held = {position.symbol: position for position in snapshot.positions if position.qty}
    chosen = [symbols.match(symbol, held, desk.venue.currency)] if symbol else sorted(held)
    missing: list[MissingStop] = []
    covered: list[str] = []
    for name in chosen:
        if name not in held:
            continue
        position, instrument = held[name], listed[name]
        cover = coverage(position, snapshot.orders)
        if cover.protection is Protection.COVERED:
            covered.append(name)
            continue
        pct = rules.protection.stop_loss_pct
        level = level_of(position, managed.get(name), trades.get(name), instrument, pct, cover.loosest_price)
        missing.append(
            MissingStop(
                symbol=name,
                side=position.side.value,
                qty=abs(position.qty),
                covered_qty=cover.covered_qty,
                missing_qty=abs(position.qty) - cover.covered_qty,
                mark_price=position.mark_price,
                liquidation_price=position.liquidation_price,
                price=level.price,
                source=level.source,
                breached=already_passed(position.side, level.price, position.mark_price),
                tighter=stop_price(instrument, position.side, position.mark_price, pct),
                min_qty=instrument.min_qty,
            )
        )
    return StopPlan(books.path, tuple(missing), tuple(covered), trouble)


async def apply(
    books: Books, desk: Desk, rules: StopRules, planned: StopPlan, *, on_breached: OnBreached, reason: str, actor: str
) -> PlacedAll:
    """Line after line; what fails keeps no other from its stop."""
    own = hands(books, desk, actor=actor)
    placed = []
    for one in planned.missing:
        try:
            placed.append(await _one(books, desk, own, rules, one, on_breached))
        except VenueUnreachable as error:
            placed.append(Placed(one, f"the venue could not be read: {error.what}", False))
    if own.store_trouble:
        books.trouble, books.writable = own.store_trouble, False
    notes = _record(books, placed, reason=reason, actor=actor) if placed else ()
    return PlacedAll(planned, tuple(placed), notes)


async def _one(
    books: Books, desk: Desk, own: Hands, rules: StopRules, one: MissingStop, on_breached: OnBreached
) -> Placed:
    newest = _newest(books, one.symbol)
    snapshot = await desk.venue.snapshot()
    position = snapshot.position(one.symbol)
    if position is None or not position.qty:
        return Placed(one, "its position is gone", True)
    if position.side.value != one.side:
        return Placed(one, f"its position is {position.side.value} now: look again", False)
    cover = coverage(position, snapshot.orders)
    if cover.protection is Protection.COVERED:
        return Placed(one, "covered by now", True)
    price = one.price
    if already_passed(position.side, price, position.mark_price):
        if on_breached is OnBreached.CLOSE:
            return await _close(desk, own, one, position)
        if on_breached is not OnBreached.TIGHTEN:
            return Placed(one, f"left as it is: {text(price)} is passed (mark {text(position.mark_price)})", False)
        instrument = (await desk.venue.instruments())[one.symbol]
        price = stop_price(instrument, position.side, position.mark_price, rules.protection.stop_loss_pct)
    instrument = (await desk.venue.instruments())[one.symbol]
    missing = abs(position.qty) - cover.covered_qty
    drafts = stop_drafts(
        one.symbol,
        position.side,
        missing,
        price,
        rules.protection.trigger_by,
        instrument,
        "missing stop placed by an operator",
        held=abs(position.qty),
    )
    sentence, where = "", ""
    for draft in drafts:
        sent = await own.stop(draft, seen=newest)
        if sent is None:
            sentence = f"the store failed while it was placed: {own.store_trouble}; it may have left"
            break
        sentence, where = f"stop of {text(draft.qty or ZERO)} at {text(price)}: {sent.sentence}", sent.recorded_in
        newest = max(newest, _newest(books, one.symbol))
        if not isinstance(sent.outcome, Confirmed):
            break
    covered = await _covered(desk, one.symbol)
    return Placed(one, sentence, covered, where)


async def _close(desk: Desk, own: Hands, one: MissingStop, position: PositionFact) -> Placed:
    """On an operator's choice: out, reduce-only."""
    qty = abs(position.qty)
    draft = exit_draft(one.symbol, position.side, qty, "its stop level was already passed", operator=True, held=qty)
    sent = await own.close(draft)
    said = sent.sentence if sent is not None else f"the store failed on the way: {own.store_trouble}"
    left = (await desk.venue.snapshot()).position(one.symbol)
    gone = left is None or not left.qty
    return Placed(one, f"closed at the market: {said}", gone, sent.recorded_in if sent is not None else "")


async def _covered(desk: Desk, symbol: str) -> bool:
    snapshot: Snapshot = await desk.venue.snapshot()
    position = snapshot.position(symbol)
    if position is None or not position.qty:
        return True
    return coverage(position, snapshot.orders).protection is Protection.COVERED


def _known(books: Books) -> tuple[dict[str, Managed], dict[str, OpenTrade], str]:
    if books.db is None:
        return {}, {}, books.trouble
    try:
        with books.db.read() as conn:
            return positions.alive(conn), ledger.open_trades(conn), ""
    except (Busy, StoreRefused) as error:
        return {}, {}, error.what


def _newest(books: Books, symbol: str) -> int:
    if books.db is None:
        return 0
    try:
        with books.db.read() as conn:
            return intents.newest_stop(conn, symbol)
    except (Busy, StoreRefused):
        return 0


def _record(books: Books, placed: list[Placed], *, reason: str, actor: str) -> tuple[str, ...]:
    """The operator's act in the journal; what stood in the way of that."""
    body: dict[str, object] = {
        "reason": reason,
        "placed": {one.stop.symbol: one.sentence for one in placed[:_LISTED]},
        "covered": sum(one.covered for one in placed),
    }
    short = f"{sum(one.covered for one in placed)} of {len(placed)} covered: {reason}"
    saved = act_record.save(books, SUBJECT, body, short, actor=actor, at_ms=wall_ms())
    if saved.where == "store" or not saved.trouble:
        return (saved.trouble,) if saved.trouble else ()
    where = f"recorded in the {saved.where}" if saved.where else "recorded nowhere"
    return (f"this act is {where}: {saved.trouble}",)


def chosen(planned: StopPlan, on_breached: OnBreached) -> StopPlan:
    """The lines that something is done about."""
    if on_breached is not OnBreached.SKIP:
        return planned
    return replace(planned, missing=tuple(one for one in planned.missing if not one.breached))
