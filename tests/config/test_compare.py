"""What two configurations change of each other: every knob has its stake, and the way back is the way there."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from two_configs import KNOBS, drawn, random_config, resolved, with_value

from tradectl.config.coerce import optional
from tradectl.config.compare import Change, changes
from tradectl.config.knob import fact_of
from tradectl.config.listing import choices_of
from tradectl.config.nearest import key_of
from tradectl.config.schema import Config
from tradectl.config.stake import Way, Word
from tradectl.config.stakes import STAKES

D = Decimal
SEEDS = st.integers(0, 10**9)
TURNED = {Word.LOOSER: Word.TIGHTER, Word.TIGHTER: Word.LOOSER}


def diff(a: Config, b: Config) -> tuple[Change, ...]:
    return changes(resolved(a), resolved(b))


def test_every_knob_has_a_stake_and_every_stake_a_knob() -> None:
    assert sorted(STAKES) == sorted(KNOBS)


@pytest.mark.parametrize("key", KNOBS)
def test_a_stake_fits_the_type_of_its_knob(key: str) -> None:
    stake, field = STAKES[key], KNOBS[key]
    wanted, may_be_none = optional(field.annotation)
    if stake.way in (Way.UP, Way.DOWN):
        assert wanted in (int, D) or key == "risk.max_leverage_by_tier"
        assert bool(stake.absent) == (may_be_none or key == "risk.max_leverage_by_tier"), "what is none of it?"
    if stake.way is Way.SWITCH:
        assert wanted is bool and set(stake.order) == {True, False}
    if stake.way is Way.ORDER:
        assert set(stake.order) == set(choices_of(field))
    if stake.off:
        fact = fact_of(field)
        assert fact is not None and fact.low == 0 and "0 is off" in fact.meaning


@pytest.mark.parametrize("key", KNOBS)
def test_no_knob_changes_unseen(key: str) -> None:
    """Each of many values of one knob is a change of that knob or of an entry in it, with a sentence of its own."""
    dice, seen = random.Random(key), 0
    for _ in range(60):
        a, b = drawn(dice, key), drawn(dice, key)
        found = diff(with_value(Config(), key, a), with_value(Config(), key, b))
        name = key_of(tuple(key.split(".")))
        assert all(one.key == name or one.key.startswith(f"{name}.") for one in found)
        assert all(
            "{" not in one.says.replace(str(a), "").replace(str(b), "") for one in found if key != "exits.targets"
        )
        if found:
            seen += 1
            assert a != b
        elif a != b:
            assert key in ("risk.max_leverage_by_tier", "market.pinned", "safety.auto_recovery.reasons",
                           "alerts.urgent", "market.candidate_symbols")  # fmt: skip
    assert seen >= 5


@given(seed=SEEDS)
def test_a_configuration_changes_nothing_of_itself(seed: int) -> None:
    assert diff(random_config(seed), random_config(seed)) == ()


@given(one=SEEDS, other=SEEDS)
@settings(max_examples=200)
def test_the_way_back_is_the_way_there_with_the_word_turned_round(one: int, other: int) -> None:
    a, b = random_config(one), random_config(other)
    there, back = diff(a, b), diff(b, a)
    assert Counter((each.key, TURNED.get(each.word, each.word)) for each in there) == Counter(
        (each.key, each.word) for each in back
    )
    assert {(each.key, each.a.text, each.b.text) for each in there} == {
        (each.key, each.b.text, each.a.text) for each in back
    }


@given(one=SEEDS, other=SEEDS)
def test_the_loosest_comes_first(one: int, other: int) -> None:
    found = [each.word for each in diff(random_config(one), random_config(other))]
    assert found == sorted(found, key=list(Word).index)


def test_markets_are_compared_by_what_is_traded_not_by_the_knob_that_says_so() -> None:
    alone = with_value(Config(), "perps.symbol", "BTCUSDT")
    listed = with_value(Config(), "market.candidate_symbols", ("BTCUSDT",))
    assert diff(alone, listed) == ()
    two = with_value(Config(), "market.candidate_symbols", ("BTCUSDT", "ETHUSDT"))
    assert [(one.key, one.word) for one in diff(alone, two)] == [("market.candidate_symbols", Word.LOOSER)]
    turned = with_value(Config(), "market.candidate_symbols", ("ETHUSDT", "BTCUSDT"))
    assert [one.word for one in diff(two, turned)] == [Word.DIFFERENT]
    unread = with_value(two, "perps.symbol", "XRPUSDT")
    assert [(one.key, one.word) for one in diff(two, unread)] == [("perps.symbol", Word.NONE)]


def test_a_tier_without_a_leverage_of_its_own_has_that_of_the_more_liquid_one() -> None:
    table = "risk.max_leverage_by_tier"
    b_only, b_and_c = (with_value(Config(), table, one) for one in ({"B": D(5)}, {"B": D(5), "C": D(5)}))
    assert diff(b_only, b_and_c) == ()
    lower = with_value(Config(), table, {"B": D(3)})
    assert [(one.key, one.word) for one in diff(b_only, lower)] == [
        (f"{table}.B", Word.TIGHTER), (f"{table}.C", Word.TIGHTER),
    ]  # fmt: skip
