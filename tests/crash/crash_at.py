"""Bots that die at a chosen commit, run as a program: `crash_at.py BASE WORK STEPS… ` with `run`'s arguments on stdin.

BASE is a desk's folder; for each STEPS it is copied to WORK/STEPS and a bot is run there that kills itself (SIGKILL)
at that step, then another that runs to the end. Steps count over both files, the store and the exchange: 2n − 1 is the
moment before the n-th commit, with everything of it written but the commit itself, 2n the moment after it. "cN" is the
moment after the N-th CYCLE_SUMMARY line, between two cycles. "K.J" kills the second bot too, at its own step J, and a
third one runs to the end; "0" kills nobody. One JSON line is printed for each: the steps that each bot took and its
exit code.

The bots are forks of this process, which saves their start-up. The product knows nothing of all this: what is counted
is what `sqlite3.connect` gives out.
"""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import tradectl.cli.commands.run
import tradectl.cli.main
import tradectl.operations.run
from tradectl.sim import exchange_file, filehost  # noqa: F401
from tradectl.store import database  # noqa: F401


class Steps:
    """Counts the steps of this process and ends it at one of them."""

    def __init__(self, fatal: int, tally: int) -> None:
        self.fatal = fatal
        self.tally = tally  # file descriptor that is told of each step: it outlives the process
        self.taken = 0

    def step(self) -> None:
        self.taken += 1
        os.pwrite(self.tally, str(self.taken).encode(), 0)
        if self.taken == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


class CountedConnection(sqlite3.Connection):
    """A connection whose write transactions take two steps each."""

    steps: Steps
    writing = False

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql == "BEGIN IMMEDIATE":
            self.writing = True
        elif sql == "ROLLBACK":
            self.writing = False
        if sql != "COMMIT" or not self.writing:
            return super().execute(sql, *args)
        self.writing = False
        self.steps.step()
        done = super().execute(sql, *args)
        self.steps.step()
        return done


class WatchedOutput(io.TextIOWrapper):
    """Standard output that ends the process after so many cycles."""

    cycles_left = 0

    def write(self, text: str) -> int:
        written = super().write(text)
        if " CYCLE_SUMMARY: " in text:
            self.cycles_left -= 1
            if self.cycles_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return written


def bot(folder: Path, argv: list[str], moment: str) -> tuple[int, int]:
    """Runs one bot in a fork. (steps taken, exit code or −signal)."""
    tally = os.open(folder / "steps", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        cycles = int(moment[1:]) if moment.startswith("c") else 0
        CountedConnection.steps = Steps(0 if cycles else int(moment), tally)
        sqlite3.connect = functools.partial(sqlite3.connect, factory=CountedConnection)  # type: ignore[assignment]
        said = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout = WatchedOutput(open(1, "wb"), encoding="utf-8", line_buffering=True)  # noqa: SIM115
        sys.stdout.cycles_left = cycles
        os._exit(tradectl.cli.main.run(argv))
    _, status = os.waitpid(child, 0)
    taken = int(os.pread(tally, 20, 0) or b"0")
    os.close(tally)
    return taken, os.waitstatus_to_exitcode(status)


def main(base: Path, work: Path, steps: list[str], argv: list[str]) -> None:
    for name in steps:
        folder = work / name
        shutil.copytree(base, folder)
        moments = name.split(".") if name != "0" else []
        bots = [bot(folder, argv, moment) for moment in (*moments, "0")]
        print(json.dumps({"name": name, "bots": bots}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:], json.loads(sys.stdin.read()))
