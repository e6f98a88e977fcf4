"""Recorded candles as a market: several files merged by time, with the funding that was really paid."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal

from tradectl.domain.candle import Candle
from tradectl.sim.feed import Aggregator, Rates, bar_ops, grid_times, market_bar, wider_interval
from tradectl.sim.ops import Op
from tradectl.sim.replay import TradeSeries


class ReplayFeed:
    """Recorded bars of one or several symbols, merged by time. A gap in the record is a jump in time."""

    def __init__(self, series: Sequence[TradeSeries], *, funding_rate: Decimal) -> None:
        self.interval_ms = series[0].interval_ms
        self.symbols = tuple(one.symbol for one in series)
        self.notices = tuple(notice for one in series for notice in one.notices)
        self._series = {one.symbol: one for one in series}
        self._rate = funding_rate
        self._wider: dict[tuple[str, int], Aggregator] = {}
        self._funding_at = {one.symbol: [at for at, _ in one.fundings] for one in series}

    @property
    def first_ms(self) -> int:
        return min(one.opens[0] for one in self._series.values())

    @property
    def digest(self) -> str:
        """Of every file that is replayed."""
        return "+".join(one.digest for one in self._series.values())

    def next_ops(self, market_ms: int) -> tuple[Op, ...] | None:
        due: list[tuple[TradeSeries, int]] = []
        open_ms = -1
        for one in self._series.values():
            row = bisect_left(one.opens, market_ms)
            if row == len(one.opens):
                continue
            opened = one.opens[row]
            if not due or opened < open_ms:
                due, open_ms = [(one, row)], opened
            elif opened == open_ms:
                due.append((one, row))
        if not due:
            return None
        bars = tuple(market_bar(one.symbol, one.interval_ms, one.candles[row], one.marks[row]) for one, row in due)
        return bar_ops(bars, self._fundings(market_ms, open_ms + self.interval_ms))

    def candles(self, symbol: str, interval: str, limit: int, market_ms: int) -> list[Candle]:
        one = self._series[symbol]
        end = bisect_right(one.opens, market_ms - self.interval_ms)
        wanted = wider_interval(interval, self.interval_ms)
        if wanted == self.interval_ms:
            return one.candles[max(end - limit, 0) : end]
        wider = self._wider.get((symbol, wanted))
        if wider is None:
            wider = self._wider[(symbol, wanted)] = Aggregator(self.interval_ms, wanted)
        start = bisect_right(one.opens, wider.seen_ms)
        if start < end or market_ms > wider.seen_ms:
            wider.take(one.candles[start:end], market_ms)
        return wider.last(limit, market_ms)

    def checkpoint(self) -> str:
        return ""

    def _fundings(self, from_ms: int, before_ms: int) -> list[tuple[int, Rates]]:
        """What is paid in [from, before): recorded rates, and the configured one where the record says nothing."""
        rates: dict[int, dict[str, Decimal]] = {}
        for one in self._series.values():
            times = self._funding_at[one.symbol]
            first, last = bisect_left(times, from_ms), bisect_left(times, before_ms)
            for at, rate in one.fundings[first:last]:
                rates.setdefault(at, {})[one.symbol] = rate
            if self._rate:
                for at in grid_times(from_ms, before_ms):
                    if not times or not times[0] <= at <= times[-1]:
                        rates.setdefault(at, {})[one.symbol] = self._rate
        return [(at, tuple(by_symbol.items())) for at, by_symbol in sorted(rates.items())]
