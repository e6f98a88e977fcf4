"""`config explain KEY`: what limits a knob now, how far it can be moved, and which rules read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tradectl.config.load import load
from tradectl.config.nearest import spelling
from tradectl.operations import config_explain
from tradectl.store import session
from tradectl.store.database import Database
from tradectl.validation.binding import readers
from tradectl.validation.facts import Market, facts_of
from tradectl.validation.rules import RULES

D = Decimal


def tradectl(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tradectl", *args],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def explained(folder: Path, text: str, key: str, *more: str) -> Any:
    (folder / "bot.yaml").write_text(text)
    done = tradectl(folder, "--config", "bot.yaml", "--json", "config", "explain", key, *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def faults(folder: Path, text: str) -> set[tuple[str, str]]:
    """(rule, severity) of what validate-config says of a file; ('', 'error') where it does not load."""
    (folder / "tried.yaml").write_text(text)
    found = json.loads(tradectl(folder, "validate-config", "tried.yaml", "--json").stdout)["configs"][0]
    if found["faults"]:
        return {("", "error")}
    return {(one["rule"], one["severity"]) for one in found["findings"] if one["severity"] != "note"}


@pytest.mark.parametrize(
    "key",
    [
        "safety.max_margin_utilization_pct",
        "risk.auction_max_margin_util",
        "risk.max_concurrent_positions",
        "trading.max_daily_risk",
        "engine.cycle_seconds",
        "perps.slow_period",
    ],
)
def test_the_turns_it_names_are_where_validate_config_turns(key: str, tmp_path: Path) -> None:
    knob = explained(tmp_path, "", key)
    turns = knob["turns"]
    now = faults(tmp_path, "")
    section, name = key.split(".")
    assert turns, "none of these can be moved without end"

    def file(value: str) -> str:
        written = f"{D(value) * 100}%" if knob["unit"] == "fraction" else value
        return f"{section}: {{{name}: {written}}}"

    for turn in turns:
        objection = (turn["rule"], turn["severity"])
        assert objection not in faults(tmp_path, file(turn["last"]))
        assert objection in faults(tmp_path, file(turn["first"])) - now
        assert (D(turn["last"]) < D(turn["first"])) == turn["upwards"]


def test_what_objects_now_says_where_it_would_end(tmp_path: Path) -> None:
    broken = "risk: {auction_max_margin_util: 95%}\n"
    turns = explained(tmp_path, broken, "risk.auction_max_margin_util")["turns"]
    ends = {one["rule"]: one for one in turns if one["ends"]}
    assert {(one["upwards"], one["severity"]) for one in ends.values()} == {(False, "error")}
    assert ends["TC01"]["first"] == "0.9199"
    mended = faults(tmp_path, "risk: {auction_max_margin_util: 91.99%}\n")
    assert not mended & {(name, "error") for name in ends} and ("TC01", "error") in faults(tmp_path, broken)
    screen = tradectl(tmp_path, "--config", "bot.yaml", "config", "explain", "risk.auction_max_margin_util").stdout
    assert "to 0.9199, and TC01 is an error no more" in screen


def test_it_says_which_cap_ends_a_position_and_what_this_one_would_allow(tmp_path: Path) -> None:
    text = "perps: {riskPct: 1%, stopLossPct: 1%, cashDeployCap: 40%}\n"
    (own,) = explained(tmp_path, text, "perps.cashDeployCap")["caps"]
    assert own == ["one position", "ends at a notional of 40.00% of equity, by this knob (cash cap)"]
    ((_, other), _) = explained(tmp_path, text, "risk.max_exposure_pct")["caps"]
    assert "by cash cap (perps.cashDeployCap); this knob would let it be 200.00%" in other


def test_rules_that_read_it_say_what_they_find(tmp_path: Path) -> None:
    found = explained(tmp_path, "risk: {auction_max_margin_util: 95%}\n", "safety.max_margin_utilization_pct")
    rules = {one["rule"]: one["findings"] for one in found["rules"]}
    assert rules["TC01"][0]["severity"] == "error" and "92.00%" in rules["TC01"][0]["says"]
    assert rules["TC04"] == [] and "TC09" not in rules
    screen = tradectl(tmp_path, "--config", "bot.yaml", "config", "explain", "safety.max_margin_utilization_pct").stdout
    assert "TC01  error: entries may use 95.00% of equity" in screen and "TC04  holds" in screen


def test_the_mode_is_a_limit_of_its_own(tmp_path: Path) -> None:
    paper = explained(tmp_path, "", "trading.max_daily_risk")
    limited = explained(tmp_path, "", "trading.max_daily_risk", "--mode", "live_limited")
    assert (paper["in_force"], paper["limited_by"]) == ("0.05", "")
    assert (limited["in_force"], limited["limited_by"]) == ("0.02", "the mode live_limited demands it")
    wrong = tradectl(tmp_path, "config", "explain", "trading.max_daily_risk", "--mode", "lively")
    assert wrong.returncode == 3 and "one of: paper" in wrong.stderr


def test_a_policy_that_an_operator_set_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("perps: {riskPct: 2%}\n")
    named = ("--config", "bot.yaml", "--state", "bot.db")
    assert tradectl(tmp_path, *named, "run", "--mode", "paper", "--cycles", "1", "--speed", "max").returncode == 0
    before = json.loads(tradectl(tmp_path, *named, "--json", "config", "explain", "perps.riskPct").stdout)
    assert (before["in_force"], before["store"]) == ("0.02", "bot.db")
    done = tradectl(tmp_path, *named, "policy", "set", "DEFENSIVE", "--reason", "rates tonight")
    assert done.returncode == 0, done.stderr
    after = tradectl(tmp_path, *named, "config", "explain", "perps.riskPct").stdout
    assert "0.01, by policy DEFENSIVE v1, set by" in after and "rates tonight" in after


def test_a_bot_that_goes_by_another_configuration_is_said(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("perps: {riskPct: 1%}\n")
    named = ("--config", "bot.yaml", "--state", "bot.db")
    assert tradectl(tmp_path, *named, "run", "--mode", "paper", "--cycles", "1", "--speed", "max").returncode == 0
    said = "was started with another configuration"
    assert said not in tradectl(tmp_path, *named, "config", "explain", "perps.riskPct").stdout
    with Database.open(tmp_path / "bot.db", expect=None) as db, db.transaction() as conn:  # as a crash leaves it
        digest = load([tmp_path / "bot.yaml"]).digest
        session.start(conn, mode="paper", config_digest=digest, started_ms=1, started_wall_ms=1)
    assert said not in tradectl(tmp_path, *named, "config", "explain", "perps.riskPct").stdout
    (tmp_path / "bot.yaml").write_text("perps: {riskPct: 0.5%}\n")
    assert said in tradectl(tmp_path, *named, "config", "explain", "perps.riskPct").stdout


def test_a_store_that_cannot_be_read_is_said_and_no_fault(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_text("no database")
    done = tradectl(tmp_path, "--state", "bad.db", "config", "explain", "perps.riskPct")
    assert done.returncode == 0 and "not known here: the store was not read" in done.stdout
    gone = tradectl(tmp_path, "--state", "gone.db", "config", "explain", "perps.riskPct")
    assert gone.returncode == 0 and "not known here" in gone.stdout
    assert not (tmp_path / "gone.db").exists()


def test_every_knob_can_be_explained() -> None:
    for key in spelling().values():
        found = config_explain.plan((), key)
        assert found.looser and found.step, key
        begun = [(turn.upwards, turn.severity) for turn in found.limits.turns if not turn.ends]
        assert len(set(begun)) == len(begun), key


def test_what_a_rule_reads_is_noted_and_nothing_that_is_no_knob() -> None:
    resolved = load()
    known = {".".join(path) for path in spelling()}
    read = readers(facts_of(resolved.config, "paper", Market(equity=D(10_000))))
    assert set(read) == set(RULES)
    assert set().union(*read.values()) <= known
    assert {name for name, knobs in read.items() if not knobs} == {"TC24"}, "it reads the environment alone"
    assert read["TC01"] == {"risk.auction_max_margin_util", "safety.max_margin_utilization_pct"}
    assert "policy.profile" in read["TC11"]
