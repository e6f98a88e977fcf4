"""What is declared looser is so where no inequality says it: sessions, streaks, cooldowns, recovery, emergency stop."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from proof_kit import facts_for
from two_configs import drawn, resolved, with_value

from tradectl.config.compare import changes
from tradectl.config.schema import Config
from tradectl.config.stake import Word
from tradectl.domain.emergency_stop import Emergency
from tradectl.domain.system_state import Latch, LatchName
from tradectl.risk.context import AccountContext, Costs
from tradectl.risk.gates import circuit_breaker, session_runtime, session_trades
from tradectl.safety import emergency_stop, recovery
from tradectl.scenarios.book import open_book

D = Decimal
Dice = random.Random
HOUR_MS = 3_600_000


def an_account(config: Config, dice: Dice) -> AccountContext:
    facts = facts_for(Config(), "paper")
    book = open_book(facts, D(10_000))
    now_ms = book.state.server_ms
    risk = replace(book.risk, streak=dice.randint(0, 50), streak_at_ms=now_ms - dice.randint(0, 60 * HOUR_MS))
    return AccountContext(
        config=config, now_ms=now_ms, snapshot=book.snapshot(), risk=risk, costs=Costs(D(0), D(0)),
        session_started_ms=now_ms - dice.randint(0, 3 * HOUR_MS), session_entries=dice.randint(0, 50), recovered=True,
    )  # fmt: skip


def enters(config: Config, dice: Dice) -> bool:
    account = an_account(config, dice)
    return all(gate.check(account, "SOLUSDT").passed for gate in (circuit_breaker, session_trades, session_runtime))


def recovers(config: Config, dice: Dice) -> bool:
    reason = dice.choice(("MARGIN_CRITICAL", "ETH", "BTC"))
    halt = Latch(LatchName.HALT, "margin_utilisation", "bot", 0, f"{reason}: 93%")
    now_ms = 100 * HOUR_MS
    facts = recovery.Facts(
        now_ms=now_ms,
        stood_ms=dice.choice((1_500, 20_000, 600_000, 10**9)),
        latches=[halt],
        halt_file=False,
        utilisation=D(repr(dice.random())),
        recovered_ms=[now_ms - HOUR_MS] * dice.choice((0, 0, 1, 5)),
        reconciled=True,
        covered=True,
        in_doubt=False,
    )
    return not recovery.refusals(facts, config.safety.auto_recovery)


def goes_on(config: Config, dice: Dice) -> bool:
    book = open_book(facts_for(Config(), "paper"), D(10_000))
    risk = replace(book.risk, day_start_equity=D(10_000) / D(repr(1 - dice.random())))
    errors = Emergency(errors=dice.randint(0, 50)) if dice.random() < 0.9 else Emergency()
    return not config.ess.enabled or not emergency_stop.evaluate(config.ess, risk, book.snapshot(), errors)


def is_cool(config: Config, dice: Dice) -> bool:
    return not emergency_stop.left_ms(Emergency(cooled_ms=dice.randint(0, 50 * 60_000)), config.ess)


ACTS: dict[str, Callable[[Config, Dice], bool]] = {
    "perps.consecutive_loss_limit": enters,
    "perps.consecutive_loss_cooldown_hours": enters,
    "perps.session_max_trades": enters,
    "perps.session_max_runtime_minutes": enters,
    "safety.auto_recovery.reasons": recovers,
    "safety.auto_recovery.after_seconds": recovers,
    "safety.auto_recovery.below_margin_utilization_pct": recovers,
    "safety.auto_recovery.max_per_day": recovers,
    "ess.enabled": goes_on,
    "ess.max_daily_drawdown_pct": goes_on,
    "ess.max_execution_errors": goes_on,
    "ess.cooldown_minutes": is_cool,
}


@pytest.mark.parametrize("key", ACTS)
def test_what_is_looser_allows_all_that_was_allowed_before(key: str) -> None:
    felt = 0
    for seed in range(150):
        dice = random.Random(f"{key} {seed}")
        base = Config()
        if key == "perps.consecutive_loss_cooldown_hours":
            base = with_value(base, "perps.consecutive_loss_limit", 1)
        a, b = (with_value(base, key, drawn(dice, key)) for _ in range(2))
        words = {one.word for one in changes(resolved(a), resolved(b))}
        if words == {Word.TIGHTER}:
            a, b = b, a
        elif words != {Word.LOOSER}:
            continue
        before, after = (ACTS[key](one, random.Random(seed)) for one in (a, b))
        assert after or not before, seed
        felt += after and not before
    assert felt, "it was never felt"
