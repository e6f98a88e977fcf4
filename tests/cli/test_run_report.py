"""The end of `run`: commands that can be typed as they stand, and a replay that is over already says so."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from tradectl.cli.commands import run_report
from tradectl.cli.context import Invocation
from tradectl.domain.ledger import ClosedTrade
from tradectl.domain.position import Side
from tradectl.engine.session_report import SessionReport

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


def _closed(number: int, opened_ms: int, closed_ms: int, net: str) -> ClosedTrade:
    one, paid = Decimal(1), Decimal(0)
    return ClosedTrade(
        number, "BTCUSDT", Side.LONG, opened_ms, closed_ms, one, one, one, Decimal(net), paid, paid, Decimal(net),
        "stop", None, None, 0,
    )  # fmt: skip


def _report(began_ms: int, *trades: ClosedTrade) -> SessionReport:
    money = Decimal(1000)
    return SessionReport(
        "paper", "asked to", 5, 0, began_ms, began_ms + 100, "USDT", money, money, 1, 1, trades, (), (), (), (), 0,
        "s.db", "t.log",
    )  # fmt: skip


def test_a_trade_opened_before_this_run_is_carried_and_one_closed_before_it_is_not_its_own() -> None:
    began = 1_000_000
    report = _report(
        began,
        _closed(3, began + 10, began + 20, "5"),
        _closed(2, began - 10, began + 5, "-2"),
        _closed(1, began - 50, began - 40, "100"),
    )
    out = io.StringIO()
    run_report.show(Invocation((), None, False, False, 0, False, io.StringIO(), out, io.StringIO()), report)
    shown = out.getvalue()
    assert "2 closed (1 carried: opened before this run), 1 won, 1 lost; 1 entries" in shown
    assert "1 closed before this run, only booked by it (net 100.00 USDT)" in shown
    assert "net P&L      3.00 USDT" in shown
