"""Day, peak and streak: definitions of spec, held over midnight, downtime and transfers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain import risk_state
from tradectl.domain.candle import DAY_MS, day_of
from tradectl.domain.money import divide
from tradectl.domain.risk_state import RiskState, first_state, observe_equity

NOON = 1_700_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
D = Decimal
MONEY = st.integers(100, 10_000_000).map(lambda n: D(n) / 100)


def at_noon(equity: str = "1000") -> RiskState:
    return first_state(D(equity), NOON)


def test_daily_loss_is_the_worse_of_realised_and_total() -> None:
    state = risk_state.book_cash(at_noon(), D("-30"), NOON)
    assert state.daily_loss(D("990")) == D("0.03")
    assert state.daily_loss(D("950")) == D("0.05")
    assert state.daily_loss(D("1100")) == D("0.03")


def test_a_profitable_day_has_no_loss_and_no_drawdown() -> None:
    assert at_noon().daily_loss(D("1001")) == 0
    assert at_noon().drawdown(D("1001")) == 0


def test_running_over_midnight_the_new_day_starts_with_midnights_equity() -> None:
    midnight = NOON + DAY_MS // 2
    state = observe_equity(at_noon(), D("980"), midnight, D("0"), 60_000)
    assert (state.day, state.day_start_equity, state.day_start_estimated) == (day_of(midnight), D("980"), False)
    assert state.realised_today == 0


def test_down_over_midnight_the_stricter_reading_is_taken_and_marked() -> None:
    morning = NOON + DAY_MS - 3_600_000
    lost_since = observe_equity(at_noon("1000"), D("940"), morning, D("-50"), 60_000)
    assert (lost_since.day_start_equity, lost_since.day_start_estimated) == (D("1000"), True)
    won_since = observe_equity(at_noon("1000"), D("1100"), morning, D("20"), 60_000)
    assert won_since.day_start_equity == D("1080")
    assert won_since.realised_today == D("20")


def test_a_clock_that_steps_back_does_not_start_a_day_again() -> None:
    state = at_noon()
    back = observe_equity(state, D("900"), NOON - DAY_MS, D("0"), 60_000)
    assert (back.day, back.day_start_equity) == (state.day, state.day_start_equity)


def test_only_losing_trades_lengthen_a_streak_and_break_even_ends_it() -> None:
    state = at_noon()
    for net in ("-1", "-0.01"):
        state = risk_state.book_trade(state, D(net), NOON)
    assert (state.streak, state.streak_at_ms) == (2, NOON)
    assert risk_state.book_trade(state, D("0"), NOON + 1).streak == 0


@given(MONEY, MONEY, st.integers(-9_000, 1_000_000), MONEY.map(lambda amount: -amount))
def test_a_transfer_is_neither_profit_nor_loss(start: Decimal, equity: Decimal, share: int, lost: Decimal) -> None:
    state = observe_equity(first_state(start, NOON), equity, NOON + 1, D(0), 0)
    state = risk_state.book_cash(state, lost, NOON)
    transfer = equity * share / 10_000
    moved = risk_state.transfer(state, transfer, equity)
    after = equity + transfer
    assert abs(moved.drawdown(after) - state.drawdown(equity)) < D("1E-9")
    assert abs(moved.daily_loss(after) - state.daily_loss(equity)) < D("1E-9")


def test_a_transfer_against_no_equity_is_refused() -> None:
    with pytest.raises(ValueError, match="positive equity"):
        risk_state.transfer(at_noon(), D(10), D(0))


@given(st.lists(MONEY, min_size=1, max_size=50))
def test_the_peak_is_the_highest_equity_ever_seen(equities: list[Decimal]) -> None:
    state = first_state(equities[0], NOON)
    for step, equity in enumerate(equities[1:], 1):
        state = observe_equity(state, equity, NOON + step * 1000, D(0), 60_000)
    assert state.peak_equity == max(equities)
    assert state.drawdown(equities[-1]) == divide(max(equities) - equities[-1], max(equities))
