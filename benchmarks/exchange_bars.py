"""Base candles per second through the simulated exchange: step, snapshot, and the last 100 candles.

Run: python benchmarks/exchange_bars.py [bars]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tradectl.config.schema import Config
from tradectl.sim.embedded import Embedded, open_embedded


async def run(exchange: Embedded, bars: int) -> float:
    """Bars per second over `bars` bars."""
    symbol = exchange.feed.symbols[0]
    started = time.perf_counter()
    for _ in range(bars):
        exchange.step()
        await exchange.venue.snapshot()
        await exchange.venue.candles(symbol, exchange.interval, 100)
    return bars / (time.perf_counter() - started)


def candles_cost(exchange: Embedded, calls: int) -> float:
    """Microseconds of one candles(100) at the feed."""
    market_ms = exchange.host.state.market_ms
    symbol = exchange.feed.symbols[0]
    started = time.perf_counter()
    for _ in range(calls):
        exchange.feed.candles(symbol, exchange.interval, 100, market_ms)
    return (time.perf_counter() - started) / calls * 1e6


def main(bars: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        places = (
            ("memory", None, True),
            ("file, not durable", Path(folder) / "fast.db", False),
            ("file, durable", Path(folder) / "durable.db", True),
        )
        for name, path, durable in places:
            exchange = open_embedded(Config(), path, wall_ms=lambda: 0, durable=durable)
            rate = asyncio.run(run(exchange, bars))
            print(f"{name:20} {rate:8.0f} bars/s   candles(100) {candles_cost(exchange, 2000):5.1f} us")
            exchange.host.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
