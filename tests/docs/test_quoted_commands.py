"""Every command that the runbooks quote is typed as it stands there, on a paper account with a position open.

The real executable, one page after another line by line, each page on a copy of the account of its own. A line that
several pages quote is typed on the first of them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runbook_pages import FOLDER, PAGES, blocks, commands

EXECUTABLE = Path(sys.executable).with_name("tradectl")
PLACEHOLDERS = {
    "SYMBOL": "SOLUSDT",
    "BTCUSDT": "SOLUSDT",  # the market of the examples; the account's is another
    "NAME": "ada",
    "TEXT": "looked at, understood",
    "…": "looked at, understood",
    "PRICE": "147",  # between the stop and the market of the prepared account
    "ID": "o3",  # its take-profit
    "TAG": "SAFETY_HALT",
    "FILE": str(FOLDER.parent / "configs" / "paper.yaml"),
    "KEY": "perps.riskPct",
}
# Where another code than 0 is what the page says, or what this account (nothing wrong with it) must be answered.
ANSWERS = {
    "config diff running.toml session.toml": 1,  # the session's day may lose more: a look is asked for
    "run --mode testnet": 78,  # not built, and the page says so
    # Its page has just tripped it, and no bot has swept: both are refused, and the page says so.
    "ess disable --approver ada --reason 'looked at, understood'": 2,
    "ess reset --approver ada --reason 'looked at, understood'": 2,
}
# How long a quoted run goes on is not what is looked at here.
AT_MOST = {"--cycles": 20, "--seeds": 3}


def tradectl(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """As an operator would: from the bot's folder, its store named, nobody there to answer a question."""
    return subprocess.run(
        [str(EXECUTABLE), *words],
        cwd=folder,
        env={
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "xdg"),
            "TRADECTL_STATE": str(folder / "data" / "main-paper.db"),
            "TRADECTL_OPERATOR": "ada",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a bot leaves it: a stopped paper bot, a position with its stop and take-profit, logs."""
    folder = tmp_path_factory.mktemp("prepared")
    done = tradectl(folder, "run", "--mode", "paper", "--cycles", "60", "--speed", "max")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert tradectl(folder, "stops", "list").stdout.count("covered") == 1, "there is something to look at"
    (quoted,) = blocks(FOLDER / "testnet-session.md", "toml")
    (folder / "session.toml").write_text(quoted)
    (folder / "running.toml").write_text(quoted.replace("max_daily_risk = 0.02", "max_daily_risk = 0.01"))
    (folder / "new.toml").write_text(quoted.replace("max_daily_risk = 0.02", "max_daily_risk = 0.008"))
    return folder


def first_quoted() -> dict[Path, list[str]]:
    typed: set[str] = set()
    by_page: dict[Path, list[str]] = {}
    for page in PAGES:
        new = [line for line in (_plain(one) for one in commands(page)) if line not in typed]
        typed.update(new)
        if new:
            by_page[page] = new
    return by_page


def _plain(quoted: str) -> str:
    """The words to type, placeholders filled in, as one line."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(quoted)[1:]]
    for option, most in AT_MOST.items():
        if option in words:
            number = words.index(option) + 1
            words[number] = str(min(int(words[number]), most))
    return shlex.join(words)


QUOTED = first_quoted()


def test_commands_are_found_where_pages_quote_them() -> None:
    """So that a change of the pages' layout cannot leave the next test without work."""
    lines = [line for of_page in QUOTED.values() for line in of_page]
    assert len(lines) > 60 and "killswitch drill" in lines and "why SOLUSDT --last 5" in lines


@pytest.mark.parametrize("page", list(QUOTED), ids=lambda page: page.stem)
def test_every_quoted_command_does_what_it_should(page: Path, prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bot"
    shutil.copytree(prepared, folder)
    wrong = []
    for line in QUOTED[page]:
        done = tradectl(folder, *shlex.split(line), "--yes")
        said = done.stdout + done.stderr
        if done.returncode != ANSWERS.get(line, 0) or "Traceback" in said:
            wrong.append(f"tradectl {line} → {done.returncode}\n{said[-700:]}")
    assert not wrong, "\n".join(wrong)
