"""`scenarios run --chaos` through the real executable: worlds of chance around an operator's own configuration."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
PAPER, LIMITED = CONFIGS / "paper.yaml", CONFIGS / "live_limited.toml"
MODULE = [sys.executable, "-m", "tradectl", "scenarios", "run", "--chaos"]


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "COLUMNS": "100"}


def chaos(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *args],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_shipped_configuration_passes_and_says_what_was_survived_and_changed(tmp_path: Path) -> None:
    done = chaos(tmp_path, "--seeds", "4", "--config", str(LIMITED))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED: no law was broken in 4 seeds." in done.stdout
    assert "For the simulated exchange, in all of them: perps.interval = 1m, venue.name = sim" in done.stdout
    assert "one to three of BTCUSDT, ETHUSDT, SOLUSDT in each world" in done.stdout
    assert re.search(r"[1-9]\d* orders of ours \([1-9]\d* to enter\)", done.stdout)
    assert done.stderr == "", "progress is for a terminal"
    assert list(tmp_path.iterdir()) == [], "no store, no log, no pointer"


def test_json_has_all_of_it_and_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    asked = ("--seeds", "3", "--first", "7", "--config", str(PAPER), "--json")
    one, two = chaos(tmp_path, *asked, "--jobs", "1"), chaos(tmp_path, *asked, "--jobs", "2")
    assert one.returncode == 0, one.stderr
    assert one.stdout == two.stdout
    body = json.loads(one.stdout)
    assert body["schema"] == "tradectl/scenarios-chaos/1" and body["exit_code"] == 0
    assert (body["first"], body["seeds"], body["failed"], body["why"]) == (7, 3, [], "")
    assert body["survived"]["entries"] > 0 and "risk.signal_cooldown_hours = 0" in body["changed"]
    assert not any("riskPct" in text or "leverage" in text for text in body["changed"]), "the numbers are his own"


def test_a_single_seed_shows_all_that_happens_in_it(tmp_path: Path) -> None:
    done = chaos(tmp_path, "--seeds", "1", "--first", "2", "--config", str(PAPER))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed 2: SOLUSDT; ")
    assert re.search(r"^ +\d+\.\d s  (machine|operator|person|venue): ", done.stdout, re.MULTILINE)


def test_a_configuration_that_never_trades_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "off.yaml").write_text("perps: {enabled: false}\n")
    done = chaos(tmp_path, "--seeds", "2", "--config", "off.yaml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NOTHING PROVED" in done.stdout and "perps.enabled is false" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("daily-loss",), 3, "NAME does not go with --chaos"),
        (("--file", "own.yaml"), 3, "--file does not go with --chaos"),
        (("--watch",), 3, "--watch does not go with --chaos"),
        (("--junit", "out.xml"), 3, "--junit does not go with --chaos"),
        (("--evidence",), 3, "--evidence does not go with --chaos"),
        (("--seeds", "0"), 3, "--seeds"),
        (("--first", "-1"), 3, "--first"),
        (("--config", "bad.yaml"), 78, "perps.riskPct"),
        (("--config", "alien.yaml"), 78, "sim.instruments.NOSUCHUSDT"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, args: tuple[str, ...], code: int, said: str) -> None:
    (tmp_path / "bad.yaml").write_text("perps: {riskPct: 7}\n")
    (tmp_path / "alien.yaml").write_text("perps: {symbol: NOSUCHUSDT}\n")
    done = chaos(tmp_path, *args)
    assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--seeds", "--first", "--jobs"])
def test_its_options_need_it(tmp_path: Path, option: str) -> None:
    done = subprocess.run(
        [*MODULE[:-1], option, "3"], env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3 and f"{option} goes with --chaos" in done.stderr


class Running:
    """A run of many seeds, with a terminal for its stderr, as the leader of a group of processes of its own."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.screen, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*MODULE, "--seeds", "2000", "--jobs", str(jobs), "--config", str(PAPER)],
            env=environment(folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            start_new_session=True,
            text=True,
        )
        os.close(theirs)
        self.said = ""

    def until(self, text: str) -> None:
        while text not in self.said and self._hear():
            pass
        assert text in self.said

    def until_nobody_is_left(self) -> None:
        """A terminal ends when the last process that holds it has ended."""
        while self._hear():
            pass
        os.close(self.screen)

    def _hear(self) -> bool:
        try:
            heard = os.read(self.screen, 4096)
        except OSError:
            return False
        self.said += heard.decode()
        return bool(heard)

    def folders(self) -> list[Path]:
        places = [Path("/dev/shm"), Path("/tmp")]
        return [found for place in places for found in place.glob(f"chaos-{self.process.pid}-*")]


@pytest.fixture
def running() -> Iterator[Callable[[Path, int], Running]]:
    begun: list[Running] = []

    def begin(folder: Path, jobs: int) -> Running:
        begun.append(Running(folder, jobs))
        return begun[-1]

    yield begin
    for run in begun:
        run.process.kill()  # where the test has not ended it
        run.process.wait()


@pytest.mark.parametrize(("whole_group", "jobs"), [(True, 2), (False, 2), (True, 1)])
def test_ctrl_c_ends_all_of_it_and_says_what_was_done(
    tmp_path: Path, running: Callable[[Path, int], Running], whole_group: bool, jobs: int
) -> None:
    run = running(tmp_path, jobs)
    run.until("\r4 of 2000 seeds")
    assert run.folders() or jobs == 1, "one process may be between two worlds"
    if whole_group:
        os.killpg(run.process.pid, signal.SIGINT)  # what a terminal does
    else:
        run.process.send_signal(signal.SIGINT)
    run.until_nobody_is_left()
    assert run.process.wait() == 130
    assert re.search(r"interrupted: \d+ of 2,000 seeds were lived through, none broke a law", run.said), run.said
    assert "Traceback" not in run.said
    assert run.folders() == []


def test_who_is_killed_leaves_no_process_behind(tmp_path: Path, running: Callable[[Path, int], Running]) -> None:
    run = running(tmp_path, 2)
    run.until("\r4 of 2000 seeds")
    run.process.kill()
    run.until_nobody_is_left()
    assert run.process.wait() == -signal.SIGKILL
