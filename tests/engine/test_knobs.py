"""Each knob that a step reads changes what it says it changes; none is read by nothing.

The proofs stand in test_knobs_*, by subject; those of gates and sizing in tests/risk. This inventory looks at them all.
"""

from __future__ import annotations

import test_knobs_entries
import test_knobs_liquidity
import test_knobs_pace
import test_knobs_process
import test_knobs_protection
import test_knobs_sim
from knob_kit import ROOT

from tradectl.config.knob import fact_of, walk
from tradectl.config.schema import Config, SimInstrument

FILES = (
    test_knobs_entries,
    test_knobs_liquidity,
    test_knobs_pace,
    test_knobs_process,
    test_knobs_protection,
    test_knobs_sim,
)
# Asked of the tests that pytest runs, not of the proofs: one that no test runs proves nothing.
PROVED = {knob for file in FILES for knob in file.test_the_knob_changes_what_it_says.pytestmark[0].args[1]}

# Named in tests/risk under a section's prefix, one test for several.
BY_PREFIX = {
    "risk_management.crisis_mode.atr_period": "atr_period=",
    "risk_management.crisis_mode.lookback_bars": "lookback_bars",
    "risk_management.crisis_mode.volatility_multiplier": "volatility_multiplier",
    "risk.confidence.high": '("high", ',
    "risk.confidence.low": '("low", ',
}


def test_no_knob_that_may_be_set_goes_unproved() -> None:
    places = (
        "risk/*.py",
        "safety/*.py",
        "engine/test_guarding.py",
        "engine/test_policy.py",
        "engine/test_live_limited.py",
        "operations/test_ess.py",
    )
    risk = "\n".join(path.read_text() for place in places for path in sorted((ROOT / "tests").glob(place)))
    may_be_set = {".".join(path) for path, field in walk(Config) if (fact := fact_of(field)) and fact.available}
    looked_for = {name: BY_PREFIX.get(name, f'"{name}"') for name in may_be_set - PROVED}
    unproved = [name for name, text in looked_for.items() if text not in risk]
    assert sorted(unproved) == []


def test_no_proof_is_of_a_knob_that_is_not_there() -> None:
    known = {".".join(path) for path, _ in walk(Config)} | {
        f"sim.instruments.*.{one}" for one in SimInstrument.model_fields
    }
    assert PROVED | set(BY_PREFIX) <= known
