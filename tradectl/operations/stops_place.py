"""`stops place-missing`: every position that its stops do not cover gets the missing one. Run twice, it places once.

The plan first: where each stop goes, and what says so. Then the placement, looked at again before each and refused
where somebody else has just recorded a stop there; then a fresh read that shows the coverage. A level that the market
has passed already is the operator's choice: close the position, place the stop tighter, or leave it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import stop_drafts
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed
from tradectl.domain.money import amount, text
from tradectl.domain.position import PositionFact, Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, ExitCode, Refused, StoreRefused, UsageError, VenueUnreachable
from tradectl.execution.stop_level import already_passed, level_of, placeable, stop_level
from tradectl.execution.sweep import Hands
from tradectl.operations import act_record, position_exit, symbols
from tradectl.operations.killswitch_venue import Books, hands
from tradectl.operations.opening import Desk, wall_ms
from tradectl.operations.stop_hands import PAUSE_S, RACED_AGAIN, before_look, covered, place_stops
from tradectl.operations.stop_rules import StopRules
from tradectl.store import ledger, positions

SUBJECT = "stops place-missing"
_LISTED = 40


class OnBreached(StrEnum):
    """What is done where the stop's level is already passed."""

    ASK = ""
    CLOSE = "close"
    TIGHTEN = "tighten"
    SKIP = "skip"


def parse_choice(typed: str) -> OnBreached:
    """Raises UsageError."""
    try:
        return OnBreached(typed.strip().casefold())
    except ValueError as error:
        raise UsageError(f"'{typed}' is not a choice", hint="--on-breached close, tighten or skip") from error


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
    unlisted: tuple[str, ...] = ()  # not covered, and the venue does not list the contract: no stop can be placed
    absent: tuple[str, ...] = ()  # what the books hold and the venue does not list, a sentence each
    trouble: str = ""  # why the books could not be read; then stops are measured from the mark
    guessed: str = ""  # said where the distance is a default, because the bot's own cannot be read

    @property
    def exit_code(self) -> ExitCode:
        """Of the plan alone: nothing was changed."""
        return ExitCode.DRIFT if self.missing or self.unlisted or self.absent else ExitCode.OK

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
    skipped: bool = False  # on an operator's word
    closed: bool = False  # the same: there is nothing left to cover


@dataclass(frozen=True, slots=True)
class PlacedAll:
    plan: StopPlan
    placed: tuple[Placed, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        if self.plan.unlisted or self.plan.absent or any(not one.covered and not one.skipped for one in self.placed):
            return ExitCode.REFUSED
        return ExitCode.DRIFT if any(one.skipped for one in self.placed) else ExitCode.OK


async def plan(books: Books, desk: Desk, rules: StopRules, symbol: str = "") -> StopPlan:
    """Raises VenueUnreachable: an unread venue is never 'covered'. Refused for a symbol that holds no position.

    Where nothing is missing, the venue is asked once more before that is said: one list that lags shows stops that are
    gone, and nothing in it tells.
    """
    planned = await _plan(books, desk, rules, symbol)
    if planned.missing or planned.unlisted:
        return planned
    return await _plan(books, desk, rules, symbol)


async def _plan(books: Books, desk: Desk, rules: StopRules, symbol: str) -> StopPlan:
    snapshot = await desk.venue.snapshot()
    listed = await desk.venue.instruments()
    managed, trades, trouble = _known(books)
    held = {position.symbol: position for position in snapshot.positions if position.qty}
    if snapshot.flaw:
        raise position_exit.unbelievable(snapshot.flaw)
    only = symbols.match(symbol, {*listed, *held}, desk.venue.currency, whose="the venue") if symbol else ""
    if only and only not in held and (why := snapshot.unproven(only)):
        raise position_exit.unbelievable(why)
    if only and only not in held:
        raise Refused(f"no position in {only} is open at the venue", where=str(books.path), hint="tradectl stops list")
    missing: list[MissingStop] = []
    guarded: list[str] = []
    unlisted: list[str] = []
    for name in [only] if only else sorted(held):
        position, instrument = held[name], listed.get(name)
        cover = coverage(position, snapshot.orders)
        if cover.protection is Protection.COVERED:
            guarded.append(name)
            continue
        if instrument is None:
            unlisted.append(name)
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
                tighter=_tighter(position, instrument, pct),
                min_qty=instrument.min_qty,
            )
        )
    absent = () if only else snapshot.absences
    guessed = rules.source_note(books.trouble or trouble) if missing else ""
    return StopPlan(books.path, tuple(missing), tuple(guarded), tuple(unlisted), absent, trouble, guessed)


