"""What is declared looser is so in the running code: the gates, the invariants and the sizing are asked."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from proof_kit import facts_for, number, random_config
from two_configs import drawn, resolved, with_value

from tradectl.config.compare import changes
from tradectl.config.schema import Config
from tradectl.config.stake import Word
from tradectl.config.stakes import STAKES
from tradectl.domain.inequality import WHOLE, Inequality
from tradectl.domain.position import Side
from tradectl.domain.signal import SymbolRefusal
from tradectl.risk.limits import gate_limits
from tradectl.safety.invariants import equity_drawdown, equity_jump, margin_utilisation, position_count, single_position
from tradectl.scenarios.book import Wanted, open_book
from tradectl.validation.figures import figures

D = Decimal
LIMITS: dict[str, Inequality] = {one.gate: one.inequality for one in gate_limits() if one.inequality.bound != WHOLE}


@pytest.mark.parametrize("gate", LIMITS)
def test_what_a_looser_limit_of_a_gate_admits_it_admitted_before(gate: str) -> None:
    _agrees(LIMITS[gate])


def invariants() -> list[Inequality]:
    found = []
    for module in (equity_drawdown, equity_jump, margin_utilisation, position_count, single_position):
        for value in vars(module).values():
            every = value if isinstance(value, tuple) else (value,)
            found += [part for one in every for part in (one, getattr(one, "inequality", None))
                      if isinstance(part, Inequality)]  # fmt: skip
    return list({one.bound: one for one in found}.values())


def test_the_invariants_that_are_inequalities_are_found() -> None:
    assert len(invariants()) == 7


@pytest.mark.parametrize("inequality", invariants(), ids=lambda one: one.bound)
def test_what_a_looser_invariant_bears_includes_what_a_tighter_one_bears(inequality: Inequality) -> None:
    _agrees(inequality)


def _agrees(inequality: Inequality) -> None:
    dice, stake, moved = random.Random(inequality.bound), STAKES[inequality.bound], 0
    for _ in range(200):
        a, b = (with_value(Config(), inequality.bound, drawn(dice, inequality.bound)) for _ in range(2))
        before, after = inequality.limit(a), inequality.limit(b)
        if before == after:
            continue
        word, value = stake.word(before, after), D(repr(dice.choice([0.01, 1, 100, 1000]) * dice.random()))
        assert word in (Word.LOOSER, Word.TIGHTER)
        tight, loose = (before, after) if word is Word.LOOSER else (after, before)
        assert tight is not None, "the absent limit is the loosest"
        if inequality.holds(value, tight):
            assert loose is None or inequality.holds(value, loose)
        elif loose is None or inequality.holds(value, loose):
            moved += 1
    assert moved, "no value lay between two limits: nothing was tried"


# Each is loosened alone in front of the real gates. Leverage is not among them: the instrument's tiers give a smaller
# notional at a larger one, so that a single size may shrink although the account as a whole may hold more.
TRIED = [
    "perps.risk_pct", "perps.cash_deploy_cap", "perps.max_margin_ratio", "trading.max_daily_risk",
    "risk_management.crisis_mode.drawdown_threshold", "risk.auction_max_margin_util",
    "risk.max_single_position_margin_pct_equity", "risk.max_aggregate_margin_pct_equity", "risk.max_exposure_pct",
    "risk.max_concurrent_positions", "risk.min_notional_viable", "risk.max_position_usd", "risk.min_position_usd",
    "risk.max_volume_share", "risk.confidence.floor", "risk.confidence.high", "risk.confidence.high_scale",
    "risk.confidence.low", "risk.confidence.low_scale", "risk.size_by_tier.a", "risk.size_by_tier.b",
    "risk.size_by_tier.c", "market.tiers.b_min_volume_usd", "policy.profile",
]  # fmt: skip


@pytest.mark.parametrize("key", TRIED)
def test_a_looser_knob_never_makes_a_trade_smaller_or_refuses_it(key: str) -> None:
    """Through the real gates: what was entered is entered, at least as large, or its larger loss has no room today."""
    larger = tried = 0
    for seed in range(60):
        dice = random.Random(f"{key} {seed}")
        a = random_config(dice)
        if dice.random() < 0.5:  # so small that no cap ends the size: what scales it is felt
            a = with_value(a, "perps.risk_pct", D("0.001"))
        b = with_value(a, key, drawn(dice, key))
        word = next((one.word for one in changes(resolved(a), resolved(b))), None)
        if word is Word.TIGHTER:
            a, b = b, a
        elif word is not Word.LOOSER:
            continue
        before, after = _entered(a, b, dice)
        if isinstance(before, SymbolRefusal):
            larger += not isinstance(after, SymbolRefusal)
            continue
        tried += 1
        if isinstance(after, SymbolRefusal):
            assert after.refused_by.gate == "daily_loss_room", (seed, after.refused_by)
        else:
            assert after.qty >= before.qty, seed
            larger += after.qty > before.qty
    assert tried >= 5
    assert larger, "it was never felt"


def _entered(a: Config, b: Config, dice: random.Random) -> tuple[Any, Any]:
    """One more signal on the same account, under either configuration."""
    facts = {name: facts_for(config, "paper") for name, config in (("a", a), ("b", b))}
    equity = facts["a"].market.equity
    assert equity is not None
    book = open_book(facts["a"], equity, equity * (1 + D(number(dice, "0.0001", "0.2"))))
    symbols = list(facts["a"].market.prices)
    dice.shuffle(symbols)
    for symbol in symbols[:-1]:
        book.enter(Wanted(symbol, dice.choice(list(Side)), D(1), D("1E+12")))
    last = Wanted(
        symbols[-1], Side.LONG, D(repr(0.4 + 0.6 * dice.random())), D(dice.choice(["1E+8", "1E+6", "300000"]))
    )
    copies = [replace(book, config=facts[name].limits, sized=[], refused=[]) for name in "ab"]
    return copies[0].enter(last), copies[1].enter(last)


def test_figures_say_what_holds_not_what_is_written() -> None:
    written = with_value(with_value(Config(), "perps.risk_pct", D("0.025")), "trading.max_daily_risk", D("0.2"))
    normal = {one.id: one.text for one in figures(facts_for(written, "paper"))}
    aggressive = {
        one.id: one.text for one in figures(facts_for(with_value(written, "policy.profile", "AGGRESSIVE"), "paper"))
    }
    assert (normal["risk_per_trade"], aggressive["risk_per_trade"]) == ("2.00%", "2.50%")
    assert (normal["daily_loss"], aggressive["daily_loss"]) == ("5.00%", "8.00%")
