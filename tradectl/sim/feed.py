"""Where the market comes from: generated paths or replayed files, as operations on the exchange and as candles.

A feed holds no position in time of its own. It is asked with the exchange's market time, so that after a crash, or in
another process, the same question has the same answer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from tradectl.domain.candle import DAY_MS, HOUR_MS, INTERVALS_MS, Candle
from tradectl.domain.money import ZERO
from tradectl.errors import ConfigError
from tradectl.sim.ops import AdvanceBars, ApplyFunding, MarketBar, Op
from tradectl.sim.path import LAST_PHASE, point_ms
from tradectl.sim.prices import Anchor, PathModel, anchors_text, first_anchor, next_bar

FUNDING_EVERY_MS = 8 * HOUR_MS
WARMUP_CANDLES = 300  # closed candles of the traded interval before a generated market opens

Rates = tuple[tuple[str, Decimal], ...]


class Feed(Protocol):
    """A market that an exchange can be moved through, one base candle at a time."""

    interval_ms: int
    symbols: tuple[str, ...]

    @property
    def first_ms(self) -> int:
        """When the exchange opens: the opening of the first bar it trades on."""

    def next_ops(self, market_ms: int) -> tuple[Op, ...] | None:
        """The operations that move the exchange by one base candle; None at the end. Commit them together."""

    def candles(self, symbol: str, interval: str, limit: int, market_ms: int) -> list[Candle]:
        """The last `limit` candles closed at `market_ms`, oldest first. Never one that is still open."""

    def checkpoint(self) -> str:
        """What the exchange's file keeps so that the feed can go on from there; empty when nothing is needed."""


