"""The way a price takes through a bar: open → nearer extreme → farther extreme → close.

On a tie of the two extremes the one that hurts the open position comes first; flat, the low. The mark price at each
point is the last price held inside the bar's mark range, or the last price itself where none is known; the index is
the last price held inside the bar's index range, or the mark.
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.money import ZERO
from tradectl.sim.ops import MarketBar
from tradectl.sim.state import Prices

LAST_PHASE = 3


def point_ms(bar: MarketBar, phase: int) -> int:
    """When a point is reached: the opening, a quarter, half, and the last millisecond of the bar."""
    if phase == LAST_PHASE:
        return bar.open_ms + bar.interval_ms - 1
    return bar.open_ms + bar.interval_ms * phase // 4


def extremes(bar: MarketBar, held_qty: Decimal, last: Decimal | None) -> tuple[Decimal, Decimal]:
    """The two extremes in the order they are visited.

    held_qty: signed position while the bar goes from its open to the first of them. last: the price it stands at, when
    the first extreme was visited by an earlier operation (a bar split by funding); the second is then the other one.
    """
    up, down = bar.high - bar.open, bar.open - bar.low
    if up != down:
        high_first = up < down
    elif last is not None:
        high_first = last == bar.high
    else:
        high_first = held_qty < ZERO
    return (bar.high, bar.low) if high_first else (bar.low, bar.high)


def prices_at(bar: MarketBar, last: Decimal) -> Prices:
    """Where the symbol stands when its last price is `last`, a point of this bar."""
    mark = last
    if bar.mark_low is not None and last < bar.mark_low:
        mark = bar.mark_low
    elif bar.mark_high is not None and last > bar.mark_high:
        mark = bar.mark_high
    index = mark
    if bar.index_low is not None or bar.index_high is not None:
        index = last
        if bar.index_low is not None and last < bar.index_low:
            index = bar.index_low
        elif bar.index_high is not None and last > bar.index_high:
            index = bar.index_high
    return Prices(last, mark, index)
