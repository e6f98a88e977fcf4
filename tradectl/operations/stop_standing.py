"""Where a stop is moved to, beside what stands there: how much of ours it takes, what of others makes it pointless, and
whether the position is covered at that level in the end. Everybody else's stops count, and stay (promise 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact, Protection, coverage, covers, protective_stops
from tradectl.errors import VenueUnreachable
from tradectl.execution.stop_level import Arrangement, arrange
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk


def arrangement(
    position: PositionFact, orders: tuple[OrderFact, ...], level: Decimal, ours: Callable[[OrderFact], bool]
) -> Arrangement:
    """Ours at `level` for all that others do not cover as tight: a looser one of somebody else's spares nothing."""
    found = arrange(position, orders, level, ours, exactly=True)
    stops, _ = protective_stops(position, orders)
    stay = [one for one in stops if one not in found.cancel and at_least(position, one, level)]
    return Arrangement(max(_uncovered(position, stay), ZERO), found.cancel)


def tighter_of_others(
    position: PositionFact, orders: Iterable[OrderFact], level: Decimal, ours: Callable[[OrderFact], bool]
) -> tuple[OrderFact, ...]:
    """Others' stops that are tighter than `level`, where they cover all of it: one there would never be met."""
    stops, _ = protective_stops(position, orders)
    tighter = [one for one in stops if not ours(one) and one.trigger_price != level and at_least(position, one, level)]
    return tuple(tighter) if _uncovered(position, tighter) <= 0 else ()


def at_least(position: PositionFact, order: OrderFact, level: Decimal) -> bool:
    """As tight as `level`, or tighter."""
    return order.trigger_price is not None and (order.trigger_price - level) * position.side.sign >= 0


def _uncovered(position: PositionFact, orders: Iterable[OrderFact]) -> Decimal:
    """What these leave uncovered; 0 or less: nothing."""
    return abs(position.qty) - sum((covers(one, position) for one in orders), ZERO)


@dataclass(frozen=True, slots=True)
class Standing:
    """By a fresh read. `stands`: covered all of it at the level or tighter, and a stop stands at the level itself.

    stop_price: the nearest stop. gone: there is no position any more.
    """

    covered: bool
    stands: bool
    stop_price: Decimal | None
    gone: bool = False


async def standing(books: Books, desk: Desk, symbol: str, level: Decimal) -> Standing:
    """Raises VenueUnreachable, also where it cannot be told whether the position is gone."""
    snapshot = books.seen = await desk.venue.snapshot()
    position = snapshot.position(symbol)
    if position is None and (why := snapshot.unproven(symbol)):
        raise VenueUnreachable("whether it is covered cannot be told", why=why, hint="try again")
    if position is None or not position.qty:
        return Standing(True, False, None, gone=True)
    cover = coverage(position, snapshot.orders)
    stops, _ = protective_stops(position, snapshot.orders)
    tight = [one for one in stops if at_least(position, one, level)]
    there = any(one.trigger_price == level for one in tight)
    stands = there and _uncovered(position, tight) <= 0
    return Standing(cover.protection is Protection.COVERED, stands, cover.stop_price)
