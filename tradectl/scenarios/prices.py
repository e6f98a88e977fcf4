"""A rough market: candles that jump, so that stops, targets and crosses follow one another within minutes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.candle import MINUTE_MS, Candle
from tradectl.domain.instrument import Instrument
from tradectl.sim.feed import market_bar, wider_interval
from tradectl.sim.ops import MarketBar, Op


@dataclass(frozen=True, slots=True)
class Roughness:
    """Fractions of the price: the usual step of a candle, the reach of its extremes; and how often a step is a jump."""

    step: float = 0.003
    reach: float = 0.0015
    jump_chance: float = 0.06
    jump: float = 3
    turnover: Decimal | None = None  # of a candle, in quote currency; None: a thousand contracts, whatever their price


def rough_candles(
    source: random.Random, instrument: Instrument, count: int, first_ms: int, price: Decimal, rough: Roughness
) -> list[Candle]:
    """`count` one-minute candles around `price`, pulled back to it."""
    tick = instrument.tick_size
    middle = last = round(price / tick)
    volume = Decimal(1000) if rough.turnover is None else Decimal(round(rough.turnover / price) or 1)
    found = []
    for index in range(count):
        opened = last
        step = source.gauss(0, rough.step * middle) * (rough.jump if source.random() < rough.jump_chance else 1)
        last = max(middle // 4, round(opened + step + (middle - opened) * 0.02))
        high = max(opened, last) + round(abs(source.gauss(0, rough.reach * middle)))
        low = max(1, min(opened, last) - round(abs(source.gauss(0, rough.reach * middle))))
        found.append(Candle(first_ms + index * MINUTE_MS, opened * tick, high * tick, low * tick, last * tick, volume))
    return found


class RoughFeed:
    """A Feed over candles that are known beforehand. The world moves its exchange; this answers what has closed."""

    interval_ms = MINUTE_MS

    def __init__(self, candles: dict[str, list[Candle]], first_ms: int) -> None:
        self.symbols = tuple(candles)
        self._candles = candles
        self._first_ms = first_ms

    @property
    def first_ms(self) -> int:
        return self._first_ms

    def bars(self, open_ms: int) -> tuple[MarketBar, ...]:
        """The bars that open at this instant; empty at the end."""
        found = []
        for symbol, candles in self._candles.items():
            index = (open_ms - candles[0].open_ms) // MINUTE_MS
            if index >= len(candles):
                return ()
            found.append(market_bar(symbol, MINUTE_MS, candles[index], None))
        return tuple(found)

    def next_ops(self, market_ms: int) -> tuple[Op, ...] | None:
        raise NotImplementedError("the world moves its own market")

    def candles(self, symbol: str, interval: str, limit: int, market_ms: int) -> list[Candle]:
        if wider_interval(interval, MINUTE_MS) != MINUTE_MS:
            raise ValueError(f"a rough market has one-minute candles only, not {interval}")
        known: Sequence[Candle] = self._candles[symbol]
        end = (market_ms - known[0].open_ms) // MINUTE_MS
        return list(known[max(end - limit, 0) : max(end, 0)])

    def checkpoint(self) -> str:
        return ""
