"""Runs the real command line with one more command in its table, for what no delivered command does on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = """
import sys
from decimal import Decimal
from typing import Annotated
import typer
from tradectl.cli import confirm, render
from tradectl.cli.context import invocation
from tradectl.cli.page import page
from tradectl.errors import ConfigError, ExitCode, LeaseHeld, Refused, StoreBusy

ERRORS = {"refused": Refused, "busy": StoreBusy, "config": ConfigError, "lease": LeaseHeld}

@page("For the tests.", example="tradectl probe what", exits=(ExitCode.OK,))
def probe(ctx: typer.Context, what: str, note: Annotated[str, typer.Option()] = "") -> ExitCode | None:
    inv = invocation(ctx)
    if what in ERRORS:
        raise ERRORS[what]("it cannot be", where="here", why="because", hint="tradectl --help")
    if what == "crash":
        raise ZeroDivisionError("no such luck with hunter2-secret")
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "drift":
        return ExitCode.DRIFT
    if what == "flood":
        for _ in range(100_000):
            print("a line that nobody reads", file=inv.stdout)
    if what == "ask":
        confirm.confirm(inv, "Really?")
        print("went on")
    if what == "loop":
        import asyncio

        async def ask() -> None:
            confirm.confirm(inv, "Really?")

        asyncio.run(ask())
        print("went on")
    if what == "word":
        confirm.confirm_word(inv, "Account?", "main")
        print("went on")
    if what == "options":
        body = {
            "config": inv.config, "state": inv.state, "json": inv.json, "color": inv.color,
            "verbose": inv.verbose, "yes": inv.yes, "note": note, "amount": Decimal("1.50"),
        }
        render.answer(inv, "probe options", body, lambda screen: screen.facts(body))
    if what == "table":
        rows = [
            ("BTC/USDT:USDT", Decimal("0.1250"), render.Cell("covered by 1 stop", "good"), "long " * 12),
            ("ETH/USDT:USDT", Decimal("12.5"), render.Cell("NAKED", "bad"), "short"),
        ]
        render.Screen(inv).table(("symbol", "qty", "protection", "remark"), rows, title="positions")
    return None
"""

PROGRAM = """
import sys
import tradectl.cli.commands
from tradectl.cli import table
tradectl.cli.commands.__path__.append(sys.argv.pop(1))
table.COMMANDS["probe"] = ("probe:probe", "For the tests.")
from tradectl.__main__ import main
main()
"""


def command(folder: Path, *args: str) -> list[str]:
    (folder / "probe.py").write_text(COMMAND)
    return [sys.executable, "-c", PROGRAM, str(folder), *args]


def run(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *args),
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
