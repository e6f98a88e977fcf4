"""Whole worlds, seed by seed: random faults, crashes, people and operators, and every law of the checker.

A seed that fails prints the one command that replays it.
"""

from __future__ import annotations

import pytest

from tradectl.scenarios.chaos.run import run_seed

SEEDS, AT_ONCE = 200, 10
# Each of them has shown something that none of the others had: a clock that was set while requests waited their turn,
# a venue without room for another stop, the brackets of an entry that arrived while somebody closed, a list that lags,
# refusals counted across restarts, stops of different sizes moved in place.
LEARNED = (1863, 2250, 2532, 2652, 4393, 4678, 6214, 9103, 9299, 9783)


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_no_law_is_broken(first: int) -> None:
    failed = [verdict for seed in range(first, first + AT_ONCE) if not (verdict := run_seed(seed)).ok]
    assert not failed, "\n".join(verdict.report() for verdict in failed)


def test_the_worlds_are_worth_it() -> None:
    """They trade, and every kind of command has succeeded and failed in some of them."""
    verdicts = [run_seed(seed) for seed in range(40)]
    assert sum(verdict.trades for verdict in verdicts) > 40
    assert sum(verdict.fills == 0 for verdict in verdicts) < 14
    said = {(claim.command, claim.code) for verdict in verdicts for claim in verdict.claims}
    assert len({command for command, _ in said}) >= 12
    assert len(said) >= 20


@pytest.mark.parametrize("seed", LEARNED)
def test_what_was_learnt_stays_learnt(seed: int) -> None:
    verdict = run_seed(seed)
    assert verdict.ok, verdict.report()
