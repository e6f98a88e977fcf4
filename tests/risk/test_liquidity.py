"""The liquidity tier of a market, and what it takes of leverage and size."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain.liquidity import LiquidityTier, least_liquid
from tradectl.risk.gates import liquidity
from tradectl.risk.liquidity import liquidity_of

D = Decimal
LOOSE = {"perps.cash_deploy_cap": D(4), "risk.max_exposure_pct": D(10)}


def market(world, volume: str | None, knobs=None, *, base: str = "XRP", **changes):
    """A market that is not pinned, unless `base` is."""
    ticker = replace(world.ticker, quote_volume_24h=None if volume is None else D(volume))
    account = world.account({**LOOSE, **(knobs or {})}, **changes)
    return world.ctx(account, instrument=replace(world.instrument, base=base), ticker=ticker)


def names(sized):
    return [cap.name for cap in sized.caps]


@pytest.mark.parametrize(
    ("volume", "tier"),
    [
        ("5000000", "A"),
        ("4999999.99", "B"),
        ("500000", "B"),
        ("499999", "C"),
        ("250000", "C"),
        ("249999.9", None),
        ("0", None),
    ],
)
def test_the_tier_is_that_of_the_volume(world, volume, tier):
    ctx = market(world, volume)
    found, verdict = liquidity_of(ctx), liquidity.check(ctx)
    assert (found.tier, found.volume, found.known) == (tier, D(volume), True)
    assert verdict.passed is (tier is not None) and verdict.value == D(volume)
    assert verdict.headroom == D(volume) - 250_000


def test_below_the_lowest_tier_nothing_is_entered(world):
    refused = world.refusal(market(world, "249999"))
    assert refused.refused_by.gate == "liquidity"
    assert refused.refused_by.sentence == "24 h volume 249999 USDT is below the lowest tier (250000), skipping entry"


@pytest.mark.parametrize("volume", [None, "NaN", "Infinity", "-1"])
def test_a_volume_that_is_not_known_counts_as_the_lowest_tiers(world, volume):
    sized = world.sized(market(world, volume, {"risk.max_leverage_by_tier": {"C": D(2)}}))
    said = next(verdict.sentence for verdict in sized.verdicts if verdict.gate == "liquidity")
    assert said.startswith("tier C, 24 h volume not known, taken as 250000 USDT")
    assert sized.leverage == 2 and sized.qty == D("12.5") and names(sized) == ["size_by_tier", "leverage"]
    tight = world.sized(market(world, volume, {"risk.max_volume_share": D("0.002")}))
    assert names(tight) == ["size_by_tier", "volume_share"] and D(480) < tight.notional <= 500
    assert "(not known, taken as 250000)" in tight.caps[1].sentence


@pytest.mark.parametrize("volume", [None, "10", "900000000"])
def test_a_pinned_market_is_tier_a(world, volume):
    found = liquidity_of(market(world, volume, base="SOL"))
    assert (found.tier, found.pinned) == (LiquidityTier.A, True)
    assert liquidity_of(market(world, volume, {"market.pinned": ("SOLUSDT",)})).pinned
    assert not liquidity_of(market(world, volume, {"market.pinned": ()}, base="SOL")).pinned


def test_a_pinned_market_that_hardly_trades_still_takes_no_more_than_its_share(world):
    """Pinned is about the filter; what can be sold again is not."""
    sized = world.sized(market(world, "100000", base="SOL"))
    assert names(sized) == ["volume_share"] and D(980) < sized.notional <= 1000


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, (5, 5, 5)),
        ({"A": D(4)}, (4, 4, 4)),
        ({"B": D(3)}, (5, 3, 3)),
        ({"A": D(4), "C": D(2)}, (4, 4, 2)),
        ({"A": D(100), "B": D(100), "C": D(100)}, (5, 5, 5)),
    ],
)
def test_leverage_by_tier_and_margin_with_it(world, table, expected):
    for volume, leverage in zip(("9000000", "900000", "300000"), expected, strict=True):
        sized = world.sized(market(world, volume, {"risk.max_leverage_by_tier": table}))
        assert sized.leverage == leverage and sized.initial_margin == sized.notional / leverage
        assert ("leverage" in names(sized)) is (leverage < 5)


def test_the_limits_of_account_venue_and_policy_hold_beside_the_tiers(world):
    knobs = {"risk.max_leverage_by_tier": {"A": D(4)}, "risk.max_leverage": D(3)}
    sized = world.sized(market(world, "9000000", knobs))
    said = next(verdict.sentence for verdict in sized.verdicts if verdict.gate == "leverage")
    assert said == "leverage 3x, lowered from the 5x configured (limit=3x: risk.max_leverage)"


def test_the_margin_caps_are_those_of_the_tiers_leverage(world):
    knobs = {"risk.max_single_position_margin_pct_equity": D("0.05"), "risk.max_leverage_by_tier": {"A": D(2)}}
    sized = world.sized(market(world, "9000000", knobs))
    assert names(sized) == ["leverage", "single_margin"]
    assert 980 < sized.notional <= 1000 and sized.initial_margin <= 500, "5% of 10 000 at 2x"


@pytest.mark.parametrize(("volume", "scale"), [("9000000", "1"), ("900000", "0.5"), ("499999", "0.25")])
def test_the_tier_scales_the_size(world, volume, scale):
    sized = world.sized(market(world, volume, {"risk.max_volume_share": D(1)}))
    assert sized.qty == 50 * D(scale) and sized.risk_amount == 50 * D(scale)
    assert names(sized) == ([] if scale == "1" else ["size_by_tier"])
    if scale != "1":
        (cap,) = sized.caps
        assert (cap.before_notional, cap.after_notional) == (D("5000.5"), D("5000.5") * D(scale))
        assert f"size ×{scale} of tier" in cap.sentence


def test_the_share_of_the_volume_caps_the_notional_and_says_so(world):
    sized = world.sized(market(world, "9000000", {"risk.max_volume_share": D("0.0001")}))
    assert names(sized) == ["volume_share"] and D(880) < sized.notional <= 900
    assert sized.caps[0].sentence.startswith("notional, as 0.01% of what is traded in 24 h (limit=900.00 USDT)")


@given(
    by_tier=st.dictionaries(st.sampled_from("ABC"), st.decimals(1, 125, places=1)),
    tiers=st.tuples(st.sampled_from(list(LiquidityTier)), st.sampled_from(list(LiquidityTier))),
)
def test_a_less_liquid_tier_never_has_more_leverage(by_tier, tiers):
    more, less = sorted(tiers)
    ours, theirs = least_liquid(less, by_tier), least_liquid(more, by_tier)
    assert theirs is None or (ours is not None and ours <= theirs)
    assert ours is None or less not in by_tier or ours <= by_tier[less]
