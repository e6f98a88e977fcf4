"""The end of `run`: commands that can be typed as they stand, and a replay that is over already says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRADECTL")}
    env |= {"XDG_STATE_HOME": str(folder / "xdg"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "tradectl", "run", "--speed", "max", "--no-fsync", *args],
        env=env, cwd=folder, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_next_commands_name_the_store_as_it_is_reached_from_here(tmp_path: Path) -> None:
    done = run(tmp_path, "--cycles", "1")
    assert done.returncode == 0, done.stderr
    after = done.stdout.partition("\nNext\n")[2]
    assert "state show --state data/main-paper.db\n" in after
    assert "killswitch activate --state data/main-paper.db\n" in after
    assert "refused      none" in done.stdout


def test_a_replay_that_this_store_has_seen_to_its_end_points_to_a_fresh_start(tmp_path: Path) -> None:
    rows = [f"{1_700_000_100_000 + n * 300_000},100,101,99,100,5" for n in range(3)]
    (tmp_path / "X_BTCUSDT_5m.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]) + "\n")
    first = run(tmp_path, "--replay", "X_BTCUSDT_5m.csv")
    assert first.returncode == 0 and "--fresh" not in first.stdout, first.stderr
    again = run(tmp_path, "--replay", "X_BTCUSDT_5m.csv")
    assert again.returncode == 0 and "no cycle was completed" in again.stdout
    assert "--fresh begins anew" in again.stdout
