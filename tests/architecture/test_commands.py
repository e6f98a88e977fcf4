"""Every command of the table has a page with an example and its exit codes, seen through the real executable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import house
import pytest

from tradectl.cli import table

ENV = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "COLUMNS": "100"}


def tradectl(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tradectl", *args],
        env={**ENV, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


BUILT = [
    name for name, (target, _) in table.COMMANDS.items() if house.file_of(f"{table.PACKAGE}.{target.split(':')[0]}")
]


def test_every_command_of_the_table_is_built() -> None:
    assert sorted(set(table.COMMANDS) - set(BUILT)) == []


@pytest.mark.parametrize("name", BUILT)
def test_command_page_has_an_example_and_exit_codes(name: str) -> None:
    done = tradectl(*name.split(), "--help")
    assert done.returncode == 0, done.stdout + done.stderr
    example = done.stdout.partition("Example:")[2]
    assert re.search(rf"tradectl (--\S+ \S+ )*{name}\b", example), "the example shows the command itself"
    assert "Exit codes:" in example
    assert "--state" in done.stdout and "--json" in done.stdout


def test_root_help_lists_every_command_with_its_line() -> None:
    shown = tradectl("--help").stdout
    for name, (_, text) in table.COMMANDS.items():
        if " " not in name:
            assert name in shown and text.split(":")[0][:30] in shown
    for group, text in table.GROUPS.items():
        assert group in shown and text[:30] in shown


def test_every_group_has_commands_and_every_target_is_named_once() -> None:
    assert {name.split()[0] for name in table.COMMANDS if " " in name} == set(table.GROUPS)
    targets = [target for target, _ in table.COMMANDS.values()]
    assert len(targets) == len(set(targets))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_commands_and_verbs(shell: str, tmp_path: Path) -> None:
    def complete(line: str) -> str:
        words = line.split(" ")
        return tradectl(
            _TRADECTL_COMPLETE=f"complete_{shell}",
            _TYPER_COMPLETE_ARGS=line,
            _TYPER_COMPLETE_FISH_ACTION="get-args",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
        ).stdout

    assert "killswitch" in complete("tradectl kill")
    assert "verify" in complete("tradectl state v")
    assert "--json" in complete("tradectl --js")
