"""`validate-config` through the real executable: exit codes, JSON, folders, layers, files that do not load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tradectl.config.schema import Config
from tradectl.validation import runbook
from tradectl.validation.rules import RULES

ROOT = Path(__file__).resolve().parents[2]
INCIDENT_01 = "risk:\n  auction_max_margin_util: 0.90\nsafety:\n  max_margin_utilization_pct: 0.85\n"
WARNED = "perps:\n  riskPct: 0.01\n"
# The set of incident 01, its other thresholds put in order, so that TC01 and its twin in TC05 are all that is left.
FORCED = (
    "risk: {auction_max_margin_util: 0.90}\n"
    "safety:\n  max_margin_utilization_pct: 0.85\n  degraded_margin_utilization_pct: 0.80\n"
    "  auto_recovery: {below_margin_utilization_pct: 0.80}\n"
)


def tradectl(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tradectl", *args],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def bot(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return tradectl(
        folder, "--config", "bot.yaml", "--state", "bot.db", "run", "--cycles", "1", "--speed", "max", *args
    )


def findings(folder: Path, name: str) -> dict[str, Any]:
    body = json.loads(tradectl(folder, "validate-config", name, "--json").stdout)
    assert body["schema"] == "tradectl/validate-config/1"
    return {one["rule"]: one for one in body["configs"][0]["findings"] if one["severity"] != "note"}


def test_incident_01_is_refused_with_its_arithmetic(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(INCIDENT_01)
    done = tradectl(tmp_path, "validate-config", "bot.yaml")
    assert done.returncode == 2
    assert "ERROR TC01" in done.stdout
    assert "90.00% < 85.00% does not hold" in done.stdout
    assert "bot.yaml:2:3" in done.stdout and "bot.yaml:4:3" in done.stdout
    assert bot(tmp_path).returncode == 78
    assert not (tmp_path / "bot.db").exists()


def test_a_base_risk_over_the_maximum_is_reported(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("perps: {riskPct: 10%}\ntrading: {max_daily_risk: 5%}\n")
    found = findings(tmp_path, "bot.yaml")["TC11"]
    assert (found["severity"], found["knobs"][0]) == (
        "error", {"key": "perps.riskPct", "value": "0.1", "place": "bot.yaml:1:9"},
    )  # fmt: skip


def test_every_fault_is_found_at_once_the_worst_first(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(INCIDENT_01 + WARNED + "ess: {max_daily_drawdown_pct: 0.01}\n")
    body = json.loads(tradectl(tmp_path, "validate-config", "bot.yaml", "--json").stdout)
    severities = [one["severity"] for one in body["configs"][0]["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert {"TC01", "TC10", "TC16"} <= set(findings(tmp_path, "bot.yaml"))


def test_warnings_exit_1_with_strict_only(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(WARNED)
    assert tradectl(tmp_path, "validate-config", "bot.yaml").returncode == 0
    assert tradectl(tmp_path, "validate-config", "bot.yaml", "--strict").returncode == 1


def test_run_says_warnings_in_one_line_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(WARNED)
    done = bot(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "configuration: 1 warning; tradectl --config bot.yaml validate-config --mode paper" in done.stdout


def test_a_rule_is_accepted_with_a_reason_and_shown(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(FORCED)
    assert {name for name, one in findings(tmp_path, "bot.yaml").items() if one["severity"] == "error"} == {
        "TC01", "TC05",
    }  # fmt: skip
    (tmp_path / "bot.yaml").write_text(FORCED + "accept:\n  TC01: rehearsing incident 1\n  TC05: the same\n")
    done = tradectl(tmp_path, "validate-config", "bot.yaml")
    assert done.returncode == 0, done.stdout
    assert "accepted TC01 (error) at bot.yaml:7:3: rehearsing incident 1" in done.stdout
    started = bot(tmp_path)
    assert started.returncode == 0, started.stderr
    assert "accepted fault" in started.stdout


def test_what_accepts_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text("accept: {TC06: left over}\n")
    assert "accept.TC06 accepts nothing" in tradectl(tmp_path, "validate-config", "bot.yaml").stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("accept: {TC27: why}\n", "bot.yaml:1:10: TC27 cannot be a key of accept"),
        ("accept: {TC06: ''}\n", "accept.TC06 is empty"),
        ("accept: {TC06: '  '}\n", "accept.TC06 is empty"),
        ("accept:\n  TC06:\n", "accept.TC06 has no value"),
        ("perps:\n  levrage: 3\n", "bot.yaml:2:3: unknown key perps.levrage"),
        ("perps: [\n", "bot.yaml:2:1: is not YAML"),
        ("a: &a [1]\nb: *a\n", "bot.yaml:1:4: &a is an anchor"),
        ("accept: &x {TC06: why}\n", "&x is an anchor"),
        ("perps: {riskPct: \x00}\n", "bot.yaml:1:18: holds a control character"),
    ],
)
def test_what_does_not_load_is_located_and_exits_2(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "bot.yaml").write_text(text)
    done = tradectl(tmp_path, "validate-config", "bot.yaml")
    assert done.returncode == 2
    assert says in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    body = json.loads(tradectl(tmp_path, "validate-config", "bot.yaml", "--json").stdout)
    assert body["configs"][0]["faults"][0]["where"].startswith("bot.yaml")


def test_a_million_lines_and_other_strange_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text("a: 1\n" * 1_000_000)
    (tmp_path / "latin.toml").write_bytes(b"account = 'caf\xe9'\n")
    (tmp_path / "bot.json").write_text("{}")
    done = tradectl(tmp_path, "validate-config", "long.yaml", "latin.toml", "bot.json", "none.yaml")
    assert done.returncode == 2
    for says in (
        "long.yaml: is larger than 1 MiB", "latin.toml:1:15: is not UTF-8 text", "bot.json: has no ending of a config",
        "none.yaml: there is no such file",
    ):  # fmt: skip
        assert says in done.stdout


def test_a_folder_is_its_files_each_on_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    (folder / "a.yaml").write_text(INCIDENT_01)
    (folder / "b.toml").write_text("[perps]\nleverage = 4\n")
    (folder / "readme.md").write_text("no config")
    done = tradectl(tmp_path, "validate-config", "all", "--json")
    assert done.returncode == 2
    assert [(one["name"], bool(one["errors"])) for one in json.loads(done.stdout)["configs"]] == [
        ("all/a.yaml", True), ("all/b.toml", False),
    ]  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()
    done = tradectl(tmp_path, "validate-config", "empty")
    assert (done.returncode, "no configuration in this folder" in done.stdout) == (2, True)


def test_without_files_it_is_what_run_would_load(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(INCIDENT_01)
    (tmp_path / "b.yaml").write_text("risk: {auction_max_margin_util: 0.8}\n")
    done = tradectl(tmp_path, "--config", "a.yaml", "--config", "b.yaml", "validate-config")
    assert "TC01" not in done.stdout and "a.yaml + b.yaml" in done.stdout
    assert tradectl(tmp_path, "validate-config", TRADECTL_CONFIG="a.yaml").returncode == 2
    assert tradectl(tmp_path, "validate-config", "--strict").returncode == 0
    assert tradectl(tmp_path, "validate-config", "--mode", "dreams").returncode == 3


def test_a_guard_is_not_kept_from_protecting_by_a_rule(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(INCIDENT_01)
    done = bot(tmp_path, "--guard")
    assert done.returncode == 0, done.stderr
    assert "configuration: 4 errors" in done.stdout


def test_what_ships_keeps_every_rule() -> None:
    done = tradectl(ROOT, "validate-config", "configs", "benchmarks", "--strict")
    assert done.returncode == 0, done.stdout
    assert tradectl(ROOT, "validate-config", "--strict").returncode == 0


def test_the_runbook_is_the_rules_own_text() -> None:
    assert (ROOT / "runbooks" / "config-rules.md").read_text(encoding="utf-8") == runbook.page()


def test_every_rule_and_nothing_else_may_be_accepted() -> None:
    import re

    pattern = Config.model_fields["accept"].json_schema_extra["knob"].pattern  # type: ignore[index, union-attr]
    named = {f"TC{number:02d}" for number in range(100) if re.fullmatch(pattern, f"TC{number:02d}")}
    assert named == set(RULES)
