"""Long when the fast average of closes crosses above the slow one between the last two closed candles.

It reads the last slow + 1 closed candles and nothing else, so no later candle can change what it said (property
tested). The reverse cross is no short signal: it is the reason for an early exit, where that is enabled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.candle import Candle
from tradectl.domain.money import ZERO
from tradectl.domain.position import Side
from tradectl.domain.signal import NoSignal, Signal

NAME = "ma_cross"
CONFIDENCE = Decimal("0.70")  # a cross has no degrees: neither scaled up nor down by the default bands


@dataclass(frozen=True, slots=True)
class MaCross:
    """Periods in candles. Raises ValueError unless 1 ≤ fast < slow."""

    fast: int
    slow: int

    def __post_init__(self) -> None:
        if not 1 <= self.fast < self.slow:
            raise ValueError(f"the fast period must be at least 1 and below the slow one, got {self.fast}, {self.slow}")

    @property
    def name(self) -> str:
        return NAME

    @property
    def needs(self) -> int:
        return self.slow + 1

    @property
    def sides(self) -> frozenset[Side]:
        return frozenset({Side.LONG})

    def evaluate(self, symbol: str, candles: Sequence[Candle]) -> Signal | NoSignal:
        """The opinion at the last candle of `candles` (closed, oldest first)."""
        if len(candles) < self.needs:
            newest = candles[-1].open_ms if candles else 0
            return NoSignal(symbol, NAME, newest, ("insufficient_history", f"candles={len(candles)}/{self.needs}"))
        last = candles[-1]
        closes = [candle.close for candle in candles[-self.needs :]]
        before = _gap(closes[:-1], self.fast, self.slow)
        now = _gap(closes[1:], self.fast, self.slow)
        if before <= 0 < now:
            return Signal(
                symbol=symbol,
                strategy=NAME,
                side=Side.LONG,
                confidence=CONFIDENCE,
                entry=last.close,
                candle_open_ms=last.open_ms,
                reasons=("fast_crossed_above_slow", f"sma{self.fast}-sma{self.slow}={self._shown(now)}"),
            )
        if before >= 0 > now:
            reasons = ("fast_crossed_below_slow", f"gap={self._shown(now)}")
            return NoSignal(symbol, NAME, last.open_ms, reasons, exit_long=True)
        where = "fast_above_slow" if now > 0 else "fast_below_slow" if now < 0 else "averages_equal"
        return NoSignal(symbol, NAME, last.open_ms, ("no_cross", where, f"gap={self._shown(now)}"))

    def _shown(self, gap: Decimal) -> str:
        return f"{float(gap) / (self.fast * self.slow):.4g}"


def _gap(closes: Sequence[Decimal], fast: int, slow: int) -> Decimal:
    """(Fast average − slow average) × fast × slow at the last close: exact, so that flat prices never cross."""
    return sum(closes[-fast:], ZERO) * slow - sum(closes[-slow:], ZERO) * fast
