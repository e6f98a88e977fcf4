"""`stops move`: the stops of one position brought to another price: place, confirm, then cancel (promise 5).

Tightening is always possible; loosening is an operator's override, on the record. The new level is stored first, so
that the bot, which keeps stops at the stored level, works towards it and not against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import amend_draft, stop_drafts
from tradectl.domain.lifecycle import Managed
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed, OrderFact
from tradectl.domain.position import PositionFact, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, ExitCode, Refused, StoreBusy, StoreRefused, UsageError, VenueUnreachable
from tradectl.execution.no_room import in_place
from tradectl.execution.stop_level import Arrangement, already_passed, placeable
from tradectl.execution.submit import TOO_MANY_STOPS
from tradectl.execution.sweep import Hands, Swept, cancelled
from tradectl.execution.whose import Owner, owner
from tradectl.operations import act_record, position_exit, symbols
from tradectl.operations.act_record import Recorded
from tradectl.operations.killswitch_check import close_command
from tradectl.operations.killswitch_venue import Books, hands
from tradectl.operations.opening import Desk, wall_ms
from tradectl.operations.stop_hands import PAUSE_S, RACED_AGAIN, PlacedStops, before_look, place_stops
from tradectl.operations.stop_rules import StopRules
from tradectl.operations.stop_standing import Standing, arrangement, at_least, standing, tighter_of_others
from tradectl.store import positions

SUBJECT = "stops move"
NO_REASON = "moved by an operator"


@dataclass(frozen=True, slots=True)
class MovePlan:
    """Quantities without sign; money in quote currency: P&L from the mark if all of it fills at the stop."""

    path: Path
    symbol: str
    side: str
    qty: Decimal
    mark_price: Decimal
    liquidation_price: Decimal | None
    currency: str
    price: Decimal
    typed: Decimal  # before it was brought to the tick, to the smaller loss
    before: Decimal | None  # the loosest of the stops that stand, or of those that a looser one takes the place of
    place_qty: Decimal
    cancels: tuple[OrderFact, ...]
    others: tuple[OrderFact, ...]  # stops that are not ours: they stay (promise 6)
    untold: str  # why it cannot be told whose they are; '' when it can
    managed: bool  # the bot keeps this position's stops at the stored level
    trailing: bool  # and may tighten them further by itself
    money_before: Decimal | None
    money_after: Decimal

    @property
    def loosens(self) -> bool:
        if self.before is None:
            return False
        return self.price < self.before if self.side == "long" else self.price > self.before

    @property
    def exit_code(self) -> ExitCode:
        """Of a plan that asks for nothing."""
        return ExitCode.OK

    @property
    def nothing(self) -> bool:
        return not self.place_qty and not self.cancels


@dataclass(frozen=True, slots=True)
class Moved:
    """`seen`: by a fresh read; None where there was none. `left`: what is not as it should be, in sentences."""

    plan: MovePlan
    placed: tuple[str, ...]
    confirmed: bool  # everything that was to be placed
    cancelled: tuple[Swept, ...]
    seen: Standing | None
    overridden: bool
    left: tuple[str, ...]
    recorded: Recorded = field(default_factory=lambda: Recorded(""))

    @property
    def stands(self) -> bool:
        return self.confirmed and self.seen is not None and self.seen.stands

    @property
    def covered(self) -> bool:
        return self.seen is not None and self.seen.covered

    @property
    def exit_code(self) -> ExitCode:
        if self.seen is not None and self.seen.gone:
            return ExitCode.DRIFT
        if not self.stands or not self.covered:
            return ExitCode.REFUSED
        return ExitCode.DRIFT if self.left else ExitCode.OK


def parse_price(typed: str) -> Decimal:
    """Raises UsageError."""
    try:
        value = Decimal(typed.strip().replace("_", ""))
    except ArithmeticError:
        value = ZERO
    if not value.is_finite() or value <= 0:
        raise UsageError(f"'{typed}' is not a price", hint="write it like 61250.5")
    return value


async def plan(books: Books, desk: Desk, typed_symbol: str, price: Decimal) -> MovePlan:
    """Looks at venue and books.

    Raises Refused where the stop cannot stand at that price, VenueUnreachable, UsageError.
    """
    snapshot = await desk.venue.snapshot()
    listed = await desk.venue.instruments()
    held = {position.symbol: position for position in snapshot.positions if position.qty}
    name = symbols.match(typed_symbol, {*listed, *held}, desk.venue.currency, whose="the venue")
    position = held.get(name)
    if position is None and (why := snapshot.unproven(name)):
        raise position_exit.unbelievable(why)
    if position is None:
        open_now = f"open are: {', '.join(sorted(held))}" if held else "no position is open at all"
        raise Refused(f"no position in {name} is open at the venue", where=str(books.path), hint=open_now)
    if name not in listed:
        raise Refused(f"the venue does not list {name} any more", hint="move its stop on the venue's own site")
    level = _level(books, position, listed[name], price)
    ours, whose, untold = _known(books, snapshot, position)
    resting = snapshot.orders_of(name)
    if tighter := tighter_of_others(position, resting, level, whose.ours):
        raise _pointless(books, level, tighter, untold)
    found = arrangement(position, resting, level, whose.ours)
    given_up = [one for one in found.cancel if at_least(position, one, level) and one.trigger_price != level]
    before = coverage(position, given_up or snapshot.orders).loosest_price
    return MovePlan(
        path=books.path,
        symbol=name,
        side=position.side.value,
        qty=abs(position.qty),
        mark_price=position.mark_price,
        liquidation_price=position.liquidation_price,
        currency=desk.venue.currency,
        price=level,
        typed=price,
        before=before,
        place_qty=found.place,
        cancels=found.cancel,
        others=tuple(
            order
            for order in resting
            if order.protective and order.side is position.side.closing and not whose.ours(order)
        ),
        untold=untold,
        managed=ours is not None,
        trailing=ours is not None and ours.trailing,
        money_before=None if before is None else _money(position, before),
        money_after=_money(position, level),
    )


def refuse(planned: MovePlan, *, override: bool) -> None:
    """Raises Refused for a loosening that nobody has overridden."""
    if planned.loosens and not override:
        assert planned.before is not None
        raise Refused(
            f"{text(planned.price)} is looser than the stop that stands at {text(planned.before)}: nothing was changed",
            where=planned.symbol,
            why="stops only ever tighten, unless an operator overrides that on the record",
            hint=f"tradectl stops move {planned.symbol} {text(planned.price)} --override --reason TEXT"
            f" --state {planned.path}",
        )


async def apply(
    books: Books, desk: Desk, rules: StopRules, planned: MovePlan, *, override: bool, reason: str, actor: str
) -> Moved:
    """Stores the level, looks again, places what is missing there, and only then cancels the others.

    Raises Refused when the position is no longer the one planned for, StoreBusy for a loosening that cannot be stored,
    VenueUnreachable while nothing has left.
    """
    own = hands(books, desk, actor=actor)
    step = _Step(books, desk, own, rules, planned, reason)
    await step.look()
    left = [trouble] if (trouble := _store_level(books, planned, reason=reason, actor=actor)) else []
    placed = PlacedStops((), (), None)
    done: tuple[Swept, ...] = ()
    confirmed = False
    try:
        placed = await step.place()
        if confirmed := placed.complete:
            done = await step.cancel_others()
        else:
            left.append(f"the new stop does not stand ({placed.said[-1]}): the old ones were left as they are")
    except VenueUnreachable as error:
        left.append(f"the venue could not be read on the way: {error.what}; the bot goes on from the stored level")
    left += [f"{one.order.order_id} was not cancelled: {one.detail}" for one in done if not one.done]
    if own.store_trouble:
        books.trouble, books.writable = own.store_trouble, False
    seen = None
    try:
        seen = await standing(books, desk, planned.symbol, planned.price)
        if seen.gone:
            left.append("its position is gone: nothing is left to cover")
    except VenueUnreachable as error:
        left.append(f"the venue could not be read after that: {error.what}")
    body: dict[str, object] = {
        "reason": reason,
        "before": text(planned.before) if planned.before is not None else None,
        "after": text(planned.price),
        "loosened": planned.loosens,
        "override": planned.loosens and override,
        "placed": list(placed.said),
        "left": left,
    }
    short = f"{planned.symbol} stop → {text(planned.price)}: {reason}"
    saved = act_record.save(books, SUBJECT, body, short, actor=actor, at_ms=wall_ms(), symbol=planned.symbol)
    return Moved(planned, placed.said, confirmed, done, seen, planned.loosens and override, tuple(left), saved)


def _pointless(books: Books, level: Decimal, tighter: tuple[OrderFact, ...], untold: str) -> Refused:
    """One of ours would lie behind others' stops, which nothing of ours moves (promise 6)."""
    named = ", ".join(f"{one.order_id} ({one.client_id or 'no client id'})" for one in tighter)
    at = ", ".join(sorted({text(one.trigger_price or ZERO) for one in tighter}))
    which = f"its own stops cannot be told from others' ({untold})" if untold else "they are not ours"
    return Refused(
        f"stops that stay cover all of it already, tighter, at {at}: nothing was changed",
        where=f"order {named}",
        why=f"{which}, and a stop at {text(level)} would never be met",
        hint="; ".join(
            f"tradectl orders cancel {one.order_id} --override --reason TEXT --state {books.path}" for one in tighter
        )
        + ", once another stop stands in its place",
    )


