"""Gates on candles, quote and signal: what each says, and the knob that moves it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tradectl.domain.candle import Candle
from tradectl.domain.order import OrderStatus
from tradectl.domain.tags import Tag
from tradectl.risk.context import closed_candles
from tradectl.risk.gates import confidence, cooldown, fresh, history, new_candle, occupied, spread, volatility

D = Decimal
MINUTE = 60_000
FIVE = 5 * MINUTE


def test_history_wants_thirty_five_closed_candles(world):
    assert history.check(world.ctx(candles=world.candles[-35:])).passed
    verdict = history.check(world.ctx(candles=world.candles[-34:]))
    assert not verdict.passed and verdict.headroom == -1


def test_the_still_open_candle_is_trimmed(world):
    opening = replace(world.candles[-1], open_ms=world.candles[-1].open_ms + FIVE)
    ctx = world.ctx(candles=[*world.candles, opening])
    assert ctx.candles[-1] == world.candles[-1]


def test_a_candle_is_closed_at_the_instant_its_interval_ends(world):
    last = world.candles[-1]
    assert closed_candles([last], FIVE, last.open_ms + FIVE) == [last]
    assert closed_candles([last], FIVE, last.open_ms + FIVE - 1) == []


@pytest.mark.parametrize(("age", "passed"), [(60, True), (59, False)])
def test_the_data_age_knob_moves_freshness_of_candles(world, age, passed):
    # The newest candle's successor was due one second ago less sixty: it is sixty seconds late.
    now = world.candles[-1].open_ms + 2 * FIVE + 60_000
    account = world.account({"safety.max_data_age_seconds": age}, now_ms=now, snapshot=world.snapshot(at_ms=now))
    verdict = fresh.check(world.ctx(account, ticker=replace(world.ticker, at_ms=now)))
    assert verdict.passed is passed
    assert verdict.value == 60_000


def test_an_old_ticker_and_an_old_snapshot_refuse(world):
    old = world.now - 60_001
    assert "ticker" in fresh.check(world.ctx(ticker=replace(world.ticker, at_ms=old))).sentence
    verdict = fresh.check(world.ctx(world.account(snapshot=world.snapshot(at_ms=old))))
    assert not verdict.passed and "account snapshot" in verdict.sentence


def test_data_from_the_future_refuses(world):
    assert not fresh.check(world.ctx(ticker=replace(world.ticker, at_ms=world.now + 1_001))).passed
    assert fresh.check(world.ctx(ticker=replace(world.ticker, at_ms=world.now + 1_000))).passed


@pytest.mark.parametrize(("skew", "bound", "passed"), [(1000, 1000, True), (-1001, 1000, False), (-1001, 2000, True)])
def test_clock_skew_beyond_its_bound_refuses(world, skew, bound, passed):
    ctx = world.ctx(world.account({"venue.max_clock_skew_ms": bound}), clock_skew_ms=skew)
    assert fresh.check(ctx).passed is passed


def test_no_candles_at_all_are_not_fresh(world):
    assert not fresh.check(world.ctx(candles=[])).passed


def test_a_candle_is_decided_upon_once(world):
    newest = world.candles[-1].open_ms
    assert new_candle.check(world.ctx()).passed
    assert new_candle.check(world.ctx(processed_open_ms=newest - FIVE)).passed
    assert not new_candle.check(world.ctx(processed_open_ms=newest)).passed
    assert not new_candle.check(world.ctx(processed_open_ms=newest + FIVE)).passed


@pytest.mark.parametrize(("floor", "passed"), [("0.70", True), ("0.71", False)])
def test_the_confidence_floor_knob_moves_the_gate(world, floor, passed):
    ctx = world.ctx(world.account({"risk.confidence.floor": D(floor)}))
    assert confidence.check(ctx, world.signal()).passed is passed


@pytest.mark.parametrize(("hours", "passed"), [("4", False), ("1", True), ("0", True)])
def test_the_cooldown_knob_moves_the_rest_after_a_signal(world, hours, passed):
    account = world.account(
        {"risk.signal_cooldown_hours": D(hours)}, signalled_ms={world.symbol: world.now - 60 * MINUTE}
    )
    assert cooldown.check(world.ctx(account), world.signal()).passed is passed


@pytest.mark.parametrize(("seconds", "passed"), [(0, True), (61, False), (60, True)])
def test_the_partial_close_knob_moves_the_rest_after_a_partial_close(world, seconds, passed):
    account = world.account(
        {"risk.partial_close_cooldown_seconds": seconds}, partially_closed_ms={world.symbol: world.now - MINUTE}
    )
    assert cooldown.check(world.ctx(account), world.signal()).passed is passed


def test_a_partial_close_keeps_every_symbol_out_and_names_the_one(world):
    account = world.account(
        {"risk.partial_close_cooldown_seconds": 120},
        partially_closed_ms={"ETHUSDT": world.now - MINUTE, world.symbol: world.now - 5 * MINUTE},
    )
    verdict = cooldown.check(world.ctx(account), world.signal())
    assert not verdict.passed and (verdict.value, verdict.limit) == (1, 2)
    assert verdict.sentence == "no new opens after the last partial close (ETHUSDT): 1.0 of 2.0 minutes have passed"


def wild(world, reach: str, bars: int = 30):
    """Calm candles whose last `bars` range `reach` to either side."""
    calm, half = list(world.candles), D(reach)
    return [*calm[:-bars], *(Candle(c.open_ms, c.open, c.close + half, c.close - half, c.close, c.volume)
                             for c in calm[-bars:])]  # fmt: skip


def test_a_market_far_wilder_than_its_habit_refuses(world):
    verdict = volatility.check(world.ctx(candles=wild(world, "2")), world.signal())
    assert not verdict.passed and verdict.tag is Tag.SAFETY_VOLATILITY
    assert verdict.value is not None and 8 < verdict.value < 10
    assert volatility.check(world.ctx(), world.signal()).value == 1


def test_the_volatility_knobs_move_the_gate(world):
    candles, crisis = wild(world, "2"), "risk_management.crisis_mode."

    def value(**knobs):
        account = world.account({crisis + key: knob for key, knob in knobs.items()})
        return volatility.check(world.ctx(account, candles=candles), world.signal())

    assert value(volatility_multiplier=D(20)).passed
    assert value(lookback_bars=30).passed  # the wild bars are most of such a short habit
    assert value(atr_period=100).value < value(atr_period=14).value


def test_too_little_history_for_volatility_passes_and_says_so(world):
    verdict = volatility.check(world.ctx(candles=wild(world, "2")[-48:]), world.signal())
    assert verdict.passed and "not judged" in verdict.sentence
    assert "not judged" not in volatility.check(world.ctx(candles=world.candles[-49:]), world.signal()).sentence


def test_a_motionless_market_cannot_be_judged_wild(world):
    verdict = volatility.check(world.ctx(candles=world.steady_candles(reach="0")), world.signal())
    assert verdict.passed and "not judged" in verdict.sentence


@pytest.mark.parametrize(("limit", "passed"), [("0.01", False), ("0.02", True)])
def test_the_spread_knob_moves_the_gate(world, limit, passed):
    ticker = replace(world.ticker, bid=D(99), ask=D("100.5"))
    ctx = world.ctx(world.account({"market.max_spread_pct": D(limit)}), ticker=ticker)
    verdict = spread.check(ctx, world.signal())
    assert verdict.passed is passed
    assert passed or verdict.tag is Tag.SIGNAL_REJECTED_SPREAD


@pytest.mark.parametrize(("bid", "ask"), [("0", "100"), ("101", "100")])
def test_a_spread_that_cannot_be_judged_passes_and_says_so(world, bid, ask):
    verdict = spread.check(world.ctx(ticker=replace(world.ticker, bid=D(bid), ask=D(ask))), world.signal())
    assert verdict.passed and "not judged" in verdict.sentence


def test_a_symbol_is_occupied_by_whatever_holds_or_may_hold_it(world):
    free = world.account()
    assert occupied.check(world.ctx(free), world.signal()).passed
    taken = [
        replace(free, snapshot=world.snapshot(positions=(world.position(world.symbol),))),
        replace(free, snapshot=world.snapshot(orders=(world.order(),))),
        replace(free, in_doubt={world.symbol: 1}),
        replace(free, pending_symbols=frozenset({world.symbol})),
    ]
    for account in taken:
        verdict = occupied.check(world.ctx(account), world.signal())
        assert not verdict.passed and verdict.tag is Tag.SAFETY_EXPOSURE_BLOCK
    assert not occupied.check(world.ctx(free, local_open=True), world.signal()).passed


def test_other_symbols_and_reducing_or_ended_orders_do_not_occupy(world):
    snapshot = world.snapshot(
        positions=(world.position("BTCUSDT"),),
        orders=(
            world.order(reduce_only=True),
            world.order(status=OrderStatus.CANCELED),
            world.order("BTCUSDT"),
        ),
    )
    account = world.account(snapshot=snapshot, in_doubt={"BTCUSDT": 1, world.symbol: 0})
    assert occupied.check(world.ctx(account), world.signal()).passed
