"""On a terminal (a real pseudo-terminal): colour, 60 columns, questions and their answers."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path

import frame_probe
import pytest

COLUMNS = 60
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(folder: Path, *args: str, answer: bytes = b"", env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and everything shown when `args` runs on a terminal of that width where `answer` is typed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        frame_probe.command(folder, *args),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**clean, "TERM": "xterm-256color", **(env or {})},
    )
    os.close(theirs)
    if answer:
        os.write(ours, answer)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed: the process has ended
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(timeout=60), shown.decode()


def test_a_terminal_gets_colour_and_sixty_columns_stay_readable(tmp_path: Path) -> None:
    code, shown = on_terminal(tmp_path, "probe", "table")
    plain = [ESCAPE.sub("", line) for line in shown.splitlines()]
    assert code == 0 and "\x1b[" in shown
    assert all(len(line) <= 60 for line in plain)
    assert any("BTC/USDT:USDT" in line and "0.125" in line for line in plain)
    assert "NAKED" in shown


@pytest.mark.parametrize(("args", "env"), [(("--no-color",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})])
def test_colour_can_be_refused(tmp_path: Path, args: tuple[str, ...], env: dict[str, str]) -> None:
    code, shown = on_terminal(tmp_path, "probe", "table", *args, env=env)
    assert code == 0 and "\x1b" not in shown and "NAKED" in shown


@pytest.mark.parametrize(
    ("what", "answer", "code"),
    [
        ("ask", b"y\n", 0),
        ("ask", b"\n", 2),
        ("ask", b"no\n", 2),
        ("ask", b"\x04", 2),
        ("word", b"main\n", 0),
        ("word", b"Main\n", 2),
    ],
)
def test_only_the_asked_for_answer_goes_on(tmp_path: Path, what: str, answer: bytes, code: int) -> None:
    got, shown = on_terminal(tmp_path, "probe", what, answer=answer)
    assert got == code, shown
    assert ("went on" in shown) == (code == 0)
    assert ("nothing was changed" in shown) == (code == 2)


def test_without_a_terminal_nobody_is_asked_and_nothing_is_done(tmp_path: Path) -> None:
    done = frame_probe.run(tmp_path, "probe", "ask")
    assert done.returncode == 2 and "--yes" in done.stderr and done.stdout == ""


def test_yes_answers_beforehand(tmp_path: Path) -> None:
    assert frame_probe.run(tmp_path, "probe", "word", "--yes").stdout == "went on\n"


@pytest.mark.parametrize("what", ["ask", "loop"])
def test_ctrl_c_at_the_question_ends_it_at_the_first_press(tmp_path: Path, what: str) -> None:
    """Also inside an event loop, whose own handler would go on waiting for an answer."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        frame_probe.command(tmp_path, "probe", what), stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ}
    )
    os.close(theirs)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(timeout=20)
    finally:
        process.kill()
    shown += os.read(ours, 65536)
    os.close(ours)
    assert code == 130 and b"interrupted: nothing was changed" in shown and b"went on" not in shown, shown


def test_an_error_tears_no_word_at_sixty_columns(tmp_path: Path) -> None:
    code, shown = on_terminal(tmp_path, "state", "show", env={"XDG_STATE_HOME": str(tmp_path / "none")})
    assert code == 2
    lines = shown.splitlines()
    assert all(len(line) <= COLUMNS for line in lines if "/" not in line)
    words = "a store is made by the bot's first run, never by an operator command"
    assert words in " ".join(line.strip() for line in lines)
