"""Faults at awkward moments: a clock that goes back, a locked exchange, a full disk between cycles."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path

from bot_kit import CALM, CRASH, FLAT, SOL, UP, D, rig

from tradectl.domain.candle import DAY_MS, day_of
from tradectl.domain.risk_state import first_state, observe_equity
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.sim.ops import SetLeverage
from tradectl.store import outbox

NOON = 1_700_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2


def test_a_clock_that_stays_back_for_a_while_gives_no_new_day_to_lose_in():
    """Two looks at yesterday's time and then today's again: the day's loss is still there (promise 9)."""
    state = observe_equity(first_state(D(1000), NOON), D(940), NOON + 1000, D(0), 60_000)
    for at_ms in (NOON - DAY_MS, NOON - DAY_MS + 1000, NOON + 2000, NOON + 3000):
        state = observe_equity(state, D(940), at_ms, D(0), 60_000)  # an open loss
    assert (state.day, state.day_start_equity) == (day_of(NOON), D(1000))
    assert state.daily_loss(D(940)) == D("0.06")
    tomorrow = observe_equity(state, D(940), NOON + DAY_MS, D(0), 60_000)
    assert tomorrow.day == day_of(NOON + DAY_MS), "and the next day begins as ever"


def test_an_exchange_that_is_locked_while_the_market_should_move_delays_the_bot_and_does_not_end_it(tmp_path):
    with rig(tmp_path, [FLAT, UP, CALM], ready=False) as desk:
        host = desk.embedded.host
        host._conn.execute("PRAGMA busy_timeout = 0")
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        holder = sqlite3.connect(host.path, isolation_level=None)

        async def whole():
            holder.execute("BEGIN IMMEDIATE")
            asyncio.get_running_loop().call_later(0.3, holder.execute, "ROLLBACK")
            return await daemon.live(desk.assembled, RunOptions(cycles=2), "log", daemon.Stop())

        report = desk.run(whole())
        holder.close()
        assert report.cycles == 2 and report.failed_cycles >= 1


def test_a_heartbeat_that_cannot_be_written_between_cycles_does_not_end_the_bot(tmp_path: Path):
    with rig(tmp_path, [FLAT, UP, CALM]) as desk:
        desk.cycle()
        pages = desk.db.conn.execute("PRAGMA page_count").fetchone()[0]
        desk.db.conn.execute("PRAGMA query_only = ON")  # SQLITE_READONLY, as on a disk that went read-only
        daemon._heartbeat(desk.assembled)
        desk.db.conn.execute("PRAGMA query_only = OFF")
        daemon._heartbeat(desk.assembled)
        assert desk.db.conn.execute("PRAGMA page_count").fetchone()[0] >= pages


class Grab(logging.Handler):
    """Another process takes the store's lock at the moment the first alert is written to the log."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.holder = sqlite3.connect(path, isolation_level=None)
        self.held = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.held:
            self.holder.execute("BEGIN IMMEDIATE")
            self.held = True


def test_a_cycle_that_was_recorded_counts_although_its_alerts_could_not_be_ticked_off(tmp_path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        grab = Grab(desk.db.path)
        logger = logging.getLogger("tradectl.alerts")
        logger.addHandler(grab)
        before = logger.level
        logger.setLevel(logging.INFO)
        try:
            report = desk.cycle()
        finally:
            logger.removeHandler(grab)
            logger.setLevel(before)
            if grab.held:
                grab.holder.execute("ROLLBACK")
            grab.holder.close()
        assert grab.held and report.decisions[0].outcome == "entered"
        assert desk.read(outbox.backlog).waiting > 0, "at least once: they come again"
        desk.cycle()
        assert desk.read(outbox.backlog).waiting == 0


def test_a_leverage_changed_at_the_venue_is_put_right_before_the_next_entry(tmp_path):
    """Another leverage is another liquidation price than the one the stop was checked against."""
    with rig(tmp_path, [FLAT, UP, CRASH, *[FLAT] * 12, UP]) as desk:
        for _ in range(3):
            desk.cycle()
        assert desk.snapshot().positions == ()
        host = desk.embedded.host
        assert host.execute(SetLeverage(SOL, D(25), host.state.server_ms)).reply is None
        for _ in range(13):
            desk.cycle()
        (position,) = desk.snapshot().positions
        assert position.leverage == desk.config.perps.leverage
