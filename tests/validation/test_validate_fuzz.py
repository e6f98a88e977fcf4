"""Whole config files through the command: whatever a file holds, an answer with its place, and never a traceback."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tradectl.cli.main import run
from tradectl.config.knob import fact_of, walk
from tradectl.config.schema import Config
from tradectl.validation.rules import RULES

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KNOBS = {".".join(path): fact for path, field in walk(Config) if (fact := fact_of(field))}
TINY = "0.000000000000000001"
EDGES = ["0", "1", "-0", "1e-18", "1e18", "0.999999999999999999", "100%", "0.0001%", "9" * 18, "none", "true", "125"]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from([*EDGES, "5%", "on"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def answer(folder: Path, text: str, name: str = "fuzz.yaml") -> dict[str, Any]:
    """Holds the promise for one file; returns what was said of it."""
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    out, errors = io.StringIO(), io.StringIO()
    code = run(["validate-config", str(path), "--json"], stdout=out, stderr=errors)
    assert code in (0, 2), errors.getvalue()
    assert errors.getvalue() == ""
    said: dict[str, Any] = json.loads(out.getvalue())["configs"][0]
    assert (code == 2) == bool(said["errors"])
    for fault in said["faults"]:
        assert fault["where"].startswith(str(path))
        assert "\n" not in fault["says"]
    for found in said["findings"]:
        assert found["rule"] in RULES
        assert found["says"] and "\n" not in found["says"] + found["arithmetic"]
        assert all(knob["place"] == "default" or knob["place"].startswith(str(path)) for knob in found["knobs"])
    text_out = io.StringIO()
    assert run(["validate-config", str(path)], stdout=text_out, stderr=errors) == code
    assert "Traceback" not in text_out.getvalue()
    return said


def nested(knobs: dict[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for dotted, value in knobs.items():
        *groups, last = dotted.split(".")
        place = root
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return root


def within(name: str) -> st.SearchStrategy[str]:
    """Numbers that a knob takes, its very bounds most of all."""
    fact = KNOBS[name]
    low, high = fact.low or 0, fact.high if fact.high is not None else 10**6
    return st.one_of(st.sampled_from([str(low), str(high), TINY, f"{float(high) / 1000:.6f}"]),
                     st.decimals(low, high, places=4).map(str))  # fmt: skip


NUMBERS = [
    name
    for name, fact in KNOBS.items()
    if fact.unit not in ("name", "path", "url", "list", "table", "choice", "switch")
]


@FUZZ
@given(data=st.data(), names=st.sets(st.sampled_from(NUMBERS), min_size=1, max_size=12))
def test_any_numbers_on_many_knobs_are_judged(tmp_path: Path, data: st.DataObject, names: set[str]) -> None:
    answer(tmp_path, yaml.safe_dump(nested({name: data.draw(within(name)) for name in sorted(names)})))


@FUZZ
@given(knobs=st.dictionaries(st.sampled_from(sorted(KNOBS)), VALUES, max_size=6))
def test_any_structure_on_many_knobs_is_answered(tmp_path: Path, knobs: dict[str, Any]) -> None:
    answer(tmp_path, yaml.safe_dump(nested(knobs)))


@FUZZ
@given(text=st.text(max_size=200))
@example("a: &a [*a]")
@example("\ud800")
@example("accept: {TC01: \u202e}")
@example("? \n")
def test_any_text_is_answered(tmp_path: Path, text: str) -> None:
    answer(tmp_path, text)
    answer(tmp_path, text, "fuzz.toml")


def test_a_bomb_of_aliases_is_refused_where_it_begins(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    said = answer(tmp_path, bomb)
    assert any(one["where"].endswith("fuzz.yaml:1:5") for one in said["faults"])
    assert len(said["faults"]) <= 200


@pytest.mark.parametrize("mode", ["isolated", "cross"])
def test_the_smallest_sizes_are_judged(tmp_path: Path, mode: str) -> None:
    for name in ("perps.risk_pct", "perps.stop_loss_pct", "perps.cash_deploy_cap", "risk.max_exposure_pct",
                 "risk.max_position_usd", "sim.start_balance", "risk.auction_max_margin_util"):  # fmt: skip
        said = answer(tmp_path, yaml.safe_dump(nested({name: TINY, "perps.margin_mode": mode})))
        assert said["faults"] == []


def test_every_rule_stands_every_knob_at_its_bounds(tmp_path: Path) -> None:
    for end in ("low", "high"):
        for name in NUMBERS:
            bound = getattr(KNOBS[name], end)
            if bound is not None and not (end == "low" and KNOBS[name].low_open):
                answer(tmp_path, yaml.safe_dump(nested({name: str(bound)})))
