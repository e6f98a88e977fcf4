"""The checker is checked: each fault planted in the product is noticed within 200 seeds, by a law that is about it."""

from __future__ import annotations

import pytest
from planted import FAULTS, Planted

from tradectl.scenarios.chaos.run import Verdict, run_seed

WITHIN = 200


def noticed(planted: Planted, seed: int) -> Verdict | None:
    with planted.fault():
        verdict = run_seed(seed)
    return verdict if any(one.law in planted.laws for one in verdict.violations) else None


@pytest.mark.parametrize("name", FAULTS)
def test_it_is_noticed(name: str) -> None:
    planted = FAULTS[name]
    seeds = (planted.seed, *(seed for seed in range(WITHIN) if seed != planted.seed))
    verdict = next((found for seed in seeds if (found := noticed(planted, seed)) is not None), None)
    assert verdict is not None, f"{name}: {WITHIN} seeds, and nothing noticed it"
    assert f"make chaos SEED={verdict.seed}" in verdict.report()


@pytest.mark.parametrize("name", FAULTS)
def test_without_it_the_same_seed_is_clean(name: str) -> None:
    assert run_seed(FAULTS[name].seed).ok
