"""The frame of the command line, through a real process: options, errors, exit codes, faults, streams."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
from pathlib import Path

import frame_probe
import pytest

from tradectl.cli import main


@pytest.mark.parametrize(
    "args",
    [
        ["--json", "--yes", "-v", "--state", "s.db", "probe", "options"],
        ["probe", "options", "--json", "--yes", "-v", "--state", "s.db"],
        ["--state", "s.db", "-v", "probe", "--json", "options", "--yes"],
    ],
)
def test_shared_options_are_accepted_on_either_side_of_the_command(tmp_path: Path, args: list[str]) -> None:
    done = frame_probe.run(tmp_path, *args)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "schema": "tradectl/probe-options/1",
        "config": [],
        "state": "s.db",
        "json": True,
        "color": False,
        "verbose": 1,
        "yes": True,
        "note": "",
        "amount": "1.5",
    }


def test_configs_layer_in_the_order_they_were_typed_and_replace_the_environment(tmp_path: Path) -> None:
    done = frame_probe.run(
        tmp_path, "--config", "a.yaml", "probe", "options", "--config", "b.toml", "--json", TRADECTL_CONFIG="x.yaml"
    )
    assert json.loads(done.stdout)["config"] == ["a.yaml", "b.toml"]


def test_environment_names_config_and_state(tmp_path: Path) -> None:
    env = {"TRADECTL_CONFIG": os.pathsep.join(("x.yaml", "y.toml")), "TRADECTL_STATE": "z.db"}
    body = json.loads(frame_probe.run(tmp_path, "probe", "options", "--json", **env).stdout)
    assert (body["config"], body["state"]) == (["x.yaml", "y.toml"], "z.db")


def test_an_option_value_that_looks_like_a_shared_option_stays_a_value(tmp_path: Path) -> None:
    done = frame_probe.run(tmp_path, "probe", "options", "--note=--yes", "--json")
    body = json.loads(done.stdout)
    assert (body["note"], body["yes"]) == ("--yes", False)


@pytest.mark.parametrize(("what", "code"), [("refused", 2), ("busy", 75), ("config", 78), ("lease", 79)])
def test_an_error_says_what_where_why_and_what_to_do_and_ends_in_its_code(tmp_path: Path, what: str, code: int) -> None:
    done = frame_probe.run(tmp_path, "probe", what)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines() == ["it cannot be", "  where: here", "  why: because", "  do: tradectl --help"]


def test_an_error_is_a_document_with_json(tmp_path: Path) -> None:
    done = frame_probe.run(tmp_path, "probe", "busy", "--json")
    body = json.loads(done.stdout)
    assert (done.returncode, done.stderr, body["schema"]) == (75, "", "tradectl/error/1")
    assert body["error"]["type"] == "StoreBusy" and body["error"]["exit_code"] == 75
    assert body["error"]["why"] == "because"


def test_a_returned_code_is_the_exit_code(tmp_path: Path) -> None:
    assert frame_probe.run(tmp_path, "probe", "drift").returncode == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["stat", "show"], "Did you mean 'state'"),
        (["state", "shwo"], "Did you mean 'state show'"),
        (["verify"], "'state verify'"),
        (["probe"], "Missing argument"),
        (["probe", "options", "--jsno"], "--json"),
        (["--verbos"], "--verbose"),
        (["killswitch"], "activate, status, clear"),
        (["killswitch", "activate", "--no-such-option"], "--no-such-option"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_usage_3_with_the_nearest_name(tmp_path: Path, args: list[str], says: str) -> None:
    done = frame_probe.run(tmp_path, *args)
    assert (done.returncode, done.stdout) == (3, "")
    assert says in done.stderr and "--help" in done.stderr and "Traceback" not in done.stderr


def test_a_fault_of_the_tool_is_one_line_and_its_traceback_is_kept_without_secrets(tmp_path: Path) -> None:
    done = frame_probe.run(
        tmp_path, "probe", "crash", XDG_STATE_HOME=str(tmp_path / "state"), VENUE_API_SECRET="hunter2-secret"
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1 and "fault of the tool" in done.stderr
    log = tmp_path / "state" / "tradectl" / "crash.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    kept = log.read_text()
    assert "ZeroDivisionError" in kept and "probe.py" in kept
    assert "hunter2" not in kept + done.stderr


def test_a_fault_is_told_even_where_its_traceback_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = frame_probe.run(tmp_path, "probe", "crash", XDG_STATE_HOME=str(tmp_path / "file"))
    assert done.returncode == 3 and "could not be kept" in done.stderr


def test_ctrl_c_is_one_line_and_130(tmp_path: Path) -> None:
    done = frame_probe.run(tmp_path, "probe", "interrupt")
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    process = subprocess.Popen(
        frame_probe.command(tmp_path, "probe", "flood"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), complaint) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_answer_that_cannot_be_written_is_no_success(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            frame_probe.command(tmp_path, "probe", "table"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3 and "could not be written" in done.stderr and "Traceback" not in done.stderr


def test_streams_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    assert main.run(["--version"], stdout=out) == 0
    assert out.getvalue().startswith("tradectl ")
    assert capsys.readouterr().out == ""


def test_no_arguments_show_the_help() -> None:
    out = io.StringIO()
    assert main.run([], stdout=out) == 0
    assert "killswitch" in out.getvalue()
