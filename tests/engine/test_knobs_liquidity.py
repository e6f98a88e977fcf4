"""The knobs of liquidity: which tier a market is of, and what its leverage and size are for it."""

from __future__ import annotations

from pathlib import Path

from bot_kit import SOL, UP, D, lines, rig
from knob_kit import Proofs, folder

from tradectl.domain.position import PositionFact
from tradectl.domain.signal import Decision

proves = Proofs()

# The flat candles trade 10 × 100 each, 288 000 in 24 hours.
AS_TIER: dict[str, dict[str, object]] = {
    "A": {"market.tiers.a_min_volume_usd": 200_000, "market.tiers.b_min_volume_usd": 200_000},
    "B": {"market.tiers.b_min_volume_usd": 200_000},
    "C": {},
}
A_DAY = 300  # flat candles before the signal: more than 24 hours


def entry_in(tmp_path: Path, name: str, knobs: dict[str, object]) -> tuple[Decision, PositionFact | None]:
    """What becomes of a signal in a market that is not pinned."""
    usual: dict[str, object] = {"market.pinned": (), "market.tiers.c_min_volume_usd": 200_000}
    with rig(folder(tmp_path, name), [UP], {**usual, **knobs}, warm=A_DAY) as desk:
        report = desk.cycle()
        return report.decisions[0], report.snapshot.position(SOL)


def gate_of(decision: Decision, gate: str) -> str:
    return next(verdict.sentence for verdict in decision.verdicts if verdict.gate == gate)


@proves("market.tiers.a_min_volume_usd", "market.tiers.b_min_volume_usd", "market.tiers.c_min_volume_usd")
def the_tier_is_decided_by_what_is_traded_and_below_the_lowest_nothing_is_entered(tmp_path: Path) -> None:
    for tier, knobs in AS_TIER.items():
        decision, position = entry_in(tmp_path, tier, knobs)
        assert position is not None and gate_of(decision, "liquidity").startswith(f"tier {tier}, 24 h volume 288")
    decision, position = entry_in(tmp_path, "below", {"market.tiers.c_min_volume_usd": 300_000})
    assert (decision.outcome, decision.code, position) == ("refused", "liquidity", None)
    assert decision.sentence.endswith("USDT is below the lowest tier (300000), skipping entry")


@proves("market.pinned")
def pinned_markets_are_tier_a_whatever_they_trade(tmp_path: Path) -> None:
    for pinned in (("SOL",), (SOL,)):
        knobs: dict[str, object] = {"market.pinned": pinned, "market.tiers.c_min_volume_usd": 300_000}
        decision, position = entry_in(tmp_path, pinned[0], knobs)
        assert position is not None and "tier A (pinned), 24 h volume 288" in gate_of(decision, "liquidity")


@proves("risk.max_leverage_by_tier")
def the_leverage_asked_of_the_venue_is_that_of_the_tier(tmp_path: Path) -> None:
    table = {"A": D(4), "C": D(2)}
    used = {}
    for tier, knobs in AS_TIER.items():
        capped: dict[str, object] = {**knobs, "risk.max_leverage_by_tier": table, "risk.max_volume_share": D(1)}
        decision, position = entry_in(tmp_path, tier, capped)
        assert position is not None and "leverage" in dict(decision.facts)["caps"]
        used[tier] = position.leverage
        assert abs(position.initial_margin - position.entry_price * position.qty / position.leverage) < D("0.01")
    assert used == {"A": 4, "B": 4, "C": 2}, "a tier without an entry has that of the next more liquid one"


@proves("risk.size_by_tier.a", "risk.size_by_tier.b", "risk.size_by_tier.c")
def the_size_is_scaled_by_the_tier_and_it_is_said(tmp_path: Path) -> None:
    scales = {"risk.size_by_tier.a": D("0.8"), "risk.size_by_tier.b": D("0.4"), "risk.size_by_tier.c": D("0.1")}
    for tier, knobs in AS_TIER.items():
        sizes = {}
        for name, more in (("usual", {}), ("scaled", scales)):
            wide: dict[str, object] = {"perps.cash_deploy_cap": D(4), "risk.max_volume_share": D(1)}
            decision, position = entry_in(tmp_path, tier + name, {**wide, **knobs, **more})
            assert position is not None
            sizes[name] = position.qty
            assert ("size_by_tier" in dict(decision.facts)["caps"]) is not (tier == "A" and name == "usual")
        usual = {"A": D(1), "B": D("0.5"), "C": D("0.25")}[tier]
        wanted = sizes["usual"] * D(str(scales[f"risk.size_by_tier.{tier.lower()}"])) / usual
        assert abs(sizes["scaled"] - wanted) < D("0.3")


@proves("risk.max_volume_share")
def a_position_is_a_small_share_of_what_its_market_trades(tmp_path: Path) -> None:
    for share in (D("0.01"), D("0.002")):
        _, position = entry_in(tmp_path, str(share), {**AS_TIER["A"], "risk.max_volume_share": share})
        assert position is not None and position.notional <= share * 288_100
        assert position.notional > share * 280_000


def test_a_market_whose_volume_is_not_known_is_of_the_lowest_tier_and_the_verdict_says_so(tmp_path: Path) -> None:
    """The record is too short for 24 hours: 40 candles of five minutes."""
    knobs: dict[str, object] = {"market.pinned": (), "risk.max_leverage_by_tier": {"C": D(2)}}
    with rig(tmp_path, [UP], knobs) as desk, lines(desk, tmp_path) as log:
        report = desk.cycle()
        (position,) = report.snapshot.positions
        assert position.leverage == 2 and position.notional < D(2500)
        said = gate_of(report.decisions[0], "liquidity")
        assert said == "tier C, 24 h volume not known, taken as 250000 USDT (lowest tier from 250000)"
        capped = [line for line in log() if " SAFETY_SIZE_CAPPED: " in line]
    assert any("leverage capped from 5x to 2x" in line for line in capped)
    assert any("size ×0.25 of tier C, 24 h volume not known" in line for line in capped)


test_the_knob_changes_what_it_says = proves.tested()
