"""Worlds around an operator's configuration are held to his own numbers, and a planted fault is found in them."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from planted import FAULTS

from tradectl.cli.main import run
from tradectl.config.load import load
from tradectl.config.schema import Config
from tradectl.scenarios import chaos
from tradectl.scenarios.chaos.bounds import bounds
from tradectl.scenarios.chaos.draw import draw
from tradectl.scenarios.chaos.laws import MEANING
from tradectl.scenarios.chaos.own import own_of
from tradectl.scenarios.chaos.run import run_seed
from tradectl.scenarios.chaos.watch import Limits

CONFIGS = Path(__file__).parents[2] / "configs"
ONE_AT_A_TIME = """\
market: {candidate_symbols: [BTCUSDT, ETHUSDT, SOLUSDT, ADAUSDT]}
perps: {maxRequestsPerMinute: 900, maxRequestsPerSecond: 20, leverage: 7}
risk: {max_concurrent_positions: 1}
"""


def test_a_planted_fault_is_found_and_its_replay_finds_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gate of `risk.max_concurrent_positions` is taken out: the law knows the operator's own limit of one."""
    (tmp_path / "own file.yaml").write_text(ONE_AT_A_TIME)
    asked = ["scenarios", "run", "--chaos", "--jobs", "1", "--config", str(tmp_path / "own file.yaml")]
    fault = FAULTS["the_number_of_positions_is_not_limited"]
    with fault.fault():
        assert run([*asked, "--seeds", "8"]) == 2
        said = capsys.readouterr().out
        assert "an entry went beyond a limit of the configuration" in said and "FAILED" in said
        assert "Do not trade with this until none does." in said
        broken = next(line.strip() for line in said.splitlines() if "1 allowed" in line)
        replay = re.findall(r"^  (tradectl scenarios run .*)$", said, re.MULTILINE)[0]
        assert run(shlex.split(replay)[1:]) == 2
        assert broken in capsys.readouterr().out
    assert run(shlex.split(replay)[1:]) == 0, "and without the fault, nothing"


def test_the_operators_numbers_stay_and_only_what_is_said_changes(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(ONE_AT_A_TIME)
    own = own_of((file,), load((file,)).config)
    assert (own.config.perps.leverage, own.config.risk.max_concurrent_positions) == (7, 1)
    keys = [text.split(" = ")[0] for text in own.changed]
    assert "risk.max_concurrent_positions" not in keys and "perps.leverage" not in keys
    markets = {symbol for seed in range(30) for symbol in draw(seed, own).instruments}
    assert markets == {"BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT"}
    assert all(draw(seed, own).config is own.config for seed in range(3))


def test_what_the_checker_is_patient_with_is_what_the_configuration_allows() -> None:
    def of(**safety: object) -> Config:
        return Config.model_validate({"safety": safety, "risk": {"max_exposure_pct": "0.5"}})

    drawn = bounds(of(protection={"grace_seconds": 15}))
    assert (drawn.naked_s, drawn.hard_s) == (90, 240), "what the drawn configurations have always been held to"
    patient = bounds(of(protection={"grace_seconds": 90, "strikes": 12, "on_unprotectable": "halt"}))
    assert patient.naked_s == 90 + 75 + 10 * 5 and patient.halts and not drawn.halts
    assert bounds(of(auto_recovery={"max_per_day": 0})).recoveries == 0
    assert drawn.limits.exposure == Decimal("0.5")


def test_an_entry_beyond_what_the_configuration_allows_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot has the operator's limit; the law is given a smaller one, as if the bot had ignored it."""
    file = CONFIGS / "live_limited.toml"
    own = own_of((file,), load((file,)).config)
    held_to = bounds(own.config)
    smaller = replace(held_to, limits=Limits(3, Decimal("0.01"), Decimal("0.01")))
    monkeypatch.setattr("tradectl.scenarios.chaos.run.bounds", lambda config: smaller)
    found = run_seed(LEARNED[0][1], drawn=draw(LEARNED[0][1], own)).violations
    assert {one.what.split()[0] for one in found if one.law == "limits"} == {"exposure", "margin"}


def test_every_law_is_said_in_words() -> None:
    found = set()
    for file in Path(chaos.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "violate":
                found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
            elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
                found |= {one.value for one in node.value.elts[:1] if isinstance(one, ast.Constant)}
    found |= {law for planted in FAULTS.values() for law in planted.laws}
    assert len(found) > 20 and found <= MEANING.keys(), found - MEANING.keys()


# Each has shown something of a shipped configuration that no drawn one had.
LEARNED = (
    ("live_limited.toml", 107),  # a person bought while an entry was held up: half of equity, and a quarter not ours
)


@pytest.mark.parametrize(("name", "seed"), LEARNED)
def test_what_was_learnt_stays_learnt(name: str, seed: int) -> None:
    file = CONFIGS / name
    verdict = run_seed(seed, drawn=draw(seed, own_of((file,), load((file,)).config)))
    assert verdict.ok and verdict.entries, verdict.report()