async def apply(
    books: Books, desk: Desk, rules: StopRules, planned: StopPlan, *, on_breached: OnBreached, reason: str, actor: str
) -> PlacedAll:
    """Line after line; what fails keeps no other from its stop."""
    own = hands(books, desk, actor=actor)
    work = _Pass(books, desk, own, rules, on_breached, actor)
    placed = []
    for one in planned.missing:
        try:
            placed.append(await work.one(one))
        except VenueUnreachable as error:
            placed.append(Placed(one, f"the venue could not be read: {error.what}", False))
    if own.store_trouble:
        books.trouble, books.writable = own.store_trouble, False
    notes = _record(books, placed, reason=reason, actor=actor) if placed else ()
    return PlacedAll(planned, tuple(placed), notes)


class _Pass:
    """One application: the hands, the rules, and what is done where a level is passed."""

    def __init__(
        self, books: Books, desk: Desk, own: Hands, rules: StopRules, on_breached: OnBreached, actor: str
    ) -> None:
        self._books = books
        self._desk = desk
        self._hands = own
        self._rules = rules
        self._on_breached = on_breached
        self._actor = actor

    async def one(self, stop: MissingStop) -> Placed:
        """Looked at again where the bot, or another operator, is placing one there at the same moment."""
        placed, raced = await self._try(stop)
        for _ in range(RACED_AGAIN):
            if not raced or placed.covered:
                break
            await self._desk.clock.sleep(PAUSE_S)
            placed, raced = await self._try(stop)
        return placed

    async def _try(self, one: MissingStop) -> tuple[Placed, bool]:
        """(what came of it, whether somebody else was at it)"""
        newest = await before_look(self._books, self._desk, one.symbol)
        snapshot = await self._desk.venue.snapshot()
        position = snapshot.position(one.symbol)
        if position is None and (why := snapshot.unproven(one.symbol)):
            return Placed(one, f"whether its position is gone cannot be told: {why}", False), False
        if position is None or not position.qty:
            return Placed(one, "its position is gone", True), False
        if position.side.value != one.side:
            return Placed(one, f"its position is {position.side.value} now: look again", False), False
        cover = coverage(position, snapshot.orders)
        if cover.protection is Protection.COVERED:
            return Placed(one, "covered by now", True), False
        instrument = (await self._desk.venue.instruments())[one.symbol]
        price = one.price
        if already_passed(position.side, price, position.mark_price):
            if self._on_breached is OnBreached.CLOSE:
                return await self._close(one, snapshot, position, instrument), False
            if self._on_breached is not OnBreached.TIGHTEN:
                said = f"left as it is: {text(price)} is passed (mark {text(position.mark_price)})"
                return Placed(one, said, False, skipped=self._on_breached is OnBreached.SKIP), False
            price = _tighter(position, instrument, self._rules.protection.stop_loss_pct)
        missing = abs(position.qty) - cover.covered_qty
        drafts = stop_drafts(
            one.symbol,
            position.side,
            placeable(position, missing, instrument) or missing,
            price,
            self._rules.protection.trigger_by,
            instrument,
            "missing stop placed by an operator",
            held=abs(position.qty),
        )
        done = await place_stops(self._hands, self._books, drafts, newest)
        is_covered, _ = await covered(self._books, self._desk, one.symbol)
        return Placed(one, "; ".join(done.said), is_covered, done.recorded_in), done.raced

    async def _close(
        self, one: MissingStop, snapshot: Snapshot, position: PositionFact, instrument: Instrument
    ) -> Placed:
        """On an operator's choice: out, as `positions close` does it."""
        planned = position_exit.plan(self._books, snapshot, position, instrument)
        why = f"its stop level {text(one.price)} was already passed"
        done = await position_exit.carry_out(
            self._hands, self._books, self._desk, planned, reason=why, actor=self._actor, subject=SUBJECT
        )
        net = amount(done.net, planned.currency)
        said = f"closed at the market, net {net}" if done.done else f"not closed: {done.reduced.problem}"
        return Placed(one, "; ".join([said, *done.left]), done.done, done.recorded_in, closed=done.done)


def _tighter(position: PositionFact, instrument: Instrument, stop_loss_pct: Decimal) -> Decimal:
    """Where a stop goes whose own level is passed: the configured distance from the mark, inside liquidation."""
    return stop_level(position, None, instrument, stop_loss_pct, from_mark=True)


def _known(books: Books) -> tuple[dict[str, Managed], dict[str, OpenTrade], str]:
    if books.db is None:
        return {}, {}, books.trouble
    try:
        with books.db.read() as conn:
            return positions.alive(conn), ledger.open_trades(conn), ""
    except (Busy, StoreRefused) as error:
        return {}, {}, error.what


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
