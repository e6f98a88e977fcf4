"""Whole replays through the real executable: the ledger is the exchange's own books, to the last digit."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from books import compare
from bot_process import BotDesk, write_market

from tradectl.sim.replay import TradeSeries, load_replay
from tradectl.store import ledger
from tradectl.store.database import Database

CRASH_DAY = datetime(2025, 10, 10, tzinfo=UTC)
BAR_MS = 300_000


def candle_file(name: str) -> Path:
    """A real candle file: in TRADECTL_DATA, or ../shared/data beside the repository; skips where there is none."""
    root = Path(__file__).resolve().parents[2]
    path = Path(os.environ.get("TRADECTL_DATA", root.parent / "shared" / "data")) / "candles" / name
    if not path.is_file():
        pytest.skip(f"no candle file {path} (set TRADECTL_DATA)")
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    return path


def slice_into(folder: Path, series: TradeSeries, first_ms: int, last_ms: int, venue: str) -> Path:
    """The bars of [first, last) as CSV, with the funding paid meanwhile beside them."""
    bars = [c for c in series.candles if first_ms <= c.open_ms < last_ms]
    rows = ["ts,open,high,low,close,volume"]
    rows += [f"{c.open_ms},{c.open},{c.high},{c.low},{c.close},{c.volume}" for c in bars]
    path = folder / f"{venue}_{series.symbol}_{series.interval}.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    paid = [f"{at},{rate}" for at, rate in series.fundings if first_ms <= at < last_ms]
    (folder / f"{venue}_{series.symbol}_funding.csv").write_text("\n".join(["ts,rate", *paid]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("symbol", ["DOGEUSDT", "SOLUSDT"])
def test_crash_of_october_2025_ends_with_the_exchanges_own_books(tmp_path: Path, symbol: str) -> None:
    source = candle_file(f"BINANCEUSDM_{symbol}_5m_202509-202602.parquet")
    [series] = load_replay([source])
    start = int(CRASH_DAY.timestamp() * 1000) - 86_400_000
    desk = BotDesk.make(tmp_path, early_exit=True, durable=True)
    market = slice_into(tmp_path, series, start, start + 3 * 86_400_000, "BINANCEUSDM")
    said = desk.run_well("--replay", market.name, "--speed", "max")
    found = compare(desk.store)
    assert found.differences == ()
    assert found.trades > 50
    assert found.fundings > 0, "positions were held over at least one funding"
    assert "864 completed, 0 not completed" in said


def test_generated_prices_end_with_the_exchanges_own_books(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path, durable=True)
    desk.run_well("--cycles", "600", "--speed", "max")
    found = compare(desk.store)
    assert found.differences == ()
    assert found.trades > 20


def test_unsynced_replay_leaves_the_same_ledger(tmp_path: Path) -> None:
    totals = []
    for durable in (True, False):
        desk = BotDesk.make(tmp_path / str(durable), bars=150, seed=9, durable=durable)
        desk.run_well()
        with Database.open(desk.store, expect=None, readonly=True) as db, db.read() as conn:
            totals.append(ledger.totals(conn))
    assert totals[0] == totals[1]
    assert totals[0].trades > 5


def test_gaps_in_the_candles_are_said_and_the_books_still_agree(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    missing = [*range(60, 66), 100, *range(150, 190)]
    write_market(desk.market, 260, 4, missing=missing)
    said = desk.run_well()
    assert f"{260 - len(missing)} bars of 5m" in said
    assert said.count("missing") >= 3
    found = compare(desk.store)
    assert found.differences == ()
    assert found.trades > 5


def test_equity_in_the_report_is_the_exchanges(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path, bars=120, seed=6)
    said = desk.run_well()
    with Database.open(desk.store, expect=None, readonly=True) as db, db.read() as conn:
        totals = ledger.totals(conn)
        assert ledger.open_trades(conn) == {}, "the market is chosen so that it ends flat"
    wallet = Decimal(10_000) + totals.gross - totals.fees + totals.funding
    assert f"→ {wallet:.2f} USDT" in said
