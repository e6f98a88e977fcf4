"""Ctrl-C while the fence waits for a lock: the halt file first, then the end of the command (promise 2)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from store_kit import create, locked_by_another_process

from tradectl.store import halt

# The program as its executable starts it; it says when it begins to wait for the lock, and where a halt file is due.
PROGRAM = """
import sys, time
from tradectl.store import fence, halt
patiently, write, slow = fence._patiently, halt.write, sys.argv.pop(1)

def waits(conn, sql, end_ns):
    print("waiting", flush=True)
    return patiently(conn, sql, end_ns)

def writes(path, text):
    print("writing", flush=True)
    if slow == "slow":
        time.sleep(30)
    return write(path, text)

fence._patiently, halt.write = waits, writes
from tradectl.__main__ import main
main()
"""


def activate(folder: Path, slow: str = "", *args: str) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("TRADECTL")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, slow, "killswitch", "activate", "--state", str(folder / "store.db"), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env | {"XDG_STATE_HOME": str(folder / "xdg")},
    )


def until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    while (line := process.stdout.readline()).strip() != word:
        assert line, "it ended before"


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
@pytest.mark.parametrize("args", [(), ("--json",)], ids=["text", "json"])
def test_ctrl_c_leaves_the_halt_file_at_once(tmp_path: Path, begin: str, args: tuple[str, ...]) -> None:
    create(tmp_path).close()
    path = str(tmp_path / "store.db")
    with locked_by_another_process(tmp_path / "store.db", begin):
        process = activate(tmp_path, "", *args)
        until(process, "waiting")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "FENCED BY HALT FILE" in err and "interrupted" in err and "Traceback" not in err
    assert halt.read(path) is not None


def test_a_second_ctrl_c_ends_it_and_says_that_nothing_is_fenced(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = str(tmp_path / "store.db")
    with locked_by_another_process(tmp_path / "store.db"):
        process = activate(tmp_path, "slow")
        for word in ("waiting", "writing"):
            until(process, word)
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "NOT FENCED: interrupted" in err and "Traceback" not in err
    assert halt.read(path) is None
