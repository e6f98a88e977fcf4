"""Before `flatten` closes anything it shows its plan and asks; only the exact word, or `--yes`, closes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import page_kit
import pytest
from desk import Account
from flatten_kit import FLATTEN, open_symbols, sent, two


def test_without_a_terminal_and_without_yes_it_shows_the_plan_and_does_nothing(acct: Account) -> None:
    two(acct)
    ran = acct.tradectl(*FLATTEN, stdin="flatten\n")
    assert ran.code == 2 and "nobody can be asked" in ran.err
    assert "BTCUSDT" in ran.out and "ETHUSDT" in ran.out and "in all" in ran.out
    assert len(open_symbols(acct)) == 2 and sent(acct) == []


@pytest.mark.parametrize(
    ("typed", "code"), [("flatten\n", 0), ("y\n", 2), ("FLATTEN\n", 2), ("\n", 2), ("\x04", 2), ("flatten all\n", 2)]
)
def test_on_a_terminal_only_the_exact_word_closes(acct: Account, typed: str, code: int) -> None:
    two(acct)
    ran = page_kit.on_terminal(*FLATTEN, "--state", acct.store, typed=typed)
    assert ran.code == code, ran.out
    assert "Close all 2 positions now? Type flatten to go on:" in ran.out
    assert len(open_symbols(acct)) == (0 if code == 0 else 2)


def test_with_json_on_a_terminal_the_plan_comes_before_the_question(acct: Account) -> None:
    two(acct)
    ran = page_kit.on_terminal(*FLATTEN, "--json", "--state", acct.store, typed="no\n")
    assert ran.code == 2
    assert ran.out.index("in all: notional") < ran.out.index("Type flatten to go on")


def test_ctrl_c_at_the_question_closes_nothing(acct: Account) -> None:
    two(acct)
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "tradectl", *FLATTEN, "--state", str(acct.store)]
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"to go on:" not in shown:
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(20) == 130
    finally:
        process.kill()
    os.close(ours)
    assert len(open_symbols(acct)) == 2 and sent(acct) == []


def test_a_reason_is_needed(acct: Account) -> None:
    two(acct)
    assert acct.tradectl("flatten", "--yes").code == 3
    assert acct.tradectl("flatten", "--reason", " ", "--yes").code == 3
    assert len(open_symbols(acct)) == 2
