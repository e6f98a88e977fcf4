"""A market that does what a scenario says: quiet candles, and the moves that are asked for, bar by bar.

Quiet candles close where they opened, with a little reach either way, so that a strategy of averages has no opinion
and a volatility has a habit to be compared with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

from tradectl.domain.candle import MINUTE_MS, Candle
from tradectl.domain.instrument import Instrument
from tradectl.domain.signal import Signal
from tradectl.scenarios.prices import RoughFeed
from tradectl.sim.ops import MarketBar
from tradectl.strategy import Strategy

REACH = Decimal("0.0008")  # of a quiet candle's extremes, of the price
_TRIES = 400  # closes that are tried until the strategy gives its signal
_TURNOVER = Decimal(50_000)  # of each candle, quote currency: a liquid market


class ScriptedFeed(RoughFeed):
    """A Feed whose next candles are made when they begin. `traded` are the markets that the bot is to trade.

    reach: of a candle's extremes beyond its body, of the price.
    """

    def __init__(
        self,
        instruments: dict[str, Instrument],
        prices: dict[str, Decimal],
        warm: int,
        first_ms: int,
        traded: str,
        reach: Decimal = REACH,
    ) -> None:
        self._instruments = instruments
        self._reach = reach
        begin_ms = first_ms - warm * MINUTE_MS
        candles = {
            symbol: [self._quiet(symbol, begin_ms + index * MINUTE_MS, price) for index in range(warm)]
            for symbol, price in prices.items()
        }
        super().__init__(candles, first_ms)
        self.symbols = (traded,)
        self._plans: dict[str, deque[Callable[[], Decimal]]] = {symbol: deque() for symbol in prices}

    def bars(self, open_ms: int) -> tuple[MarketBar, ...]:
        for symbol, known in self._candles.items():
            while known[-1].open_ms < open_ms:
                known.append(self._next(symbol, known))
        return super().bars(open_ms)

    def _next(self, symbol: str, known: Sequence[Candle]) -> Candle:
        plan = self._plans[symbol]
        close = plan.popleft()() if plan else known[-1].close
        return self._candle(symbol, known[-1].open_ms + MINUTE_MS, known[-1].close, close)

    def _quiet(self, symbol: str, open_ms: int, price: Decimal) -> Candle:
        return self._candle(symbol, open_ms, price, price)

    def _candle(self, symbol: str, open_ms: int, opened: Decimal, close: Decimal) -> Candle:
        instrument = self._instruments[symbol]
        high = instrument.ceil_price(max(opened, close) * (1 + self._reach))
        low = max(instrument.floor_price(min(opened, close) * (1 - self._reach)), instrument.tick_size)
        return Candle(open_ms, opened, high, low, close, (_TURNOVER / close).quantize(Decimal("0.001")))

    # What a scenario asks for

    def busy(self, symbol: str) -> bool:
        return bool(self._plans[symbol])

    def last(self, symbol: str) -> Decimal:
        """Where the candle that is under way will close."""
        return self._candles[symbol][-1].close

    def move(self, symbol: str, target: Callable[[], Decimal], bars: int) -> None:
        """To a price, in equal steps over so many bars."""
        for left in range(bars, 0, -1):
            self._plans[symbol].append(lambda left=left: self._step(symbol, target(), left))  # type: ignore[misc]

    def _step(self, symbol: str, target: Decimal, left: int) -> Decimal:
        here = self.last(symbol)
        return self._instruments[symbol].floor_price(here + (target - here) / left)

    def signal(self, symbol: str, strategy: Strategy) -> None:
        """The next candles are such that the strategy gives a signal: one down where it must, then one up."""
        if self._rise(symbol, strategy) is None:
            self._plans[symbol].append(lambda: self._fall(symbol, strategy))
        self._plans[symbol].append(lambda: self._rise(symbol, strategy) or self.last(symbol))

    def _rise(self, symbol: str, strategy: Strategy) -> Decimal | None:
        """The least close of the next candle that is a signal."""
        return self._search(symbol, strategy, 1, lambda known: isinstance(strategy.evaluate(symbol, known), Signal))

    def _fall(self, symbol: str, strategy: Strategy) -> Decimal:
        """The least fall after which a rise can be a signal."""
        known = self._candles[symbol]

        def ready(after: Sequence[Candle]) -> bool:
            up = self._candle(symbol, after[-1].open_ms + MINUTE_MS, after[-1].close, known[-1].close * 2)
            return isinstance(strategy.evaluate(symbol, [*after, up][-strategy.needs :]), Signal)

        found = self._search(symbol, strategy, -1, ready)
        return known[-1].close if found is None else found

    def _search(
        self, symbol: str, strategy: Strategy, way: int, fits: Callable[[Sequence[Candle]], bool]
    ) -> Decimal | None:
        known = self._candles[symbol]
        here, instrument = known[-1].close, self._instruments[symbol]
        tail = known[-strategy.needs :]
        for tries in range(1, _TRIES + 1):
            close = instrument.floor_price(here * (1 + way * tries * REACH / 2))
            candle = self._candle(symbol, known[-1].open_ms + MINUTE_MS, here, close)
            if fits([*tail, candle][-strategy.needs :]):
                return close
        return None

    def closes_ms(self, symbol: str) -> int:
        """When the candle that is under way closes."""
        return self._candles[symbol][-1].open_ms + MINUTE_MS
