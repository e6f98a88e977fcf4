"""Each rule beside an example that keeps it and one that breaks it; no rule lacks either."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tradectl.config.knob import walk
from tradectl.config.schema import Config
from tradectl.domain.policy import PROFILES
from tradectl.operations.validate_config import market_of
from tradectl.safety.breach import Level
from tradectl.safety.check import BOUNDS
from tradectl.validation.facts import Facts, evident_mode, facts_of
from tradectl.validation.margin import rooms
from tradectl.validation.rule import Finding, Severity
from tradectl.validation.rules import RULES
from tradectl.validation.thresholds import gates, gates_before
from tradectl.validation.venue_facts import VENUES

D = Decimal
E, W = Severity.ERROR, Severity.WARNING
TEN = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT", "LINKUSDT", "LTCUSDT"]
# Caps out of the way, so that the margin budget is what ends a book.
WIDE = {
    "market.candidate_symbols": TEN, "risk.max_exposure_pct": 20, "perps.cash_deploy_cap": 4,
    "risk.max_single_position_margin_pct_equity": "0.5", "perps.risk_pct": "0.02", "perps.stop_loss_pct": "0.005",
}  # fmt: skip
REAL = {"venue.name": "bybit"}


def configured(knobs: dict[str, Any]) -> Config:
    tree: dict[str, Any] = {}
    for dotted, value in knobs.items():
        *path, last = dotted.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return Config.model_validate(tree)


def facts(knobs: dict[str, Any], mode: str | None = None, environ: dict[str, str] | None = None) -> Facts:
    config = configured(knobs)
    market = market_of(config, environ or {}, mode or evident_mode(config))
    return facts_of(config, mode, market, frozenset(knobs))


def faults(rule: str, seen: Facts) -> list[Finding]:
    return [one for one in RULES[rule].check(seen) if one.severity is not Severity.NOTE]


# (rule, what breaks it, how bad, words of the arithmetic)
BROKEN: list[tuple[str, dict[str, Any], Severity, str]] = [
    ("TC01", {"safety.max_margin_utilization_pct": "0.85"}, E, "90.00% < 85.00%"),
    ("TC01", {"safety.max_margin_utilization_pct": 1}, E, "100.00% < 100%"),
    ("TC02", {"risk.auction_max_margin_util": "0.80"}, W, "85.00% ≤ 80.00%"),
    ("TC03", WIDE, W, "short, margin at mark 1.79%"),
    ("TC03", {**WIDE, "safety.max_margin_utilization_pct": "0.905"}, E, "halt at 90.50%"),
    ("TC04", {"safety.degraded_margin_utilization_pct": "0.92"}, E, "92.00% < 92.00%"),
    ("TC04", {"safety.degraded_equity_drawdown_pct": "0.2"}, E, "20.00% < 15.00%"),
    ("TC05", {"risk.max_concurrent_positions": 11}, E, "positions <= 11, the invariant wants <= 10"),
    ("TC05", {"risk_management.crisis_mode.drawdown_threshold": "0.2"}, E, "drawdown < 20.00%"),
    ("TC05", {"risk.max_single_position_margin_pct_equity": "0.3"}, W, "30.00%"),
    ("TC06", {"market.candidate_symbols": TEN, "trading.max_daily_risk": "0.02"}, W, "= 2.26% > 2.00%"),
    ("TC07", {"perps.consecutive_loss_limit": 20}, W, "20 losses × 0.56%"),
    ("TC07", {"trading.max_daily_risk": "0.05", "risk_management.crisis_mode.drawdown_threshold": "0.04"}, W, "4.00%"),
    ("TC08", {"perps.leverage": 30, "perps.stop_loss_pct": "0.04"}, E, "1 / 30"),
    ("TC09", {"perps.take_profit_pct": "0.001", "perps.stop_loss_pct": "0.0005"}, E, "0.10% > 0.13%"),
    ("TC09", {"perps.take_profit_pct": "0.008"}, W, "1 to 0.80"),
    ("TC10", {"perps.risk_pct": "0.01"}, W, "asks for 100.00% of equity; cash cap allows 50.00%"),
    ("TC11", {"perps.risk_pct": "0.10"}, E, "10.00% ≤ 5.00%"),
    ("TC12", {"safety.max_margin_utilization_pct": "0.91"}, W, "margin 10.00% at 5x"),
    ("TC13", {"perps.max_requests_per_second": 1, "perps.max_requests_per_minute": 90}, W, "60 < 90"),
    ("TC13", {"venue.name": "zoomex", "perps.max_requests_per_second": 20}, E, "20 ≤ 10 per second"),
    ("TC13", {"market.candidate_symbols": TEN}, W, "10 symbols: 21 requests"),
    ("TC14", {"market.candidate_symbols": TEN, "perps.max_requests_per_minute": 20}, E, "90 s ≥"),
    ("TC15", {"safety.auto_recovery.below_margin_utilization_pct": "0.93"}, E, "93.00% < 92.00%"),
    ("TC15", {"safety.auto_recovery.below_margin_utilization_pct": "0.90"}, W, "90.00% ≤ 85.00%"),
    ("TC15", {"safety.auto_recovery.after_seconds": 5}, W, "5 s ≥"),
    ("TC16", {"ess.max_daily_drawdown_pct": "0.04"}, E, "5.00% < 4.00%"),
    ("TC16", {"live_limited.max_daily_loss_pct": "0.06"}, W, "6.00% ≤ 5.00%"),
    ("TC16", {"ess.enabled": False}, W, "ess.enabled is false"),
    ("TC17", {"safety.degraded_equity_drawdown_pct": "0.05"}, E, "10.00% ≤ 5.00% < 15.00%"),
    ("TC18", {"perps.session_max_runtime_minutes": 4}, E, "0 of them close"),
    ("TC18", {"perps.session_max_runtime_minutes": 30, "perps.session_max_trades": 10}, W, "6 decisions, 10 trades"),
    ("TC19", {**REAL, "perps.use_testnet": False, "venue.base_url": "http://127.0.0.1:9"}, E, "mode live"),
    ("TC20", {"perps.leverage": 30, "sim.instruments.NEWUSDT": {"max_leverage": 20}, "perps.symbol": "NEWUSDT"}, W,
     "allows 20x, 30x is set"),
    ("TC21", {**REAL, "venue.cancel_all_after_seconds": 60}, E, "60 s after the last sign of life"),
    ("TC22", {"sim.start_balance": 8}, E, "the largest size is 4.00 USDT of 8.00 equity"),
    ("TC22", {"sim.start_balance": 30}, W, "the smallest size is 7.50 USDT of 30.00 equity"),
    ("TC23", {"engine.cycle_seconds": 400}, E, "400 s ≤ 300 s"),
    ("TC23", {"risk.signal_cooldown_hours": "0.05"}, W, "180 s ≥ 300 s"),
    ("TC24", {**REAL, "perps.use_testnet": False}, W, "mode live"),
    ("TC25", {"venue.name": "zoomex", "market.candidate_symbols": TEN[:5]}, E, "= 11 > 10"),
    ("TC26", {"perps.max_margin_ratio": "0.95"}, W, "5.00% of equity between them"),
    ("TC26", {"perps.max_margin_ratio": 1}, E, "0.00% of equity"),
]  # fmt: skip

# What is near the edge and keeps the rule; every other rule is kept by the defaults.
KEPT: dict[str, list[dict[str, Any]]] = {
    "TC01": [{"safety.max_margin_utilization_pct": "0.9001"}],
    "TC02": [{"risk.auction_max_margin_util": "0.85"}],
    "TC03": [{**WIDE, "risk.auction_max_margin_util": "0.86"}],
    "TC06": [{"market.candidate_symbols": TEN, "trading.max_daily_risk": "0.0226"}],
    "TC08": [{"perps.leverage": 30, "perps.stop_loss_pct": "0.02"}],
    "TC10": [{"perps.risk_pct": "0.01", "perps.cash_deploy_cap": 1}],
    "TC11": [{"perps.risk_pct": "0.02"}],
    "TC12": [{"safety.max_margin_utilization_pct": "0.11"}],
    "TC18": [{"perps.session_max_runtime_minutes": 30, "perps.session_max_trades": 6}],
    "TC19": [{**REAL, "venue.base_url": "http://127.0.0.1:9"}],
    "TC25": [{"venue.name": "zoomex", "market.candidate_symbols": TEN[:4]}],
    "TC26": [{"perps.max_margin_ratio": "0.89"}],
}


@pytest.mark.parametrize(("rule", "knobs", "severity", "words"), BROKEN, ids=[f"{one[0]}-{one[3]}" for one in BROKEN])
def test_what_breaks_a_rule_is_found(rule: str, knobs: dict[str, Any], severity: Severity, words: str) -> None:
    found = [one for one in faults(rule, facts(knobs)) if words in one.arithmetic]
    assert [one.severity for one in found] == [severity], faults(rule, facts(knobs))
    assert found[0].change and found[0].says
    assert set(found[0].knobs) <= {".".join(path) for path, _ in walk(Config)}
    assert severity.rank >= RULES[rule].severity.rank


@pytest.mark.parametrize("rule", RULES)
def test_what_keeps_a_rule_is_not(rule: str) -> None:
    for knobs in ({}, *KEPT.get(rule, [])):
        assert faults(rule, facts(knobs)) == []


def test_no_rule_lacks_an_example_that_breaks_it() -> None:
    assert {one[0] for one in BROKEN} == set(RULES) == {f"TC{number:02d}" for number in range(1, 27)}


def test_each_rule_reaches_its_severity_in_some_example() -> None:
    worst = {rule: min(one[2].rank for one in BROKEN if one[0] == rule) for rule in RULES}
    assert worst == {rule: RULES[rule].severity.rank for rule in RULES}


def test_the_room_is_that_of_the_specification() -> None:
    """0.90 and 0.92: 2.17% of equity with constant margin; at 5× 1.79% for a short at the mark, 2.78% for a long."""
    found = rooms(D("0.90"), D("4.5"), D("0.92"))
    assert [f"{value * 100:.2f}" for value in found.values()] == ["2.17", "1.79", "2.78"]


def test_a_halting_invariant_without_its_gate_is_named() -> None:
    for missing in {bound.invariant for bound in BOUNDS if bound.level is Level.HALT}:
        left = {name: gate for name, gate in gates().items() if name != missing}
        found = [one for one in gates_before(facts({}), BOUNDS, left) if one.severity is E]
        assert len(found) == 1
        assert missing in found[0].says


def test_profiles_out_of_order_are_found() -> None:
    seen = facts({})
    turned = dict(reversed(PROFILES.items()))
    assert faults("TC11", seen) == []
    assert any("looser" in one.says for one in faults("TC11", replace(seen, profiles=turned)))


def test_testnet_and_live_want_their_switch() -> None:
    assert faults("TC19", facts(REAL, "live"))[0].severity is E
    assert faults("TC19", facts({**REAL, "perps.use_testnet": False}, "testnet"))[0].severity is E
    assert faults("TC19", facts(REAL, "testnet")) == []
    assert faults("TC19", facts({**REAL, "perps.use_testnet": False}, "live")) == []


def test_a_channel_in_the_environment_is_one() -> None:
    live = {**REAL, "perps.use_testnet": False}
    assert faults("TC24", facts(live, environ={"ALERT_WEBHOOK_URL": "https://example.org/hook"})) == []
    assert faults("TC24", facts(live, environ={"TELEGRAM_BOT_TOKEN": "1:abc"})) != []
    assert faults("TC24", facts(REAL)) == []


def test_an_interval_that_the_venue_lacks_is_found() -> None:
    seen = facts({})
    without = replace(VENUES["sim"], intervals=frozenset({"1h"}))
    assert [one.severity for one in faults("TC18", replace(seen, venue=without))] == [E]


def test_cross_margin_reckons_with_the_joint_account() -> None:
    """Thirty positions, 20× equity in sum: the account is gone after less than 5%, wherever each stop lies."""
    wide = {**WIDE, "perps.margin_mode": "cross", "perps.leverage": 25, "perps.stop_loss_pct": "0.05",
            "perps.risk_pct": "0.03", "policy.profile": "AGGRESSIVE", "risk.max_concurrent_positions": 30,
            "market.candidate_symbols": [f"S{number}USDT" for number in range(30)]}  # fmt: skip
    found = faults("TC08", facts(wide))
    near = faults("TC08", facts({**wide, "perps.stop_loss_pct": "0.02"}))
    assert [one.severity for one in found] == [E]
    assert near == []


@pytest.mark.parametrize("venue", ["binanceusdm", "bybit", "zoomex", "krakenfutures"])
def test_what_a_venue_does_not_tell_is_said_and_not_guessed(venue: str) -> None:
    seen = facts({"venue.name": venue})
    silent = {rule for rule in ("TC08", "TC09", "TC20", "TC22", "TC26") for one in RULES[rule].check(seen)
              if one.says.startswith("not checked: ")}  # fmt: skip
    assert silent == {"TC08", "TC09", "TC20", "TC22", "TC26"}
