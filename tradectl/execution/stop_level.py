"""Where protective stops belong, and how many (promise 5): on the right side, inside liquidation, rounded to the
smaller loss, covering the whole position, and more than that only while one replaces another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import ClientId
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed
from tradectl.domain.money import ONE, ZERO, percent
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact, Side, covers, protective_stops

# A planned stop that the venue would liquidate before it fires is put this share of the way from liquidation to mark:
# room for the slippage between the two, and as little tighter than planned as that allows.
LIQUIDATION_BUFFER = Decimal("0.1")


def stop_level(
    position: PositionFact,
    planned: Decimal | None,
    instrument: Instrument,
    stop_loss_pct: Decimal,
    *,
    from_mark: bool = False,
) -> Decimal:
    """The planned stop, else the configured distance from entry; moved inside liquidation where it lies beyond.

    from_mark: measured from the mark instead: of a position that we cannot explain, the entry says nothing to us.
    So close to liquidation that no tick is left between the two, it comes out as `already_passed`.
    """
    side, limit = position.side, position.liquidation_price
    base = position.mark_price if from_mark else position.entry_price
    price = planned if planned is not None else stop_price(instrument, side, base, stop_loss_pct)
    if limit is None or position.inside_liquidation(price):
        return price
    return _tightened(instrument, side, limit + (position.mark_price - limit) * LIQUIDATION_BUFFER)


@dataclass(frozen=True, slots=True)
class Level:
    """Where a position's stop belongs, and what says so."""

    price: Decimal
    source: str


def level_of(
    position: PositionFact,
    ours: Managed | None,
    trade: OpenTrade | None,
    instrument: Instrument,
    stop_loss_pct: Decimal,
    standing: Decimal | None = None,
) -> Level:
    """The stored stop, else the entry's plan, else the level that `standing` stops have, else the configured distance:
    from the entry of a position of ours, from the mark of one that nobody can explain (an old entry says nothing about
    what can be lost from now on)."""
    planned, source = None, ""
    if ours is not None and ours.side is position.side and ours.stop_price is not None:
        planned, source = ours.stop_price, "the stored stop"
    elif trade is not None and trade.side is position.side and trade.stop_price is not None:
        planned, source = trade.stop_price, "the entry's plan"
    elif standing is not None:
        planned, source = standing, "the stop that stands on a part of it"
    from_mark = planned is None and ours is None
    price = stop_level(position, planned, instrument, stop_loss_pct, from_mark=from_mark)
    if not source:
        source = f"{percent(stop_loss_pct)} from the {'mark' if from_mark else 'entry'}"
    elif price != planned:
        source += ", moved inside liquidation"
    return Level(price, source)


def stop_price(instrument: Instrument, side: Side, entry_price: Decimal, stop_loss_pct: Decimal) -> Decimal:
    """The configured distance from entry, rounded to the smaller loss: a long's stop up, a short's down."""
    return _tightened(instrument, side, entry_price * (ONE - side.sign * stop_loss_pct))


def placeable(position: PositionFact, missing: Decimal, instrument: Instrument) -> Decimal:
    """How large a stop for what is `missing` has to be for the venue to take it: a little more than that where it is
    below the smallest order, for it can only reduce. 0: all of the position is dust, and no stop can be placed for it.
    """
    qty = max(missing, instrument.min_qty)
    return qty if qty <= abs(position.qty) else ZERO


def already_passed(side: Side, price: Decimal, mark: Decimal) -> bool:
    """True when a stop at `price` would trigger at once."""
    return mark <= price if side is Side.LONG else mark >= price


def _tightened(instrument: Instrument, side: Side, price: Decimal) -> Decimal:
    return instrument.ceil_price(price) if side is Side.LONG else instrument.floor_price(price)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How the stops of a position are brought to what is wanted: first `place`, confirmed, then `cancel`."""

    place: Decimal  # quantity still to be covered at the wanted level; 0: nothing
    cancel: tuple[OrderFact, ...]  # ours that are then too many, or too loose

    @property
    def done(self) -> bool:
        return not self.place and not self.cancel


def arrange(
    position: PositionFact,
    orders: Iterable[OrderFact],
    wanted: Decimal | None,
    ours: Callable[[OrderFact], bool],
    *,
    exactly: bool = False,
) -> Arrangement:
    """Stops of ours at `wanted` or tighter, exactly as many as others' stops leave uncovered (promise 5).

    Kept are first those at `wanted`, then the tightest: where two who work towards one level meet, both keep the same.
    Before them a tighter one that was placed while a store could not be written: its level could be stored nowhere.
    wanted None: any level that covers will do, and what is to be placed goes where the tightest stands. exactly:
    tighter ones make way too, on an operator's word. Others' stops count, and are never cancelled (promise 6); but none
    of ours makes way for a looser one of somebody else's.
    """
    stops, _ = protective_stops(position, orders)
    mine = sorted(
        (order for order in stops if ours(order)),
        key=lambda order: (
            not _unstored(order, wanted, position),
            _trigger(order) != wanted,
            *_looseness(position, order),
        ),
    )
    theirs = [order for order in stops if not ours(order)]
    size, sign = abs(position.qty), position.side.sign
    kept: list[OrderFact] = []
    loose: list[OrderFact] = []
    surplus: list[OrderFact] = []
    for order in mine:
        level = _trigger(order) if wanted is None else wanted
        gain = (_trigger(order) - level) * sign
        beside = [*kept, *_at_least(position, theirs, level)]
        overtaken = wanted is None and bool(surplus) and level != _trigger(surplus[0])
        if gain < 0 or (gain and exactly):
            loose.append(order)
        elif _covered(position, [order, *beside]) <= size and not overtaken:
            kept.append(order)
        else:
            surplus.append(order)
    place = size - _covered(position, [*kept, *theirs])
    most = size if wanted is None else size - _covered(position, [*kept, *_at_least(position, theirs, wanted)])
    if surplus:
        level = _trigger(surplus[0]) if wanted is None else wanted
        place = max(place, size - _covered(position, _at_least(position, [*kept, *theirs], level)))
    if loose:
        place = max(place, _covered(position, loose) - _covered(position, _replacing(kept, wanted, loose)))
    return Arrangement(max(min(place, most), ZERO), (*loose, *surplus))


def _unstored(order: OrderFact, wanted: Decimal | None, position: PositionFact) -> bool:
    found = ClientId.parse(order.client_id)
    if wanted is None or found is None or not found.emergency:
        return False
    return (_trigger(order) - wanted) * position.side.sign > 0


def _at_least(position: PositionFact, orders: Iterable[OrderFact], level: Decimal) -> list[OrderFact]:
    """Those of these stops that are as tight as `level`, or tighter."""
    return [order for order in orders if (_trigger(order) - level) * position.side.sign >= 0]


def _replacing(kept: Iterable[OrderFact], wanted: Decimal | None, loose: Iterable[OrderFact]) -> list[OrderFact]:
    """Those that took the place of these already: they stand where they belong and are younger."""
    newest = max(order.created_ms for order in loose)
    return [order for order in kept if _trigger(order) == wanted and order.created_ms >= newest]


def _covered(position: PositionFact, orders: Iterable[OrderFact]) -> Decimal:
    return sum((covers(order, position) for order in orders), ZERO)


def _trigger(order: OrderFact) -> Decimal:
    assert order.trigger_price is not None, "a protective stop has one"
    return order.trigger_price


def _looseness(position: PositionFact, order: OrderFact) -> tuple[Decimal, int, str]:
    """Tightest first, then the oldest."""
    return -_trigger(order) * position.side.sign, order.created_ms, order.order_id
