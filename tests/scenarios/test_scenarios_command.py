"""`scenarios list` and `scenarios run` through the real executable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
FULL, SOME = CONFIGS / "zoomex_example.yaml", CONFIGS / "paper.yaml"
OWN = """\
scenario: own
title: two entries at once
why: to see it fail
with:
  risk: {signal_cooldown_hours: 0}
when:
  - signal: enters
expect:
  - entries: {count: 2, for: 10s}
"""


def tradectl(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tradectl", *args],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "COLUMNS": "100"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_scenario_that_passes_shows_its_evidence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = tradectl(tmp_path, "scenarios", "run", "circuit-breaker", "--config", str(FULL))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SAFETY_CIRCUIT_BREAKER: 1 consecutive losses (limit=1)" in done.stdout
    assert "PASSED: all 1." in done.stdout and "venue.name = sim" in done.stdout
    assert list(tmp_path.iterdir()) == [], "no store, no log, no pointer"


def test_a_limit_that_is_switched_off_is_not_meaningful_and_no_pass(tmp_path: Path) -> None:
    done = tradectl(tmp_path, "scenarios", "run", "circuit-breaker", "drawdown", "--config", str(SOME))
    assert done.returncode == 0, done.stdout + done.stderr
    done = tradectl(tmp_path, "scenarios", "run", "session-trades", "--config", str(SOME))
    assert done.returncode == 1
    assert "not meaningful" in done.stdout and "perps.sessionMaxTrades is not set" in done.stdout


def test_a_failure_is_exit_2_in_the_table_in_json_and_in_junit(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    done = tradectl(
        tmp_path, "scenarios", "run", "session-trades", "--file", "own.yaml", "--config", str(SOME), "--json",
        "--junit", "out.xml",
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    body = json.loads(done.stdout)
    assert body["schema"] == "tradectl/scenarios-run/1" and body["exit_code"] == 2
    assert {one["name"]: one["outcome"] for one in body["scenarios"]} == {
        "session-trades": "not meaningful",
        "own": "failed",
    }
    assert "SOLUSDT" in body["scenarios"][1]["seen"][0]["evidence"] and body["scenarios"][1]["log"]
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "1")
    assert suite.find("testcase[@name='own']/failure") is not None
    assert suite.find("testcase[@name='session-trades']/skipped") is not None


def test_watching_one_shows_its_steps_and_its_log(tmp_path: Path) -> None:
    asked = ("scenarios", "run", "naked-position", "--config", str(FULL), "--watch", "--pause", "0")
    done = tradectl(tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    step = lines.index("» by_hand: cancel_stop")
    assert any("SAFETY_NAKED_POSITION" in line for line in lines[step:]) and "» signal: enters" in lines[:step]
    assert tradectl(tmp_path, "scenarios", "run", "--watch").returncode == 3


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("run", "no-such"), 3, "there is no scenario 'no-such'"),
        (("run", "--file", "bad.yaml"), 78, "bad.yaml:5:5: lgo is no word of expect → did you mean log?"),
        (("run", "--config", "absent.yaml"), 78, "absent.yaml"),
        (("run", "naked-position", "--config", str(FULL), "--junit", "no/such/folder.xml"), 3, "cannot be written"),
        (("list", "--show", "no-such"), 3, "there is no scenario"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_code(tmp_path: Path, args: tuple[str, ...], code: int, said: str) -> None:
    (tmp_path / "bad.yaml").write_text("scenario: x\ntitle: x\nwhy: x\nexpect:\n  - lgo: x\n")
    done = tradectl(tmp_path, "scenarios", *args)
    assert done.returncode == code and said in done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_the_library_is_one_to_begin_from(tmp_path: Path) -> None:
    shown = tradectl(tmp_path, "scenarios", "list", "--show", "naked-position")
    (tmp_path / "own.yaml").write_text(shown.stdout)
    done = tradectl(tmp_path, "scenarios", "run", "--file", "own.yaml", "--config", str(FULL))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(tradectl(tmp_path, "scenarios", "list", "--config", str(SOME), "--json").stdout)["items"]
    assert {row["name"] for row in rows if not row["meaningful"]} == {"session-runtime", "session-trades"}


def test_evidence_is_cut_in_the_table_and_whole_when_it_is_asked_for(tmp_path: Path) -> None:
    """The longest evidence there is: a line of the log with its context."""
    named = ("scenarios", "run", "incident-01", "naked-position", "--config", str(FULL))
    short, whole = tradectl(tmp_path, *named), tradectl(tmp_path, *named, "--evidence")
    assert (short.returncode, whole.returncode) == (0, 0), short.stderr + whole.stderr
    body = json.loads(tradectl(tmp_path, *named, "--json").stdout)
    said = next(one["seen"][0]["evidence"] for one in body["scenarios"] if one["name"] == "incident-01")
    assert len(said) > 200
    assert said[:200] in short.stdout and said not in short.stdout and "--evidence shows all of it" in short.stdout
    assert whole.stdout.count(said) == 2 and "--evidence" not in whole.stdout, (
        "among its expectations, and in the table"
    )


def test_a_tag_that_the_configured_level_hides_is_looked_for_all_the_same(tmp_path: Path) -> None:
    """SIGNAL is a line of DEBUG, and this configuration logs INFO: it is there, and "not logged" must not pass."""
    own = "scenario: own\ntitle: no opinion is logged\nwhy: to see it fail\nwhen:\n  - wait: 2m\nexpect:\n  - {}\n"
    for name, line in (("absent", "no_log: {tag: SIGNAL, for: 1m}"), ("there", "log: {tag: SIGNAL, within: 1m}")):
        (tmp_path / f"{name}.yaml").write_text(own.format(line))
    done = tradectl(tmp_path, "scenarios", "run", "--file", "absent.yaml", "--config", str(FULL))
    assert done.returncode == 2 and "SIGNAL: no signal" in done.stdout, done.stdout + done.stderr
    done = tradectl(tmp_path, "scenarios", "run", "--file", "there.yaml", "--config", str(FULL))
    assert done.returncode == 0, done.stdout + done.stderr
