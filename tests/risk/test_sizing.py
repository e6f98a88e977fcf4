"""Sizing, its caps and the gates on a size: each knob moves what it says it moves."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tradectl.domain.instrument import Tier
from tradectl.domain.position import Side
from tradectl.domain.signal import SymbolRefusal
from tradectl.domain.tags import Tag
from tradectl.risk import pipeline
from tradectl.risk.context import Costs, with_pending

D = Decimal


def loose(**knobs):
    """Knobs under which only the risk itself decides the size, apart from those given."""
    return {"perps.cash_deploy_cap": D(4), "risk.max_exposure_pct": D(10), **knobs}


def names(sized):
    return [cap.name for cap in sized.caps]


def test_the_size_is_risk_over_stop_distance(world):
    sized = world.sized(world.ctx(world.account(loose())))
    # 0.5% of 10000 is 50; entry 100.01, stop 99.0099 rounded up to 99.01: 50 at a distance of 1.00
    assert (sized.reference_price, sized.stop_price, sized.qty) == (D("100.01"), D("99.01"), 50)
    assert sized.risk_amount == 50 and sized.caps == ()


def test_the_risk_knob_moves_the_size(world):
    assert world.sized(world.ctx(world.account(loose(**{"perps.risk_pct": D("0.0025")})))).qty == 25


def test_the_stop_knob_moves_stop_and_size(world):
    sized = world.sized(world.ctx(world.account(loose(**{"perps.stop_loss_pct": D("0.02")}))))
    assert sized.stop_price == D("98.01") and sized.qty == 25


def test_the_target_knob_moves_the_target(world):
    assert world.sized(world.ctx()).target_price == D("102.01")
    sized = world.sized(world.ctx(world.account({"perps.take_profit_pct": D("0.03")})))
    assert sized.target_price == D("103.01")


@pytest.mark.parametrize(("confidence", "qty"), [("0.85", 75), ("0.84", 50), ("0.60", 50), ("0.59", 25), ("0.45", 25)])
def test_confidence_scales_the_size_in_its_bands(world, confidence, qty):
    assert world.sized(world.ctx(world.account(loose())), world.signal(confidence=D(confidence))).qty == qty


@pytest.mark.parametrize(
    ("knob", "value", "qty"),
    [("high", "0.70", 75), ("high_scale", "2", 50), ("low", "0.71", 25), ("low_scale", "0.1", 50)],
)
def test_the_confidence_knobs_move_the_bands(world, knob, value, qty):
    ctx = world.ctx(world.account(loose(**{f"risk.confidence.{knob}": D(value)})))
    assert world.sized(ctx).qty == qty


def test_the_confidence_scales_are_the_configs(world):
    account = world.account(loose(**{"risk.confidence.high_scale": D(1), "risk.confidence.low_scale": D("0.2")}))
    assert world.sized(world.ctx(account), world.signal(confidence=D("0.9"))).qty == 50
    assert world.sized(world.ctx(account), world.signal(confidence=D("0.5"))).qty == 10


@pytest.mark.parametrize(
    ("knob", "tight", "cap"),
    [
        ("perps.cash_deploy_cap", D("0.1"), "cash_deploy"),
        ("risk.max_single_position_margin_pct_equity", D("0.02"), "single_margin"),
        ("risk.max_aggregate_margin_pct_equity", D("0.02"), "aggregate_margin"),
        ("risk.auction_max_margin_util", D("0.02"), "margin_budget"),
        ("risk.max_exposure_pct", D("0.1"), "exposure"),
        ("risk.max_position_usd", D(200), "max_position_usd"),
    ],
)
def test_each_cap_binds_says_so_and_shrinks_the_size(world, knob, tight, cap):
    sized = world.sized(world.ctx(world.account(loose(**{knob: tight}))))
    assert names(sized) == [cap]
    bound = sized.caps[0]
    assert "size capped from 5000.50 to" in bound.sentence and bound.after_notional < bound.before_notional
    assert sized.notional <= bound.after_notional and sized.qty < 10
    verdict = next(v for v in sized.verdicts if v.gate == cap)
    assert verdict.passed and verdict.value <= verdict.limit and verdict.headroom >= 0


def test_caps_apply_in_order_and_each_that_binds_is_named(world):
    knobs = {"perps.cash_deploy_cap": D("0.3"), "risk.max_exposure_pct": D("0.1")}
    assert names(world.sized(world.ctx(world.account(knobs)))) == ["cash_deploy", "exposure"]


def test_exposure_shrinks_to_the_headroom_or_refuses(world):
    snapshot = world.snapshot(positions=(world.position(notional=D(19_800), margin=D(600)),))
    sized = world.sized(world.ctx(world.account(snapshot=snapshot)))
    assert "exposure" in names(sized) and sized.notional <= 200
    full = world.snapshot(positions=(world.position(notional=D(20_000), margin=D(600)),))
    refused = world.refusal(world.ctx(world.account(snapshot=full)))
    assert refused.refused_by.gate == "exposure" and refused.refused_by.tag is Tag.SAFETY_SIZE_CAPPED
    assert refused.signal is not None


@pytest.mark.parametrize("cap", ["aggregate_margin", "margin_budget"])
def test_margin_held_and_margin_pending_count_against_the_same_limit(world, cap):
    knob = {"aggregate_margin": "risk.max_aggregate_margin_pct_equity", "margin_budget": "risk.auction_max_margin_util"}
    snapshot = world.snapshot(positions=(world.position(notional=D(1000), margin=D(500)),))
    account = world.account({knob[cap]: D("0.10")}, snapshot=snapshot, pending_margin=D(400))
    sized = world.sized(world.ctx(account))
    assert names(sized)[-1] == cap and 95 < sized.initial_margin <= 100
    full = replace(account, pending_margin=D(500))
    assert world.refusal(world.ctx(full)).refused_by.gate == cap


def test_margin_of_resting_orders_counts_against_the_margin_budget(world):
    snapshot = world.snapshot()
    resting = replace(snapshot, account=replace(snapshot.account, initial_margin=D(900)))
    sized = world.sized(world.ctx(world.account({"risk.auction_max_margin_util": D("0.10")}, snapshot=resting)))
    assert names(sized)[-1] == "margin_budget" and sized.initial_margin <= 100


def test_resting_orders_and_pending_entries_count_as_exposure(world):
    order = world.order("BTCUSDT")  # 2 at 90
    account = world.account({"risk.max_exposure_pct": D("0.5")}, pending_notional=D(4000))
    free = world.sized(world.ctx(account))
    beside = world.sized(world.ctx(replace(account, snapshot=world.snapshot(orders=(order,)))))
    assert free.notional <= 1000 and 170 < free.notional - beside.notional < 190


def test_the_venues_available_balance_is_never_overdrawn(world):
    snapshot = world.snapshot()
    poor = replace(snapshot, account=replace(snapshot.account, available=D(101)))
    sized = world.sized(world.ctx(world.account(snapshot=poor)))
    assert names(sized)[-1] == "available_margin"
    assert sized.initial_margin + sized.notional * D("0.00055") <= 101


def test_leverage_is_the_least_of_config_limit_and_tier(world):
    assert world.sized(world.ctx(world.account({"perps.leverage": D(7)}))).leverage == 7
    assert world.sized(world.ctx(world.account({"perps.leverage": D(7), "risk.max_leverage": D(3)}))).leverage == 3
    tame = replace(world.instrument, tiers=(Tier(D(5_000_000), D(2), D("0.01")),))
    assert world.sized(world.ctx(instrument=tame)).leverage == 2


def test_a_notional_that_its_tier_forbids_at_this_leverage_is_shrunk(world):
    tiers = (Tier(D(2000), D(50), D("0.01")), Tier(D(9000), D(4), D("0.02"), D(20)))
    sized = world.sized(world.ctx(instrument=replace(world.instrument, tiers=tiers)))
    assert names(sized) == ["cash_deploy", "tier"] or names(sized) == ["tier"]
    assert sized.leverage == 5 and sized.notional <= 2000


def test_an_instrument_without_tiers_is_refused(world):
    assert world.refusal(world.ctx(instrument=replace(world.instrument, tiers=()))).refused_by.gate == "leverage"


@pytest.mark.parametrize(
    "knobs",
    [
        {"risk.min_notional_viable": D(6000)},
        {"risk.min_position_usd": D(1001)},
    ],
)
def test_dust_is_refused_after_the_caps(world, knobs):
    assert world.sized(world.ctx(world.account(loose()))).qty
    refused = world.refusal(world.ctx(world.account(loose(**knobs))))
    assert refused.refused_by.gate == "min_notional" and "dust" in refused.refused_by.sentence


def test_the_venues_own_minimum_notional_refuses_too(world):
    instrument = replace(world.instrument, min_notional=D(9000))
    assert world.refusal(world.ctx(instrument=instrument)).refused_by.gate == "min_notional"


def test_a_quantity_below_the_minimum_is_refused_not_rounded_up(world):
    instrument = replace(world.instrument, min_qty=D(60), qty_step=D(1))
    refused = world.refusal(world.ctx(world.account(loose()), instrument=instrument))
    assert refused.refused_by.gate == "precision" and "not rounded up" in refused.refused_by.sentence


def test_a_step_larger_than_the_size_is_refused(world):
    instrument = replace(world.instrument, qty_step=D(1000), min_qty=D(1000))
    assert world.refusal(world.ctx(instrument=instrument)).refused_by.value == 0


def test_a_large_order_is_split_into_tradable_slices(world):
    instrument = replace(world.instrument, max_market_qty=D("20.05"))
    sized = world.sized(world.ctx(world.account(loose()), instrument=instrument))
    assert sized.slices == (D("16.7"), D("16.7"), D("16.6")) and sum(sized.slices) == sized.qty


def test_a_market_maximum_below_the_minimum_refuses(world):
    instrument = replace(world.instrument, max_market_qty=D("0.05"))
    assert world.refusal(world.ctx(instrument=instrument)).refused_by.gate == "precision"
    assert instrument.market_slices(D(1)) == ()


@pytest.mark.parametrize(("side", "stop", "target"), [(Side.LONG, "99.01", "102.01"), (Side.SHORT, "100.98", "98.00")])
def test_stop_and_target_round_towards_the_entry(world, side, stop, target):
    sized = world.sized(world.ctx(), world.signal(side=side))
    assert (sized.stop_price, sized.target_price) == (D(stop), D(target))


def test_the_signals_own_stop_and_target_win(world):
    sized = world.sized(world.ctx(), world.signal(stop=D("98.001"), targets=(D("105.009"),)))
    assert (sized.stop_price, sized.target_price) == (D("98.01"), D("105.00"))


def test_a_stop_on_the_wrong_side_gives_no_size(world):
    refused = world.refusal(world.ctx(), world.signal(stop=D("100.02")))
    assert refused.refused_by.gate == "sizing" and "does not lie behind" in refused.refused_by.sentence


def test_a_target_on_the_wrong_side_is_refused(world):
    refused = world.refusal(world.ctx(), world.signal(targets=(D("100.01"),)))
    assert refused.refused_by.gate == "exit_plan" and "target" in refused.refused_by.sentence


def test_a_stop_inside_the_spread_is_refused(world):
    refused = world.refusal(world.ctx(), world.signal(stop=D("99.99")))
    assert refused.refused_by.gate == "exit_plan" and "fire at once" in refused.refused_by.sentence


@pytest.mark.parametrize("side", list(Side))
def test_a_stop_beyond_liquidation_is_refused(world, side):
    # At 50x with 1% maintenance a position is liquidated about 1% away; at 5x about 19%.
    wide = {"perps.stop_loss_pct": D("0.015")}
    assert world.sized(world.ctx(world.account(wide)), world.signal(side=side)).qty
    high = {**wide, "perps.leverage": D(50), "risk.max_leverage": D(50)}
    refused = world.refusal(world.ctx(world.account(high)), world.signal(side=side))
    assert refused.refused_by.gate == "exit_plan" and "beyond liquidation" in refused.refused_by.sentence


def test_risk_and_reward_are_in_the_exit_plans_context(world):
    verdict = next(v for v in world.sized(world.ctx()).verdicts if v.gate == "exit_plan")
    assert dict(verdict.context)["risk_reward"] == "2.00"


def test_the_loss_at_the_stop_must_fit_in_what_is_left_of_the_day(world):
    # The day may lose 500: with 480 gone 20 are left, and the trade would lose 50 and its fees.
    spent = world.account(loose(), risk=world.risk(realised_today=D(-480)))
    refused = world.refusal(world.ctx(spent))
    assert refused.refused_by.gate == "daily_loss_room" and refused.refused_by.tag is Tag.SAFETY_DAILY_LOSS
    assert refused.refused_by.limit == 20
    wider = world.account(loose(**{"trading.max_daily_risk": D("0.06")}), risk=world.risk(realised_today=D(-480)))
    assert world.sized(world.ctx(wider)).qty == 50


def test_margin_ratio_keeps_the_background_wording_and_follows_its_knob(world):
    snapshot = world.snapshot(maintenance=D(8500))
    verdict = world.refusal(world.ctx(world.account(snapshot=snapshot))).refused_by
    assert verdict.sentence == "Margin ratio 85.00% exceeds limit 80.00%, skipping entry"
    assert verdict.tag is Tag.SAFETY_MARGIN_BLOCK
    assert world.sized(world.ctx(world.account({"perps.max_margin_ratio": D("0.85")}, snapshot=snapshot))).qty


def test_no_equity_is_refused_before_anything_is_divided_by_it(world):
    broke = world.account(
        {"trading.max_daily_risk": D(1), "risk_management.crisis_mode.drawdown_threshold": D(1)},
        snapshot=world.snapshot(equity=D(0)),
        risk=world.risk(day_start_equity=D(0), peak_equity=D(0)),
    )
    assert world.refusal(world.ctx(broke)).refused_by.gate == "equity"


@pytest.mark.parametrize(("limit", "passed"), [(3, True), (2, False)])
def test_the_position_limit_counts_held_resting_pending_and_doubtful_symbols(world, limit, passed):
    cases = [
        {"snapshot": world.snapshot(positions=(world.position("BTCUSDT"), world.position("ETHUSDT")))},
        {"snapshot": world.snapshot(orders=(world.order("BTCUSDT"),)), "in_doubt": {"ETHUSDT": 1}},
        {"pending_symbols": frozenset({"BTCUSDT", "ETHUSDT"})},
    ]
    for case in cases:
        ctx = world.ctx(world.account({"risk.max_concurrent_positions": limit}, **case))
        if passed:
            assert world.sized(ctx).qty
        else:
            assert world.refusal(ctx).refused_by.gate == "position_count"


def test_a_sent_entry_counts_against_every_limit_at_once(world):
    account = world.account({"risk.max_exposure_pct": D("0.6")})
    first = world.sized(world.ctx(account))
    after = with_pending(account, first)
    assert after.pending_notional >= first.notional and after.pending_margin >= first.initial_margin
    assert after.session_entries == 1
    other = replace(world.instrument, symbol="BTCUSDT", base="BTC")
    second = world.sized(world.ctx(after, symbol="BTCUSDT", instrument=other), world.signal(symbol="BTCUSDT"))
    assert names(second)[-1] == "exposure"
    assert first.notional + second.notional <= 6000
    assert world.refusal(world.ctx(after)).refused_by.gate == "occupied"


def test_the_loss_of_an_entry_just_sent_is_set_aside_from_the_day(world):
    account = world.account(loose(), risk=world.risk(realised_today=D(-440)))  # 60 may be lost, one trade risks 50
    after = with_pending(account, world.sized(world.ctx(account)))
    other = world.ctx(after, symbol="BTCUSDT", instrument=replace(world.instrument, symbol="BTCUSDT"))
    assert world.refusal(other, world.signal(symbol="BTCUSDT")).refused_by.gate == "daily_loss_room"


def test_an_entry_just_sent_uses_up_the_session_for_symbols_already_looked_at(world):
    account = world.account({"perps.session_max_trades": 1})
    second = world.ctx(account, symbol="BTCUSDT", instrument=replace(world.instrument, symbol="BTCUSDT"))
    looked = pipeline.before_data(account, "BTCUSDT") + pipeline.with_data(second)
    now = replace(second, account=with_pending(account, world.sized(world.ctx(account))))
    refused = pipeline.admit(now, world.signal(symbol="BTCUSDT"), looked)
    assert isinstance(refused, SymbolRefusal) and refused.refused_by.gate == "session_trades"


def test_costs_are_part_of_the_budget(world):
    tight = {"risk.max_single_position_margin_pct_equity": D("0.05")}
    free = world.sized(world.ctx(world.account(tight, costs=Costs(D(0), D(0)))))
    dear = world.sized(world.ctx(world.account(tight, costs=Costs(D("0.01"), D("0.01")))))
    assert dear.qty < free.qty


def test_costs_of_the_simulated_exchange_are_its_knobs(world):
    costs = Costs.simulated(world.configure({"sim.taker_fee": D("0.001"), "sim.slippage_bps": D(5)}))
    assert costs == Costs(D("0.001"), D("0.0005"))
