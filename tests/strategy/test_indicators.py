"""Indicators against their definitions, worked out the long way."""

from __future__ import annotations

import statistics
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain import indicators
from tradectl.domain.candle import Candle

D = Decimal
prices = st.floats(0.01, 1e6)


def bar(high, low, close, index=0) -> Candle:
    return Candle(index, D(close), D(high), D(low), D(close), D(1))


@st.composite
def bars(draw):
    rows = []
    for index in range(draw(st.integers(1, 60))):
        low, middle, high = sorted(draw(st.lists(st.integers(1, 10_000), min_size=3, max_size=3)))
        rows.append(bar(high, low, middle, index))
    return rows


def test_a_simple_average_has_one_value_per_full_window():
    assert indicators.sma([1.0, 2.0, 3.0, 4.0], 2) == [1.5, 2.5, 3.5]
    assert indicators.sma([1.0], 2) == []


@given(values=st.lists(prices, max_size=50), more=st.lists(prices, max_size=10), period=st.integers(1, 12))
def test_appending_values_never_changes_earlier_averages(values, more, period):
    early = indicators.sma(values, period)
    assert indicators.sma(values + more, period)[: len(early)] == early


def test_the_true_range_spans_a_gap_from_the_previous_close():
    rows = [bar(11, 9, 10), bar(14, 13, 13), bar(9, 8, 8), bar(9, 7, 8)]
    assert indicators.true_ranges(rows) == [4.0, 5.0, 2.0]
    assert indicators.true_ranges(rows[:1]) == []


def test_wilders_smoothing_starts_with_a_mean_and_moves_by_a_share_of_the_difference():
    assert indicators.wilder([1.0, 2.0, 3.0, 8.0], 3) == [2.0, 4.0]
    assert indicators.wilder([1.0], 3) == []


@given(rows=bars(), more=bars(), period=st.integers(1, 20))
def test_appending_candles_never_changes_an_earlier_range(rows, more, period):
    early = indicators.atr(rows, period)
    assert len(early) == max(len(rows) - period, 0)
    assert indicators.atr(rows + more, period)[: len(early)] == early
    assert all(value >= 0 for value in early)


@given(rows=bars(), period=st.integers(1, 20))
def test_atr_percent_belongs_to_the_same_candles_close(rows, period):
    shares = indicators.atr_percent(rows, period)
    averages = indicators.atr(rows, period)
    assert shares == [a / float(c.close) for a, c in zip(averages, rows[len(rows) - len(averages) :], strict=True)]


@given(values=st.lists(prices, min_size=1, max_size=40))
def test_the_median_is_the_median(values):
    assert indicators.median(values) == statistics.median(values)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="median of nothing"):
        indicators.median([])
    with pytest.raises(ValueError, match="at least 1"):
        indicators.sma([1.0], 0)
    with pytest.raises(ValueError, match="at least 1"):
        indicators.wilder([1.0], 0)


def test_a_full_volatility_window_is_fast():
    rows = [bar(110 + i % 7, 90 - i % 5, 100 + i % 3, i) for i in range(220)]

    def once() -> float:
        begin = time.perf_counter()
        assert indicators.median(indicators.atr_percent(rows, 14)) > 0
        return time.perf_counter() - begin

    # The budget is 150 µs on a quiet machine; the best of many, with room for a slow and busy one.
    assert min(once() for _ in range(100)) < 600e-6
