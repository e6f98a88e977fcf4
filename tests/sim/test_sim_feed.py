"""Feeds: what moves the exchange, what candles are seen, and that nothing is seen early."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_data import candle_folder
from sim_actions import SYMBOL, config, in_memory, wall

from tradectl.domain.candle import DAY_MS, HOUR_MS, INTERVALS_MS, MINUTE_MS, Candle
from tradectl.errors import ConfigError
from tradectl.sim.embedded import Embedded, open_embedded
from tradectl.sim.feed import Aggregator, bar_ops, day_turnover
from tradectl.sim.ops import AdvanceBars, ApplyFunding, MarketBar

D = Decimal
T0 = 1_700_006_400_000  # 2023-11-15T00:00Z
HEAD = "ts,open,high,low,close,volume\n"


def write(folder: Path, name: str, opens: list[int], price: int = 10) -> Path:
    path = folder / name
    path.write_text(HEAD + "".join(f"{at},{price},{price + 1},{price - 1},{price},3\n" for at in opens))
    return path


def replay(*files: Path, **options: object) -> Embedded:
    return open_embedded(config(), None, wall_ms=wall, replay_files=files, **options)  # type: ignore[arg-type]


def bar(interval_ms: int) -> MarketBar:
    return MarketBar(SYMBOL, T0, interval_ms, D(10), D(11), D(9), D(10), None, None)


def test_a_generated_market_opens_with_enough_candles_to_decide_on() -> None:
    exchange = in_memory()
    candles = exchange.feed.candles(SYMBOL, "5m", 1000, exchange.host.state.market_ms)
    assert len(candles) == 300
    assert candles[-1].open_ms + 300_000 == exchange.host.state.market_ms == exchange.feed.first_ms
    assert candles[-1].close == exchange.host.state.prices[SYMBOL].last


def test_the_ticker_says_what_was_traded_in_the_last_24_hours() -> None:
    exchange = in_memory()
    for _ in range(3):
        ticker = asyncio.run(exchange.venue.ticker(SYMBOL))
        day = exchange.feed.candles(SYMBOL, "5m", 288, exchange.host.state.market_ms)
        assert ticker.quote_volume_24h == sum(c.volume * c.close for c in day) and ticker.quote_volume_24h > 10**9
        exchange.step()


def test_a_record_shorter_than_a_day_says_nothing_of_24_hours_and_a_gap_is_not_filled_up(tmp_path: Path) -> None:
    grid = [T0 + index * HOUR_MS for index in range(30) if index not in (10, 11)]
    market = replay(write(tmp_path, f"TEST_{SYMBOL}_1h.csv", grid))
    seen = {hours: day_turnover(market.feed, SYMBOL, T0 + hours * HOUR_MS) for hours in (1, 23, 24, 25, 29)}
    assert seen == {1: None, 23: None, 24: 22 * 30, 25: 22 * 30, 29: 22 * 30}


def test_no_candle_is_seen_before_it_has_closed() -> None:
    exchange = in_memory()
    for _ in range(50):
        assert exchange.step()
        market_ms = exchange.host.state.market_ms
        newest = exchange.feed.candles(SYMBOL, "5m", 1, market_ms)[-1]
        assert newest.open_ms + 300_000 == market_ms
        assert newest.close == exchange.host.state.prices[SYMBOL].last


def test_the_same_seed_is_the_same_run_and_another_is_not() -> None:
    def closes(seed: int) -> list[Decimal]:
        exchange = in_memory(seed=seed)
        for _ in range(30):
            exchange.step()
        return [c.close for c in exchange.feed.candles(SYMBOL, "5m", 30, exchange.host.state.market_ms)]

    assert closes(7) == closes(7) != closes(8)


@settings(max_examples=60, deadline=None)
@given(
    ratio=st.sampled_from([2, 3, 5, 15]),
    missing=st.sets(st.integers(0, 99), max_size=60),
    asked=st.lists(st.integers(1, 110), min_size=1, max_size=8),
)
def test_wider_candles_are_what_their_parts_make(ratio: int, missing: set[int], asked: list[int]) -> None:
    base = [
        Candle(T0 + i * MINUTE_MS, D(i), D(i + 5), D(i - 5), D(i + 1), D(i))
        for i in range(100, 200)
        if i - 100 not in missing
    ]
    base = [Candle(c.open_ms - 100 * MINUTE_MS, c.open, c.high, c.low, c.close, c.volume) for c in base]
    wide = Aggregator(MINUTE_MS, ratio * MINUTE_MS)
    for at in sorted(asked):
        now = T0 + at * MINUTE_MS
        wide.take([c for c in base if c.open_ms > wide.seen_ms and c.open_ms + MINUTE_MS <= now], now)
        expected = []
        for start in range(T0, now - ratio * MINUTE_MS + 1, ratio * MINUTE_MS):
            parts = [c for c in base if start <= c.open_ms < start + ratio * MINUTE_MS]
            if parts:
                expected.append(
                    Candle(
                        start,
                        parts[0].open,
                        max(p.high for p in parts),
                        min(p.low for p in parts),
                        parts[-1].close,
                        sum((p.volume for p in parts), D(0)),
                    )
                )
        assert wide.last(1000, now) == expected
        assert wide.last(2, now) == expected[-2:]


def test_funding_at_the_opening_comes_before_the_bar() -> None:
    ops = bar_ops((bar(HOUR_MS),), [(T0, ((SYMBOL, D("0.0001")),))])
    assert ops == (ApplyFunding(T0, ((SYMBOL, D("0.0001")),)), AdvanceBars((bar(HOUR_MS),)))


def test_funding_inside_a_long_bar_falls_between_its_points() -> None:
    rates = ((SYMBOL, D("0.0001")),)
    eight, sixteen = T0 + 8 * HOUR_MS, T0 + 16 * HOUR_MS
    ops = bar_ops((bar(DAY_MS),), [(T0, rates), (eight, rates), (sixteen, rates)])
    assert [type(op).__name__ for op in ops] == ["ApplyFunding", "AdvanceBars"] * 3
    assert [op.phases for op in ops if isinstance(op, AdvanceBars)] == [(0, 1), (2,), (3,)]


def test_replayed_funding_uses_the_record_and_the_configured_rate_outside_it(tmp_path: Path) -> None:
    path = write(tmp_path, "BYBIT_SOLUSDT_1h.csv", [T0 + i * HOUR_MS for i in range(48)])
    (tmp_path / "BYBIT_SOLUSDT_funding.csv").write_text(f"ts,rate\n{T0 + 8 * HOUR_MS + 3},0.0007\n")
    exchange = replay(path)
    paid = []
    at_ms = T0
    while (ops := exchange.feed.next_ops(at_ms)) is not None:
        paid += [(op.at_ms, op.rates[0][1]) for op in ops if isinstance(op, ApplyFunding)]
        at_ms += HOUR_MS
    assert paid == [
        (T0, D("0.0001")),
        (T0 + 8 * HOUR_MS, D("0.0007")),
        *((T0 + hours * HOUR_MS, D("0.0001")) for hours in (16, 24, 32, 40)),
    ]


def test_a_replay_ends_and_keeps_its_gaps(tmp_path: Path) -> None:
    opens = [T0 + i * HOUR_MS for i in (0, 1, 5, 6)]
    exchange = replay(write(tmp_path, "BYBIT_SOLUSDT_1h.csv", opens))
    seen = [exchange.host.state.market_ms]
    while exchange.step():
        seen.append(exchange.host.state.market_ms)
    assert seen == [at + HOUR_MS for at in opens]
    assert not exchange.step()
    assert any("3 bar(s) missing" in notice for notice in exchange.notices)


def test_two_replayed_symbols_move_together_by_time(tmp_path: Path) -> None:
    sol = write(tmp_path, "BYBIT_SOLUSDT_1h.csv", [T0, T0 + HOUR_MS, T0 + 3 * HOUR_MS])
    eth = write(tmp_path, "BYBIT_ETHUSDT_1h.csv", [T0 + HOUR_MS, T0 + 2 * HOUR_MS], price=2000)
    feed = replay(sol, eth).feed
    moved = []
    at_ms = T0
    while (ops := feed.next_ops(at_ms)) is not None:
        bars = next(op.bars for op in ops if isinstance(op, AdvanceBars))
        moved.append([(b.symbol, (b.open_ms - T0) // HOUR_MS) for b in bars])
        at_ms = bars[0].open_ms + HOUR_MS
    assert moved == [
        [("SOLUSDT", 0)],
        [("ETHUSDT", 1), ("SOLUSDT", 1)],
        [("ETHUSDT", 2)],
        [("SOLUSDT", 3)],
    ]


def test_a_finer_interval_than_the_candles_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "BYBIT_SOLUSDT_1h.csv", [T0, T0 + HOUR_MS])
    with pytest.raises(ConfigError, match="5m candles cannot be made of 1h candles"):
        replay(path, interval="5m")


def test_wider_candles_than_the_replayed_ones_are_made(tmp_path: Path) -> None:
    opens = [T0 + i * 300_000 for i in range(30)]
    exchange = replay(write(tmp_path, "BYBIT_SOLUSDT_5m.csv", opens), interval="15m")
    while exchange.step():
        candles = exchange.feed.candles(SYMBOL, "15m", 100, exchange.host.state.market_ms)
        assert len(candles) == (exchange.host.state.market_ms - T0) // 900_000
    assert candles[0] == Candle(T0, D(10), D(11), D(9), D(10), D(9))


def test_a_replay_does_not_run_on_a_wall_clock(tmp_path: Path) -> None:
    path = write(tmp_path, "BYBIT_SOLUSDT_1h.csv", [T0])
    with pytest.raises(ConfigError, match="wall clock"):
        open_embedded(config(clock="wall"), None, wall_ms=wall, replay_files=[path])


@pytest.mark.parametrize("name", ["BYBIT_SOLUSDT_5m_202509-202512", "BINANCEUSDM_SUIUSDT_1m_202601-202602"])
def test_real_candles_run_through_the_exchange(name: str) -> None:
    path = candle_folder() / f"{name}.parquet"
    exchange = replay(path)
    (symbol,) = exchange.feed.symbols
    for _ in range(2000):
        assert exchange.step()
    market_ms = exchange.host.state.market_ms
    last = exchange.feed.candles(symbol, exchange.interval, 1, market_ms)[0]
    assert last.close == exchange.host.state.prices[symbol].last
    assert market_ms - last.open_ms == INTERVALS_MS[exchange.interval]