def _level(books: Books, position: PositionFact, instrument: Instrument, price: Decimal) -> Decimal:
    """The price on the tick, to the smaller loss. Raises Refused where no stop can stand there."""
    level = instrument.ceil_price(price) if position.qty > 0 else instrument.floor_price(price)
    if already_passed(position.side, level, position.mark_price):
        side = "below" if position.qty > 0 else "above"
        raise Refused(
            f"a stop at {text(level)} would fire at once: the mark is {text(position.mark_price)}",
            where=position.symbol,
            why=f"a {position.side.value}'s stop lies {side} the market",
            hint=f"to get out now: {close_command(position.symbol, str(books.path))}",
        )
    if not position.inside_liquidation(level):
        raise Refused(
            f"a stop at {text(level)} would never fire: liquidation comes first, at "
            f"{text(position.liquidation_price or ZERO)}",
            where=position.symbol,
            hint="choose a level between the mark and the liquidation price",
        )
    return level


def _money(position: PositionFact, price: Decimal) -> Decimal:
    return (price - position.mark_price) * position.qty


def _known(books: Books, snapshot: Snapshot, position: PositionFact) -> tuple[Managed | None, Owner, str]:
    """(our own position, whose orders are, why that cannot be told): as far as the store can be read."""
    tag = books.identity().store_tag
    if books.db is not None:
        try:
            with books.db.read() as conn:
                ours = positions.of(conn, position.symbol)
                whose = owner(conn, tag, snapshot.orders_of(position.symbol))
            return (ours if ours is not None and ours.side is position.side else None), whose, ""
        except (Busy, StoreRefused) as error:
            books.trouble = error.what
    return None, Owner(tag, frozenset()), books.trouble or "the store could not be opened"


