"""The life of a bot process: it starts in order, goes on from where it was, and ends when it is told to."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from bot_kit import CALM, CRASH, FLAT, UP, WALL_MS, D, Row, Wall, candle_file, configure

from tradectl.config.schema import Config
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.engine.session_report import SessionReport
from tradectl.errors import LeaseHeld, NotAvailable, StoreMismatch
from tradectl.store import cycles, decisions, journal, lease, ledger, session
from tradectl.store.connection import Connection
from tradectl.store.database import Database
from tradectl.store.lease import Holder

ROWS: list[Row] = [*[FLAT] * 40, UP, CRASH, FLAT, FLAT]


def live(
    tmp_path: Path,
    config: Config | None = None,
    *,
    rows: list[Row] | None = None,
    wall: Callable[[], int] | None = None,
    **options: object,
) -> SessionReport:
    files = (candle_file(tmp_path, rows or ROWS),)
    asked = RunOptions(store_path=tmp_path / "bot.db", durable=False, **{"replay": files, **options})  # type: ignore[arg-type]
    return daemon.run(
        config or configure(), asked, log_path="logs/trading.log", wall_ms=wall or Wall(), on_clock=lambda now: None
    )


def ended(conn: Connection) -> session.Session:
    newest = session.last(conn)
    assert newest is not None
    return newest


def released(conn: Connection) -> bool:
    held = lease.current(conn)
    return held is not None and held.released_ms is not None


def opened(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "bot.db", expect=None, durable=False)


def test_a_replay_runs_to_its_end_and_reports_what_happened(tmp_path):
    report = live(tmp_path)
    assert report.end_reason == "the market data ended" and report.cycles == len(ROWS)
    assert (report.entries, report.signals, len(report.trades), report.in_doubt) == (1, 1, 1, 0)
    (trade,) = report.trades
    assert report.net == trade.net < 0 and report.wins == 0 and report.fees == trade.fees
    assert report.equity_end == report.equity_start + trade.net and report.held == ()
    with opened(tmp_path) as db, db.read() as conn:
        assert session.current(conn) is None and ended(conn).end_reason == "the market data ended"
        assert released(conn)
        assert cycles.progress(conn).cycle == report.cycles
        assert journal.verify(conn).ok


def test_cycles_bounds_a_run_and_the_next_one_goes_on_from_there(tmp_path):
    first = live(tmp_path, cycles=41)
    assert first.end_reason == "41 cycles done" and first.cycles == 41 and len(first.held) == 1
    assert first.held[0].protection == "covered"
    second = live(tmp_path)
    assert second.cycles == len(ROWS) - 41 and len(second.trades) == 1, "stopped out in the second run"
    with opened(tmp_path) as db, db.read() as conn:
        assert ended(conn).number == 2
        assert [trade.number for trade in ledger.trades(conn, 5)] == [1]


def test_two_runs_leave_the_same_books_as_one(tmp_path):
    books = []
    for name, bounds in (("whole", [None]), ("halves", [20, None]), ("pieces", [1, 40, 1, None])):
        folder = tmp_path / name
        folder.mkdir()
        for cycles_wanted in bounds:
            live(folder, cycles=cycles_wanted)
        with opened(folder) as db, db.read() as conn:
            last = decisions.last(conn, "SOLUSDT", 1)[0]
            books.append((ledger.trades(conn, 10), ledger.totals(conn), last.at_ms, last.decision.code))
    assert books[0] == books[1] == books[2]


def test_the_wall_bounds_a_run(tmp_path):
    report = live(tmp_path, for_seconds=0.0)
    assert report.end_reason == "0 s have passed" and report.cycles == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_cycle_reports_and_releases_the_lease(tmp_path, number):
    reads = []

    def wall() -> int:
        reads.append(1)
        if len(reads) == 60:  # somewhere in the middle of a cycle
            os.kill(os.getpid(), number)
        return WALL_MS

    report = live(tmp_path, wall=wall)
    assert report.end_reason == f"stopped by {number.name}" and 0 < report.cycles < len(ROWS)
    with opened(tmp_path) as db, db.read() as conn:
        assert cycles.progress(conn).cycle == report.cycles
        assert released(conn)
        assert ended(conn).end_reason == f"stopped by {number.name}"


def test_a_second_bot_on_the_account_is_refused_before_anything_is_placed(tmp_path):
    live(tmp_path, cycles=1)
    other = Holder(os.getppid(), os.uname().nodename, "", "")
    with opened(tmp_path) as db, db.transaction() as conn:
        lease.acquire(conn, other, WALL_MS)
    with pytest.raises(LeaseHeld) as caught:
        live(tmp_path)
    assert f"pid {os.getppid()}" in caught.value.what and caught.value.exit_code == 79


def test_a_bot_whose_lease_was_taken_stops_itself(tmp_path):
    reads = []

    def wall() -> int:
        reads.append(1)
        if len(reads) == 60:
            with opened(tmp_path) as db, db.transaction() as conn:
                lease.acquire(conn, lease.this_holder(), WALL_MS)
        return WALL_MS

    with pytest.raises(LeaseHeld, match="no longer ours"):
        live(tmp_path, wall=wall)


def test_modes_of_real_money_are_not_available_yet(tmp_path):
    with pytest.raises(NotAvailable, match="testnet"):
        live(tmp_path, mode="testnet")
    assert not (tmp_path / "bot.db").exists()


def test_other_candles_under_the_same_store_are_refused(tmp_path):
    live(tmp_path, cycles=1)
    with pytest.raises(StoreMismatch):
        live(tmp_path, rows=[*ROWS, CALM])


def test_a_crashed_session_goes_on_under_the_same_config_and_ends_under_another(tmp_path):
    live(tmp_path, cycles=1, config_digest="a")
    with opened(tmp_path) as db, db.transaction() as conn:
        crashed = session.start(conn, mode="paper", config_digest="a", started_ms=1, started_wall_ms=1)
    live(tmp_path, cycles=1, config_digest="a")
    with opened(tmp_path) as db, db.transaction() as conn:
        assert ended(conn).number == crashed.number
        session.start(conn, mode="paper", config_digest="a", started_ms=1, started_wall_ms=1)
    live(tmp_path, cycles=1, config_digest="b")
    with opened(tmp_path) as db, db.read() as conn:
        last = ended(conn)
        assert last.config_digest == "b" and last.number == crashed.number + 2


def test_a_bot_that_fails_in_every_cycle_stops_itself_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(daemon, "RETRY_SECONDS", 0.0)
    live(tmp_path, cycles=1)
    with opened(tmp_path) as db:
        db.conn.execute("CREATE TRIGGER broken BEFORE UPDATE ON progress BEGIN SELECT RAISE(ABORT, 'broken'); END")
    with pytest.raises(Exception, match="5 cycles in a row failed") as caught:
        live(tmp_path)
    assert "broken" in str(getattr(caught.value, "why", ""))


def test_disabled_trading_runs_and_enters_nothing(tmp_path):
    report = live(tmp_path, configure({"perps.enabled": False}))
    assert (report.entries, report.cycles) == (0, len(ROWS)) and report.equity_end == D(10_000)
