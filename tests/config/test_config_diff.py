"""`config diff A B` through the real executable: what an operator reads before a changed file is deployed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUNNING = """\
[perps]
riskPct = "0.5%"
consecutiveLossLimit = 5

[risk]
max_concurrent_positions = 10

[log]
level = "DEBUG"
"""


def environment(folder: Path, **env: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path), **env}


def diff(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tradectl", "config", "diff", *args],
        cwd=folder, env=environment(folder, **env), capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def answer(folder: Path, *args: str, code: int = 1, **env: str) -> Any:
    done = diff(folder, *args, "--json", **env)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.toml").write_text(RUNNING)
    return tmp_path


def b(folder: Path, text: str, name: str = "b.yaml") -> str:
    (folder / name).write_text(text)
    return name


def test_the_bottom_line_comes_first_and_the_loosest_change_before_the_rest(folder: Path) -> None:
    changed = b(folder, "perps: {riskPct: 1%}\nrisk:\n  max_concurrent_positions: 5\nexits: {targets: []}\n")
    done = diff(folder, "a.toml", changed)
    lines = done.stdout.splitlines()
    assert lines[0] == "B is looser in 2, tighter in 1; B breaks 1 rule that A keeps"
    assert done.returncode == 1
    heads = [line for line in lines if line.split(" ")[0] in ("LOOSER", "TIGHTER", "DIFFERENT")]
    assert heads == [
        "LOOSER perps.consecutiveLossLimit: losing trades in a row that end entries: no limit instead of 5",
        "LOOSER perps.riskPct: each trade may lose 1% of equity instead of 0.5%",
        "TIGHTER risk.max_concurrent_positions: 5 positions may be open at one time instead of 10",
    ]
    at = lines.index(heads[1])
    assert lines[at + 1 : at + 3] == ["  A  0.005  a.toml:2:1", "  B  0.01  b.yaml:1:9"]
    assert lines[lines.index(heads[0]) + 2] == "  B  none  default"
    assert "  risk per trade in force  0.50% → 1.00%" in lines
    assert any(line.startswith("B: TC10 is new, a warning: riskPct is never reached") for line in lines)
    assert lines[-1] == "1 change without risk (log.level): -v lists them"


def test_verbose_lists_the_arithmetic_and_the_changes_without_risk(folder: Path) -> None:
    done = diff(folder, "a.toml", b(folder, "perps: {riskPct: 1%}\n"), "-v")
    assert "log.level  DEBUG  INFO  a.toml:9:1 → default" in done.stdout
    assert "  sum" in done.stdout and "  where" in done.stdout


@pytest.mark.parametrize(
    "same",
    [
        "perps: {risk_pct: 0.005, consecutive_loss_limit: 5}\nrisk: {max_concurrent_positions: 10}\n",
        "perps: {riskPct: 0.50%, consecutiveLossLimit: 5, leverage: 5}\nsafety: {maxDataAgeSeconds: 60}\n",
    ],
)  # fmt: skip
def test_the_same_values_in_other_words_are_no_change(folder: Path, same: str) -> None:
    body = answer(folder, "a.toml", b(folder, same + "log: {level: debug}\n"), code=0)
    assert (body["changes"], body["no_risk"], body["figures"]) == ([], [], [])
    assert body["a"]["digest"] == body["b"]["digest"]
    assert diff(folder, "a.toml", "b.yaml").stdout.startswith(
        "B changes nothing of the risk; the rules say the same of both\n"
    )


def test_exit_0_for_what_is_only_tighter_and_for_what_is_no_risk(folder: Path) -> None:
    tighter = RUNNING.replace("= 10", "= 4").replace("DEBUG", "INFO")
    body = answer(folder, "a.toml", b(folder, tighter, "b.toml"), code=0)
    assert [(one["key"], one["word"]) for one in body["changes"]] == [("risk.max_concurrent_positions", "TIGHTER")]
    assert [one["key"] for one in body["no_risk"]] == ["log.level"]


def test_exit_1_for_a_tighter_change_that_brings_a_new_warning(folder: Path) -> None:
    tighter = RUNNING + '\n[risk_management.crisis_mode]\ndrawdown_threshold = "5%"\n'
    body = answer(folder, "a.toml", b(folder, tighter, "b.toml"), code=1)
    assert [one["word"] for one in body["changes"]] == ["TIGHTER"]
    assert (body["looser"], body["different"], body["breaks"]) == (0, 0, 1)
    assert [(one["rule"], one["turn"]) for one in body["rules"] if one["turn"] == "new"] == [("TC07", "new")]


def test_exit_2_where_b_has_an_error_by_the_rules_and_the_way_back_mends_it(folder: Path) -> None:
    wrong = b(folder, RUNNING.replace("= 10", "= 10\nauction_max_margin_util = 0.93"), "b.toml")
    body = answer(folder, "a.toml", wrong, code=2)
    assert body["b"]["errors"] == 2 and body["a"]["errors"] == 0
    assert {one["rule"] for one in body["rules"] if one["turn"] == "new"} == {"TC01", "TC05"}
    shown = diff(folder, "a.toml", wrong).stdout
    assert "B breaks 2 rules that A keeps, has 2 errors: `run` refuses it" in shown.splitlines()[0]
    assert "B: TC01 is new, an error: entries may use 93.00% of equity as margin" in shown
    back = answer(folder, wrong, "a.toml", code=0)
    assert (back["tighter"], back["mends"], back["breaks"]) == (1, 2, 0)
    # An error that A has as well is one that run refuses all the same.
    again = b(folder, (folder / "b.toml").read_text() + "# a copy\n", "c.toml")
    both = answer(folder, wrong, again, code=2)
    assert (both["changes"], both["breaks"]) == ([], 0)
    assert "as before, TC01 is an error in both" in diff(folder, wrong, again).stdout


BOOK = (
    "market: {{candidate_symbols: [BTCUSDT, ETHUSDT, SOLUSDT, DOGEUSDT, XRPUSDT]}}\n"
    "perps: {{cash_deploy_cap: 300%, riskPct: 2%}}\n"
    "risk: {{max_exposure_pct: 1000%, max_aggregate_margin_pct_equity: 100%, auction_max_margin_util: {0}}}\n"
)


def test_a_warning_that_becomes_an_error_is_said_in_the_bottom_line(folder: Path) -> None:
    one, two = b(folder, BOOK.format("0.905"), "one.yaml"), b(folder, BOOK.format("0.915"), "two.yaml")
    body = answer(folder, one, two, code=2)
    assert [
        (each["rule"], each["a"]["severity"], each["b"]["severity"])
        for each in body["rules"]
        if each["turn"] == "worse"
    ] == [("TC03", "warning", "error")]
    shown = diff(folder, one, two).stdout
    assert "breaks 1 rule worse than A does, has 1 error: `run` refuses it" in shown.splitlines()[0]
    assert "B: TC03 becomes an error, a warning in A: a book at the caps is" in shown
    back = diff(folder, two, one).stdout
    assert "B: TC03 becomes a warning, an error in A" in back and "as before, TC06 is a warning in both" in back


def test_a_knob_of_b_that_is_not_built_yet_is_said_for_run_refuses_it(folder: Path) -> None:
    unbuilt = b(folder, RUNNING + "[market]\nrefresh_hours = 2\n", "b.toml")
    body = answer(folder, "a.toml", unbuilt, code=2)
    assert len(body["unavailable"]) == 1
    shown = diff(folder, "a.toml", unbuilt).stdout
    assert "`run` refuses B: b.toml:11:1: market.refresh_hours = 2 is not available yet" in shown
    assert answer(folder, unbuilt, "a.toml", code=1)["unavailable"] == []


def test_an_accepted_rule_is_looser_and_its_fault_no_longer_a_fault(folder: Path) -> None:
    risky = b(folder, "perps: {riskPct: 1%}\n", "risky.yaml")
    accepted = b(folder, "perps: {riskPct: 1%}\naccept: {TC10: the cap is meant}\n")
    body = answer(folder, risky, accepted)
    assert [(one["key"], one["word"], one["b"]["value"]) for one in body["changes"]] == [
        ("accept.TC10", "LOOSER", "the cap is meant")
    ]
    assert [(one["rule"], one["turn"]) for one in body["rules"] if one["rule"] == "TC10"] == [("TC10", "better")]
    other = b(folder, "perps: {riskPct: 1%}\naccept: {TC10: another reason}\n", "other.yaml")
    assert [one["key"] for one in answer(folder, accepted, other, code=0)["no_risk"]] == ["accept.TC10"]


def test_lists_and_tables_are_compared_entry_by_entry(folder: Path) -> None:
    one = b(
        folder,
        "market: {candidate_symbols: [BTCUSDT, ETHUSDT]}\nrisk: {max_leverage_by_tier: {A: 5, C: 2}}\n",
        "one.yaml",
    )
    two = b(
        folder, "market: {candidate_symbols: [BTCUSDT, SOLUSDT]}\nrisk: {max_leverage_by_tier: {A: 4}}\n", "two.yaml"
    )
    changes = answer(folder, one, two)["changes"]
    found = {(each["key"], each["word"]): each["says"] for each in changes}
    of_b = next(each for each in changes if each["key"].endswith("tier.B"))
    assert (of_b["a"]["place"], of_b["b"]["place"]) == ("one.yaml:2:31", "two.yaml:2:31")  # where tier A is set
    assert found == {
        ("market.candidate_symbols", "LOOSER"): "traded too: SOLUSDT; more markets can be open at one time",
        ("market.candidate_symbols", "TIGHTER"): "no longer traded: ETHUSDT; a position there is still protected",
        ("risk.max_leverage_by_tier.A", "TIGHTER"): "leverage in a market of tier A is at most: 4x instead of 5x",
        ("risk.max_leverage_by_tier.B", "TIGHTER"): "leverage in a market of tier B is at most: 4x instead of 5x",
        ("risk.max_leverage_by_tier.C", "LOOSER"): "leverage in a market of tier C is at most: 4x instead of 2x",
    }


def test_a_long_list_is_short_on_the_screen_and_whole_in_json(folder: Path) -> None:
    names = [f"S{number}USDT" for number in range(400)]
    many = b(folder, f"perps:\n  symbol: S3USDT\nmarket:\n  candidate_symbols: [{', '.join(names)}]\n")
    one = b(folder, "perps:\n  symbol: S3USDT\n", "one.yaml")
    done = diff(folder, one, many)
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("LOOSER market.candidate_symbols"))
    assert lines[at].endswith("S8USDT and 391 more; more markets can be open at one time")
    assert lines[at + 1] == "  A  none: perps.symbol = S3USDT  one.yaml:2:3"
    assert lines[at + 2].endswith("S7USDT and 392 more]  b.yaml:4:3")
    body = answer(folder, one, many, code=done.returncode)
    assert [change["b"]["value"] for change in body["changes"]] == [names]


def test_the_mode_changes_what_is_in_force(folder: Path) -> None:
    looser = b(folder, RUNNING + '[live_limited]\nmax_daily_loss_pct = "4%"\n', "b.toml")
    assert "daily_loss" not in {one["id"] for one in answer(folder, "a.toml", looser)["figures"]}
    body = answer(folder, "a.toml", looser, "--mode", "live_limited", code=1)
    assert {one["id"]: (one["a"], one["b"]) for one in body["figures"]}["daily_loss"] == ("2.00%", "4.00%")
    assert {one["id"]: one["b"] for one in body["figures"]}["all_stops"].endswith("of equity; a day may lose 4.00%")
    assert body["b"]["mode"] == "live_limited"
    wrong = diff(folder, "a.toml", looser, "--mode", "fast")
    assert wrong.returncode == 3 and "one of: paper, testnet" in wrong.stderr


def test_a_guard_session_reports_unless_protect_is_written(folder: Path) -> None:
    written = b(folder, RUNNING + '[safety.protection]\nunexplained = "protect"\n', "b.toml")
    (change,) = answer(folder, "a.toml", written, code=0)["changes"]
    assert (change["word"], change["key"]) == ("TIGHTER", "safety.protection.unexplained")
    assert change["says"].startswith("in `run --guard` only: ")


def test_config_lies_beneath_both_and_the_environment_is_not_read(folder: Path) -> None:
    base = b(folder, "risk: {max_concurrent_positions: 3}\n", "base.yaml")
    one, two = (
        b(folder, "perps: {riskPct: 1%}\n", "one.yaml"),
        b(folder, "risk: {max_concurrent_positions: 4}\n", "two.yaml"),
    )
    body = answer(folder, one, two, "--config", base)
    assert body["base"] == [base]
    sides = {change["key"]: (change["a"], change["b"]) for change in body["changes"]}
    before, after = sides["risk.max_concurrent_positions"]
    assert (before["value"], before["place"], after["value"]) == (3, "base.yaml:1:8", 4)
    alone = answer(folder, one, two, TRADECTL_CONFIG=base, code=0)
    assert {(change["key"], change["word"]) for change in alone["changes"]} == {
        ("risk.max_concurrent_positions", "TIGHTER"),
        ("perps.riskPct", "TIGHTER"),
    }


def test_a_file_beneath_itself_and_one_file_twice_are_refused(folder: Path) -> None:
    changed = b(folder, "perps: {riskPct: 1%}\n")
    done = diff(folder, "a.toml", changed, "--config", "./a.toml")
    assert done.returncode == 3
    assert "--config names A itself" in done.stderr and "tradectl config diff a.toml b.yaml" in done.stderr
    (folder / "link.toml").symlink_to("a.toml")
    twice = diff(folder, "a.toml", "link.toml")
    assert twice.returncode == 3 and "A and B are one file" in twice.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("perps:\n  riskPtc: 1%\n", "b.yaml:2:3: unknown key perps.riskPtc → did you mean perps.riskPct?"),
        ("perps: {riskPct: 5}\n", "b.yaml:1:"),
        ("perps: [\n", "b.yaml"),
        ("perps:\n  apiSecret: do-not-print-me\n", "b.yaml:2:3: apiSecret is a secret in a config file"),
        ("risk: {min_position_usd: 10, max_position_usd: 5}\n", "risk.min_position_usd = 10"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_load_is_named_with_its_faults_and_nothing_is_compared(
    folder: Path, text: str, said: str
) -> None:
    b(folder, text)
    for name, args in (("B", ("a.toml", "b.yaml")), ("A", ("b.yaml", "a.toml"))):
        done = diff(folder, *args)
        assert (done.returncode, done.stdout) == (78, "")
        assert f"nothing was compared: {name} (b.yaml) cannot be used" in done.stderr
        assert said in done.stderr
        assert "do-not-print-me" not in done.stderr and "Traceback" not in done.stderr


def test_missing_files_folders_and_both_at_fault(folder: Path) -> None:
    (folder / "sub.yaml").mkdir()
    (folder / "text.txt").write_text("")
    for other, said in (("none.toml", "there is no such file"), ("sub.yaml", "is a folder"), ("text.txt", "no ending")):
        done = diff(folder, "a.toml", other)
        assert done.returncode == 78 and said in done.stderr, done.stderr
    both = diff(folder, "none.toml", "sub.yaml")
    assert "A (none.toml) and B (sub.yaml) cannot be used: 2 faults" in both.stderr
    assert diff(folder, "a.toml").returncode == 3
    body = answer(folder, "a.toml", "none.toml", code=78)
    assert body["error"]["type"] == "ConfigError" and len(body["error"]["faults"]) == 1


def test_secrets_that_others_can_read_stop_the_verdict_in_a_live_mode_and_only_there(folder: Path) -> None:
    (folder / "keys").write_text("ALERT_WEBHOOK_URL=https://example.invalid/do-not-print-me\n")
    (folder / "keys").chmod(0o644)
    changed = b(folder, "perps: {riskPct: 1%}\n")
    done = diff(folder, "a.toml", changed, "--mode", "live_limited", TRADECTL_ENV_FILE="keys")
    assert (done.returncode, done.stdout) == (78, "")
    assert "A (a.toml) cannot be judged: the file with the secrets can be read by others" in done.stderr
    assert "do-not-print-me" not in done.stderr
    assert diff(folder, "a.toml", changed, TRADECTL_ENV_FILE="keys").returncode == 1


def test_an_empty_file_is_said_to_be_one(folder: Path) -> None:
    done = diff(folder, "a.toml", b(folder, ""))
    assert "notice for B: b.yaml is empty: every knob has its default" in done.stdout
    assert done.returncode == 1


def test_json_holds_both_values_with_their_places(folder: Path) -> None:
    body = answer(folder, "a.toml", b(folder, "perps: {riskPct: 1%, consecutiveLossLimit: 5}\n"))
    assert body["schema"] == "tradectl/config-diff/1" and body["exit"] == 1
    (change,) = body["changes"]
    assert change == {
        "key": "perps.riskPct",
        "word": "LOOSER",
        "says": "each trade may lose 1% of equity instead of 0.5%",
        "a": {"value": "0.005", "text": "0.005", "place": "a.toml:2:1"},
        "b": {"value": "0.01", "text": "0.01", "place": "b.yaml:1:9"},
    }
    assert {one["turn"] for one in body["rules"]} <= {"new", "worse", "better", "gone", "same"}


def test_no_line_is_wider_than_a_narrow_terminal(folder: Path) -> None:
    b(folder, "perps: {riskPct: 2%, stopLossPct: 2%}\nrisk: {auction_max_margin_util: 0.93}\n")
    lead, follow = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "tradectl", "config", "diff", "a.toml", "b.yaml", "-v"],
        cwd=folder, env=environment(folder, COLUMNS="60", TERM="xterm", NO_COLOR="1"), stdout=follow, timeout=60,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    os.close(follow)
    shown = b""
    try:
        while part := os.read(lead, 65536):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(lead)
    lines = shown.decode().splitlines()
    assert len(lines) > 30 and max(map(len, lines)) <= 60


def test_a_pipe_that_closes_is_silent(folder: Path) -> None:
    b(folder, "perps: {riskPct: 2%}\n")
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m tradectl config diff a.toml b.yaml | head -1"],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("B is looser in 2") and done.stderr == ""