def _store_level(books: Books, planned: MovePlan, *, reason: str, actor: str) -> str:
    """The level in the store, before anything is sent; else why it is not there, which a tightening can do without."""
    trouble = books.trouble or "the store could not be opened"
    if books.db is not None and books.writable:
        try:
            with books.db.transaction() as conn:
                ours = positions.of(conn, planned.symbol)
                if ours is not None and ours.side.value == planned.side:
                    positions.set_stop(conn, ours, planned.price, why=reason, actor=actor, at_ms=wall_ms())
            return ""
        except (Busy, StoreRefused) as error:
            trouble = books.trouble = error.what
            books.writable = False
    if planned.loosens:
        raise StoreBusy(
            "a stop is loosened only where that can be stored: nothing was changed",
            where=str(books.path),
            why=trouble,
            hint="try again; tightening and closing work without the store",
        )
    return f"the store still has the old level ({trouble}): move it again once it can be written"


class _Step:
    """What happens at the venue, each time by a fresh look: the bot may work towards the same level meanwhile."""

    def __init__(self, books: Books, desk: Desk, own: Hands, rules: StopRules, planned: MovePlan, reason: str) -> None:
        self._books = books
        self._desk = desk
        self._hands = own
        self._rules = rules
        self._planned = planned
        self._why = f"operator moved the stop: {reason}"

    async def look(self) -> tuple[PositionFact, Instrument, Arrangement]:
        """Raises Refused when the position is no longer the one planned for, or no stop can stand there any more."""
        planned = self._planned
        snapshot = await self._desk.venue.snapshot()
        position = snapshot.position(planned.symbol)
        if position is None or not position.qty or position.side.value != planned.side:
            raise Refused(
                f"the position in {planned.symbol} is no longer there as planned: nothing was sent",
                why="it was closed or turned over meanwhile",
                hint="tradectl positions list",
            )
        instrument = (await self._desk.venue.instruments())[planned.symbol]
        _level(self._books, position, instrument, planned.price)
        _, whose, _ = _known(self._books, snapshot, position)
        resting = snapshot.orders_of(planned.symbol)
        return position, instrument, arrangement(position, resting, planned.price, whose.ours)

    async def place(self) -> PlacedStops:
        for _ in range(RACED_AGAIN):
            newest = await before_look(self._books, self._desk, self._planned.symbol)
            position, instrument, todo = await self.look()
            if not todo.place:
                return PlacedStops((), (), None)
            by = self._rules.protection.trigger_by
            drafts = stop_drafts(
                self._planned.symbol,
                position.side,
                placeable(position, todo.place, instrument) or todo.place,
                self._planned.price,
                by,
                instrument,
                self._why,
                held=abs(position.qty),
            )
            done = await place_stops(self._hands, self._books, drafts, newest)
            if done.code == TOO_MANY_STOPS:
                return await self._amend(done, todo.cancel, instrument.max_market_qty)
            if not done.raced:
                break
            await self._desk.clock.sleep(PAUSE_S)
        return done

    async def _amend(self, done: PlacedStops, orders: tuple[OrderFact, ...], most: Decimal) -> PlacedStops:
        """The venue has no room for a stop beside the old ones: they are moved in place."""
        said, rest = [*done.said], list(done.rest)
        covered = ZERO
        for order, qty, covers in in_place(orders, sum((one.qty or ZERO for one in rest), ZERO), most):
            change = amend_draft(order.order_id, order.symbol, order.side, self._planned.price, qty, self._why)
            sent = await self._hands.amend(change)
            said.append(f"{order.order_id} moved in place to {text(self._planned.price)}: {sent.sentence}")
            if not isinstance(sent.outcome, Confirmed):
                break
            covered += covers
        while rest and covered >= (rest[0].qty or ZERO):
            covered -= rest.pop(0).qty or ZERO
        return PlacedStops(tuple(said), tuple(rest), done.last, done.recorded_in)

    async def cancel_others(self) -> tuple[Swept, ...]:
        """What is too much now that the new ones stand, by a look that shows them standing (promise 5)."""
        _, _, todo = await self.look()
        why = "another stop stands in its place"
        if todo.place:
            return ()
        return tuple([cancelled(order, await self._hands.cancel(order, why), why) for order in todo.cancel])
