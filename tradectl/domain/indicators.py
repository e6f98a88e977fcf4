"""Indicators over closed candles. Floats live here and in strategies only; nothing here is stored or sent as money.

Every output at index i depends on candles up to i alone, so that appending candles never changes what was said before
(`atr` starts its recursion at the first candle given: feed it a window that starts at a fixed candle to compare).
"""

from __future__ import annotations

from collections.abc import Sequence

from tradectl.domain.candle import Candle


def sma(values: Sequence[float], period: int) -> list[float]:
    """Simple moving averages. In: n values; out: n − period + 1 averages, oldest first; empty when n < period.

    Each window is summed anew: a running sum would let an early value's rounding error travel into later ones.
    """
    if period < 1:
        raise ValueError(f"a period is at least 1, got {period}")
    return [sum(values[end - period : end]) / period for end in range(period, len(values) + 1)]


def true_ranges(candles: Sequence[Candle]) -> list[float]:
    """max(high, previous close) − min(low, previous close). In: n candles; out: n − 1 values, price units."""
    ranges: list[float] = []
    previous: float | None = None
    for candle in candles:
        if previous is not None:
            high, low = float(candle.high), float(candle.low)
            ranges.append((high if high > previous else previous) - (low if low < previous else previous))
        previous = float(candle.close)
    return ranges


def wilder(values: Sequence[float], period: int) -> list[float]:
    """Wilder's smoothing: the first output is the mean of `period` values, then out += (value − out) / period.

    In: n values; out: n − period + 1, oldest first; empty when n < period.
    """
    if period < 1:
        raise ValueError(f"a period is at least 1, got {period}")
    if len(values) < period:
        return []
    smoothed = sum(values[:period]) / period
    outputs = [smoothed]
    for value in values[period:]:
        smoothed += (value - smoothed) / period
        outputs.append(smoothed)
    return outputs


def atr(candles: Sequence[Candle], period: int) -> list[float]:
    """Wilder's average true range. In: n candles; out: n − period values, the last belonging to the last candle."""
    return wilder(true_ranges(candles), period)


def atr_percent(candles: Sequence[Candle], period: int) -> list[float]:
    """ATR as a fraction of the same candle's close. In: n candles; out: n − period fractions."""
    averages = atr(candles, period)
    offset = len(candles) - len(averages)
    return [average / float(candles[offset + index].close) for index, average in enumerate(averages)]


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones. Raises ValueError without values."""
    if not values:
        raise ValueError("the median of nothing is not a number")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