def day_turnover(feed: Feed, symbol: str, market_ms: int) -> Decimal | None:
    """What was traded in the 24 hours before `market_ms`, each candle at its close, quote currency; None where the
    record does not go that far back."""
    interval = next(name for name, ms in INTERVALS_MS.items() if ms == feed.interval_ms)
    since_ms = market_ms - DAY_MS
    candles = feed.candles(symbol, interval, -(-DAY_MS // feed.interval_ms), market_ms)
    if not candles or candles[0].open_ms > since_ms:
        return None
    return sum((each.volume * each.close for each in candles if each.open_ms >= since_ms), ZERO)


class Aggregator:
    """Wider candles built once from base candles, as the market passes them."""

    def __init__(self, base_ms: int, interval_ms: int) -> None:
        self._base_ms = base_ms
        self._interval_ms = interval_ms
        self._closes: list[int] = []
        self._bars: list[Candle] = []
        self._open: list[Candle] = []
        self._seen_ms = -1

    def take(self, candles: Sequence[Candle], market_ms: int) -> None:
        """Reads base candles newer than those already read; `candles` rise in time."""
        for candle in candles:
            if candle.open_ms <= self._seen_ms:
                continue
            self._close_before(candle.open_ms)
            self._open.append(candle)
            self._seen_ms = candle.open_ms
        self._close_before(market_ms)

    def last(self, limit: int, market_ms: int) -> list[Candle]:
        end = bisect_right(self._closes, market_ms)
        return self._bars[max(end - limit, 0) : end]

    @property
    def seen_ms(self) -> int:
        """Opening time of the newest base candle read; −1 before the first."""
        return self._seen_ms

    def drop_before(self, open_ms: int) -> None:
        """Forgets bars that opened earlier."""
        keep = bisect_left(self._bars, open_ms, key=lambda bar: bar.open_ms)
        del self._bars[:keep], self._closes[:keep]

    def _close_before(self, at_ms: int) -> None:
        if not self._open:
            return
        start = self._open[0].open_ms - self._open[0].open_ms % self._interval_ms
        if at_ms < start + self._interval_ms:
            return
        parts = self._open
        self._bars.append(
            Candle(
                start,
                parts[0].open,
                max(part.high for part in parts),
                min(part.low for part in parts),
                parts[-1].close,
                sum((part.volume for part in parts), ZERO),
            )
        )
        self._closes.append(start + self._interval_ms)
        self._open = []


def wider_interval(interval: str, base_ms: int) -> int:
    """Milliseconds of an interval that base candles can be joined into. Raises ConfigError for any other."""
    wanted = INTERVALS_MS.get(interval)
    if wanted is None:
        raise ConfigError(f"unknown interval {interval!r}", hint=f"one of {', '.join(INTERVALS_MS)}")
    if wanted % base_ms:
        base = next((name for name, ms in INTERVALS_MS.items() if ms == base_ms), f"{base_ms} ms")
        raise ConfigError(
            f"{interval} candles cannot be made of {base} candles",
            why="the market moves in candles of a longer or unequal length",
            hint=f"set perps.interval to {base} or a multiple of it, or replay a finer file",
        )
    return wanted


def bar_ops(bars: tuple[MarketBar, ...], fundings: Sequence[tuple[int, Rates]]) -> tuple[Op, ...]:
    """One base candle as operations: funding due at its opening first, funding inside it between the bar's points."""
    if not fundings:
        return (AdvanceBars(bars),)
    # Funding at time t is paid before the first point of the path at or after t.
    points = [point_ms(bars[0], phase) for phase in range(LAST_PHASE + 1)]
    ops: list[Op] = []
    done = 0
    for at_ms, rates in fundings:
        reach = sum(point < at_ms for point in points)
        if reach > done:
            ops.append(AdvanceBars(bars, tuple(range(done, reach))))
            done = reach
        ops.append(ApplyFunding(at_ms, rates))
    if done <= LAST_PHASE:
        ops.append(AdvanceBars(bars, tuple(range(done, LAST_PHASE + 1))))
    return tuple(ops)


def grid_times(from_ms: int, before_ms: int) -> range:
    """00:00, 08:00 and 16:00 UTC in [from, before)."""
    return range(-(-from_ms // FUNDING_EVERY_MS) * FUNDING_EVERY_MS, before_ms, FUNDING_EVERY_MS)


class GeneratedFeed:
    """Endless generated bars of several symbols on one grid.

    origin_ms: opening of bar 0; the exchange opens `warmup` bars later. Bars are drawn when first asked for; two to
    three blocks of `warmup` bars are kept, and the anchor of the oldest kept block is the checkpoint, so resuming
    costs the same after a day and after a thousand.
    """

    def __init__(
        self,
        models: Sequence[PathModel],
        *,
        origin_ms: int,
        warmup: int,
        funding_rate: Decimal,
        anchors: Mapping[str, Anchor] | None = None,
    ) -> None:
        self.interval_ms = models[0].interval_ms
        self.symbols = tuple(model.symbol for model in models)
        self._origin_ms = origin_ms
        self._warmup = warmup
        self._rates: Rates = tuple((symbol, funding_rate) for symbol in self.symbols) if funding_rate else ()
        known = anchors or {}
        self._tracks = {model.symbol: _Track(model, known.get(model.symbol), warmup) for model in models}
        self._wider: dict[tuple[str, int], Aggregator] = {}
        self._blocks = -1
        self._checkpoint = ""

    @property
    def first_ms(self) -> int:
        return self._origin_ms + self._warmup * self.interval_ms

    def next_ops(self, market_ms: int) -> tuple[Op, ...] | None:
        index = (market_ms - self._origin_ms) // self.interval_ms
        open_ms = self._origin_ms + index * self.interval_ms
        bars = tuple(
            market_bar(symbol, self.interval_ms, track.bar(index, self._origin_ms), None)
            for symbol, track in self._tracks.items()
        )
        due = grid_times(open_ms, open_ms + self.interval_ms) if self._rates else ()
        return bar_ops(bars, [(at, self._rates) for at in due])

    def candles(self, symbol: str, interval: str, limit: int, market_ms: int) -> list[Candle]:
        track = self._tracks[symbol]
        end = (market_ms - self._origin_ms) // self.interval_ms
        wanted = wider_interval(interval, self.interval_ms)
        if wanted == self.interval_ms:
            return track.closed(end, limit, self._origin_ms)
        wider = self._wider.get((symbol, wanted))
        if wider is None:
            wider = self._wider[(symbol, wanted)] = Aggregator(self.interval_ms, wanted)
        fresh = end - (wider.seen_ms - self._origin_ms) // self.interval_ms - 1 if wider.seen_ms >= 0 else end
        if fresh > 0:
            wider.take(track.closed(end, fresh, self._origin_ms), market_ms)
            wider.drop_before(market_ms - 2 * self._warmup * wanted)
        return wider.last(limit, market_ms)

    def checkpoint(self) -> str:
        blocks = sum(track.first_index for track in self._tracks.values())
        if blocks != self._blocks:
            self._checkpoint = anchors_text({symbol: track.oldest for symbol, track in self._tracks.items()})
            self._blocks = blocks
        return self._checkpoint


class _Track:
    """The drawn bars of one symbol from `oldest.index` on."""

    def __init__(self, model: PathModel, anchor: Anchor | None, block: int) -> None:
        self._model = model
        self._block = block
        self._next = anchor or first_anchor(model)
        self._starts = [self._next]  # anchors of the blocks that are kept
        self._bars: list[Candle] = []

    @property
    def oldest(self) -> Anchor:
        return self._starts[0]

    @property
    def first_index(self) -> int:
        return self._starts[0].index

    def bar(self, index: int, origin_ms: int) -> Candle:
        """Bar `index`, drawing up to it. Drawing drops the oldest block once three others stand before it."""
        while self._next.index <= index:
            at = self._next.index
            if at % self._block == 0 and at > self._starts[-1].index:
                self._starts.append(self._next)
                if len(self._starts) > 3:
                    del self._bars[: self._starts[1].index - self._starts[0].index], self._starts[0]
            candle, self._next = next_bar(self._model, self._next, origin_ms + at * self._model.interval_ms)
            self._bars.append(candle)
        return self._bars[index - self._starts[0].index]

    def closed(self, end: int, limit: int, origin_ms: int) -> list[Candle]:
        """Bars [end − limit, end), as far back as they are kept."""
        if end <= self._starts[0].index:
            return []
        if self._next.index < end:
            self.bar(end - 1, origin_ms)
        stop = end - self._starts[0].index
        return self._bars[max(stop - limit, 0) : stop]


def market_bar(symbol: str, interval_ms: int, candle: Candle, mark: tuple[Decimal, Decimal] | None) -> MarketBar:
    low, high = mark if mark is not None else (None, None)
    return MarketBar(
        symbol=symbol,
        open_ms=candle.open_ms,
        interval_ms=interval_ms,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        mark_low=low,
        mark_high=high,
    )
