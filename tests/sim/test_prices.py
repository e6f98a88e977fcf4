"""Generated prices: determinism, resumption from an anchor, and the shape of the path."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from statistics import mean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradectl.domain.candle import Candle
from tradectl.domain.instrument import Instrument, Tier
from tradectl.sim.prices import (
    Anchor,
    PathModel,
    anchors_from,
    anchors_text,
    first_anchor,
    next_bar,
    path_model,
)

FIVE_MINUTES = 300_000


def instrument(symbol: str = "SOLUSDT", tick: str = "0.01") -> Instrument:
    return Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=Decimal(tick),
        qty_step=Decimal("0.1"),
        min_qty=Decimal("0.1"),
        min_notional=Decimal(5),
        max_market_qty=Decimal(5000),
        tiers=(Tier(Decimal(10**9), Decimal(50), Decimal("0.01")),),
    )


def draw(model: PathModel, count: int, anchor: Anchor | None = None) -> tuple[list[Candle], Anchor]:
    at = anchor or first_anchor(model)
    bars = []
    for _ in range(count):
        bar, at = next_bar(model, at, at.index * model.interval_ms)
        bars.append(bar)
    return bars, at


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), tick=st.sampled_from(["0.0001", "0.01", "0.5", "10"]))
def test_every_bar_is_consistent_continuous_and_on_the_tick(seed: int, tick: str) -> None:
    model = path_model(seed, instrument("NEWUSDT", tick), FIVE_MINUTES)
    bars, _ = draw(model, 120)
    assert bars[0].open == model.start
    for before, bar in pairwise(bars):
        assert bar.open == before.close
    for bar in bars:
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume >= 0
        for price in (bar.open, bar.high, bar.low, bar.close):
            assert price % Decimal(tick) == 0


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(1, 99), seed=st.integers(0, 1000))
def test_resuming_from_a_written_anchor_gives_the_same_bars(cut: int, seed: int) -> None:
    model = path_model(seed, instrument(), FIVE_MINUTES)
    whole, end = draw(model, 100)
    _, anchor = draw(model, cut)
    read_back = anchors_from(anchors_text({"SOLUSDT": anchor}))["SOLUSDT"]
    rest, resumed_end = draw(model, 100 - cut, read_back)
    assert rest == whole[cut:]
    assert resumed_end == end


def test_seed_and_symbol_each_change_the_path() -> None:
    ours, _ = draw(path_model(7, instrument(), FIVE_MINUTES), 20)
    other_seed, _ = draw(path_model(8, instrument(), FIVE_MINUTES), 20)
    other_symbol, _ = draw(path_model(7, instrument("ETHUSDT"), FIVE_MINUTES), 20)
    assert ours != other_seed
    assert [b.close for b in ours] != [b.close for b in other_symbol]


def test_another_process_draws_the_same_bars() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/sim')\n"
        "from test_prices import draw, path_model, instrument, FIVE_MINUTES\n"
        "print(draw(path_model(7, instrument(), FIVE_MINUTES), 400)[0][-1])"
    )
    root = str(Path(__file__).resolve().parents[2])
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True,
                           env={**os.environ, "PYTHONHASHSEED": "99", "PYTHONPATH": root}).stdout  # fmt: skip
    assert shown.strip() == str(draw(path_model(7, instrument(), FIVE_MINUTES), 400)[0][-1])


def test_the_path_is_pinned() -> None:
    """A change of the model changes every seeded session: it must be seen, and noted in the changelog."""
    last = draw(path_model(7, instrument(), FIVE_MINUTES), 1000)[0][-1]
    assert (last.open, last.high, last.low, last.close) == tuple(map(Decimal, PINNED))


PINNED = ("164.92", "164.99", "164.53", "164.62")


def test_returns_have_fat_tails_and_clustered_volatility() -> None:
    bars, _ = draw(path_model(7, instrument(), FIVE_MINUTES), 12_000)
    returns = [float(b.close / a.close - 1) for a, b in pairwise(bars)]
    deviation = pstdev(returns)
    kurtosis = mean(r**4 for r in returns) / deviation**4
    sizes = [abs(r) for r in returns]
    centre = mean(sizes)
    clustering = sum((a - centre) * (b - centre) for a, b in zip(sizes, sizes[10:], strict=False)) / sum(
        (a - centre) ** 2 for a in sizes
    )
    assert 0.001 < deviation < 0.01
    assert kurtosis > 5  # a normal has 3
    assert clustering > 0.05  # ten bars apart; white noise has none


def test_a_declared_start_price_is_where_the_path_begins() -> None:
    model = path_model(7, instrument("NEWUSDT"), FIVE_MINUTES, Decimal("42.5"))
    assert draw(model, 1)[0][0].open == Decimal("42.5")


def test_text_that_is_no_checkpoint_is_refused() -> None:
    for bad in ("[]", "{", '{"SOLUSDT": 3}', '{"SOLUSDT": [1, "x", "0.1"]}'):
        with pytest.raises(ValueError):
            anchors_from(bad)
