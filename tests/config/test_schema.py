"""The schema: each knob says everything about itself, once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from tradectl.config.knob import camel, fact_of, walk
from tradectl.config.nearest import key_of, path_of, snake, suggest
from tradectl.config.schema import Config

# Keys as the specification spells them, with the defaults it gives.
SPELLED = {
    "account": "main",
    "state.path": "data/{account}-{environment}.db",
    "engine.cycle_seconds": Decimal(15),
    "engine.reconcile_seconds": 120,
    "engine.closed_trades_seconds": 300,
    "venue.recvWindowMs": 5000,
    "venue.max_clock_skew_ms": 1000,
    "venue.rate.perMinute": 1200,
    "perps.useTestnet": True,
    "perps.positionIdx": 0,
    "perps.riskPct": Decimal("0.005"),
    "perps.cashDeployCap": Decimal("0.50"),
    "perps.triggerBy": "LastPrice",
    "perps.consecutiveLossLimit": None,
    "perps.maxMarginRatio": Decimal("0.80"),
    "perps.maxRequestsPerMinute": 60,
    "perps.sessionMaxRuntimeMinutes": None,
    "perps.useMultiTfAtrStrategy": False,
    "trading.max_daily_risk": Decimal("0.05"),
    "risk_management.crisis_mode.drawdown_threshold": Decimal("0.10"),
    "risk.auction_max_margin_util": Decimal("0.90"),
    "risk.max_single_position_margin_pct_equity": Decimal("0.25"),
    "risk.max_exposure_pct": Decimal("2.00"),
    "risk.signal_cooldown_hours": Decimal(4),
    "safety.max_margin_utilization_pct": Decimal("0.92"),
    "safety.degraded_margin_utilization_pct": Decimal("0.85"),
    "safety.protection.grace_seconds": 90,
    "safety.protection.on_unprotectable": "close",
    "ess.cooldown_minutes": 15,
    "execution.symbol_spacing_ms": 500,
    "market.pinned": ("BTC", "ETH", "SOL", "DOGE", "BNB"),
    "policy.profile": "NORMAL",
    "live_limited.max_positions": 3,
    "sim.taker_fee": Decimal("0.00055"),
    "sim.slippage_bps": Decimal(1),
    "log.path": "logs/trading.log",
}


def read(path: tuple[str, ...]) -> object:
    found: object = Config()
    for part in path:
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("key", list(SPELLED))
def test_keys_are_spelled_as_documented_and_have_the_documented_default(key: str) -> None:
    path = path_of(key)
    assert path is not None
    assert key_of(path) == key
    assert read(path) == SPELLED[key]


def test_every_knob_says_what_it_means_and_which_step_reads_it() -> None:
    for path, field in walk(Config):
        fact = fact_of(field)
        assert fact is not None, path
        assert len(fact.meaning) > 10, path
        assert fact.step, path


def test_every_default_lies_within_its_own_bounds() -> None:
    for path, field in walk(Config):
        fact = fact_of(field)
        if fact is not None and isinstance(field.default, int | Decimal) and not isinstance(field.default, bool):
            assert fact.low is None or field.default >= fact.low, path
            assert fact.high is None or field.default <= fact.high, path


def test_a_configuration_cannot_be_changed_or_extended() -> None:
    config = Config()
    with pytest.raises(ValidationError):
        config.perps.leverage = Decimal(50)
    with pytest.raises(ValidationError):
        Config.model_validate({"perps": {"nothing": 1}})


def test_bounds_hold_for_configurations_built_in_code_too() -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"perps": {"risk_pct": "1.5"}})


def test_camel_and_snake_are_inverse_for_every_key() -> None:
    for path, _ in walk(Config):
        for part in path:
            assert snake(camel(part)) == part, part


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("perps.rskPct", "perps.riskPct"),
        ("max_leverage", "risk.max_leverage"),
        ("sim.sead", "sim.seed"),
        ("qqqqqqq", ""),
    ],
)
def test_the_nearest_known_key_is_named(typed: str, nearest: str) -> None:
    assert suggest(tuple(typed.split("."))) == nearest
