"""Each knob of the safety machine moves the very answer that it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from test_invariants import check, held, view
from test_recovery_and_ess import FINE, NOW, refusals

from tradectl.config.schema import Config
from tradectl.domain.emergency_stop import Emergency, EssState
from tradectl.domain.risk_state import first_state
from tradectl.domain.snapshot import Account, Snapshot
from tradectl.safety.emergency_stop import evaluate, left_ms

D = Decimal


def configured(name: str, value: object) -> Config:
    tree: dict[str, Any] = {}
    *path, last = name.split(".")
    place = tree
    for part in path:
        place = place.setdefault(part, {})
    place[last] = value
    return Config.model_validate(tree)


def breaches(config: Config) -> object:
    """An account that is a little beyond some bounds and a little within others."""
    seen = view(
        "1000", "880", held("AUSDT", "300"), *(held(f"S{number}USDT", "10") for number in range(9)), peak="1130",
        unexplained=D(80),
    )  # fmt: skip
    return [(one.invariant, one.level) for one in check(replace(seen, config=config))]


def trips(config: Config) -> object:
    risk = replace(first_state(D(1000), 1), day_start_equity=D(1040))
    losing = held("AUSDT", unrealised=D(-95))
    snapshot = Snapshot(1, Account("USDT", D(1095), D(-95), D(0), D(0), D(1000)), (losing,), (), 1)
    return [one.evaluator for one in evaluate(config.ess, risk, snapshot, Emergency(errors=4))]


def recovers(config: Config) -> object:
    facts = replace(FINE, recovered_ms=(NOW - 1,), utilisation=D("0.80"))
    return refusals(facts, config.safety.auto_recovery)


def cooling(config: Config) -> object:
    return left_ms(Emergency(EssState.COOLING_DOWN, cooled_ms=60_000), config.ess)


MOVES: list[tuple[str, object, Callable[[Config], object]]] = [
    ("safety.max_margin_utilization_pct", "0.88", breaches),
    ("safety.degraded_margin_utilization_pct", "0.89", breaches),
    ("safety.max_single_position_pct_equity", "0.31", breaches),
    ("safety.max_equity_drawdown_pct", "0.11", breaches),
    ("safety.degraded_equity_drawdown_pct", "0.12", breaches),
    ("safety.max_concurrent_positions", 9, breaches),
    ("safety.max_equity_jump_pct", "0.07", breaches),
    ("safety.auto_recovery.reasons", ["DRAWDOWN_CRITICAL"], recovers),
    ("safety.auto_recovery.after_seconds", 301, recovers),
    ("safety.auto_recovery.below_margin_utilization_pct", "0.80", recovers),
    ("safety.auto_recovery.max_per_day", 1, recovers),
    ("ess.max_daily_drawdown_pct", "0.03", trips),
    ("ess.max_open_loss_pct", "0.09", trips),
    ("ess.max_execution_errors", 4, trips),
    ("ess.cooldown_minutes", 2, cooling),
]


@pytest.mark.parametrize(("name", "value", "answer"), MOVES, ids=[one[0] for one in MOVES])
def test_the_knob_moves_the_answer(name: str, value: object, answer: Callable[[Config], object]) -> None:
    assert answer(configured(name, value)) != answer(Config.model_validate({}))
