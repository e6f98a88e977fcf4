"""ma_cross: the cross, the reverse cross, exactness, and no look-ahead."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.config.schema import Config
from tradectl.domain.candle import Candle
from tradectl.domain.position import Side
from tradectl.domain.signal import NoSignal, Signal
from tradectl.errors import NotAvailable
from tradectl.strategy import select
from tradectl.strategy.ma_cross import MaCross

D = Decimal


def candles(*closes) -> list[Candle]:
    return [Candle(i * 300_000, D(c), D(c), D(c), D(c), D(1)) for i, c in enumerate(closes)]


def test_fast_crossing_above_slow_is_a_long_signal_at_the_last_close():
    signal = MaCross(2, 3).evaluate("SOLUSDT", candles(10, 9, 8, 12))
    assert isinstance(signal, Signal)
    assert (signal.side, signal.confidence, signal.entry, signal.candle_open_ms) == (
        Side.LONG,
        D("0.70"),
        D(12),
        900_000,
    )
    assert signal.reasons[0] == "fast_crossed_above_slow" and signal.stop is None


def test_a_cross_is_signalled_once_not_as_long_as_it_lasts():
    after = MaCross(2, 3).evaluate("SOLUSDT", candles(10, 9, 8, 12, 13))
    assert isinstance(after, NoSignal) and after.reasons[:2] == ("no_cross", "fast_above_slow")


def test_fast_crossing_below_slow_is_no_signal_and_the_reason_to_leave_a_long():
    opinion = MaCross(2, 3).evaluate("SOLUSDT", candles(8, 9, 10, 5))
    assert isinstance(opinion, NoSignal) and opinion.exit_long and not opinion.exit_short
    assert opinion.reasons[0] == "fast_crossed_below_slow"


def test_too_little_history_is_said():
    opinion = MaCross(2, 3).evaluate("SOLUSDT", candles(1, 2, 3))
    assert isinstance(opinion, NoSignal) and opinion.reasons == ("insufficient_history", "candles=3/4")
    assert isinstance(MaCross(2, 3).evaluate("SOLUSDT", []), NoSignal)


@given(price=st.decimals("0.0001", "99999", places=4), fast=st.integers(1, 20), more=st.integers(1, 20))
def test_a_price_that_does_not_move_never_crosses(price, fast, more):
    strategy = MaCross(fast, fast + more)
    opinion = strategy.evaluate("SOLUSDT", candles(*[price] * (strategy.needs + 3)))
    assert isinstance(opinion, NoSignal) and opinion.reasons[:2] == ("no_cross", "averages_equal")


@given(
    closes=st.lists(st.integers(90, 110), min_size=6, max_size=60),
    later=st.lists(st.integers(1, 1000), max_size=20),
    periods=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_what_was_said_depends_on_nothing_later_and_nothing_older_than_it_needs(closes, later, periods):
    strategy = MaCross(periods[0], sum(periods))
    known, all_of_it = candles(*closes), candles(*closes, *later)
    said = [strategy.evaluate("S", known[: end + 1]) for end in range(len(known))]
    assert [strategy.evaluate("S", all_of_it[: end + 1]) for end in range(len(known))] == said
    if len(known) >= strategy.needs:
        assert strategy.evaluate("S", known[-strategy.needs :]) == said[-1]


@given(closes=st.lists(st.integers(90, 110), min_size=10, max_size=40))
def test_a_signal_is_exactly_a_change_of_sign_upwards(closes):
    strategy, rows = MaCross(3, 5), candles(*closes)

    def above(end):
        window = closes[:end]
        return sum(window[-3:]) * 5 > sum(window[-5:]) * 3

    expected = above(len(closes)) and not above(len(closes) - 1)
    assert isinstance(strategy.evaluate("S", rows), Signal) is expected


@pytest.mark.parametrize(("fast", "slow"), [(3, 3), (4, 3), (0, 3)])
def test_periods_out_of_order_are_refused(fast, slow):
    with pytest.raises(ValueError, match="fast period"):
        MaCross(fast, slow)


def test_the_period_knobs_choose_the_averages():
    config = Config.model_validate({"perps": {"fast_period": 2, "slow_period": 3}})
    assert select.make(config) == MaCross(2, 3)
    assert select.make(Config()).needs == 22


def test_a_strategy_that_is_not_built_is_refused_by_name():
    with pytest.raises(NotAvailable, match="mtf_atr"):
        select.make(Config.model_validate({"perps": {"use_multi_tf_atr_strategy": True}}))
