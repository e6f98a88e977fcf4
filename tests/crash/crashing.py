"""Runs crash_at.py: bots that die at chosen moments, each followed by one that runs to the end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bot_process import BotDesk

PROGRAM = Path(__file__).with_name("crash_at.py")


def crash(base: BotDesk, work: Path, steps: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    """{name: (steps taken, exit code) of each bot}; see crash_at.py."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(base.folder), str(work), *steps],
        input=json.dumps(base.argv()),
        env=base.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["name"]: [(taken, code) for taken, code in row["bots"]] for row in rows}
