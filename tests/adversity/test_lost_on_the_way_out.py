"""What happened is said although the store is locked or the answer was lost: reports, and orders that have left."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import CALM, SOL, UP, rig
from bot_process import BotDesk

from tradectl.domain.intent import Purpose
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.errors import ExitCode, StoreBusy, VenueUnreachable
from tradectl.operations import positions_close
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk
from tradectl.store import session
from tradectl.store.database import Database

# The report is not lost with the lock.


@contextmanager
def locked(path: Path) -> Iterator[None]:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_a_locked_store_does_not_cost_the_session_report(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        tally = daemon.Run(RunOptions(), end_reason="2 cycles done")
        tally.count(desk.cycle())
        with locked(desk.db.path):
            report = daemon._finish(desk.assembled, tally, "log")
        assert report.cycles == 1 and report.entries == 1 and len(report.held) == 1
        (sentence,) = desk.assembled.unwritten
        assert "the session's end could not be written" in sentence
        assert desk.read(session.current) is not None, "the next run goes on with it"


def test_a_store_that_is_locked_for_a_moment_is_waited_for(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        tally = daemon.Run(RunOptions(), end_reason="done")
        holder = sqlite3.connect(desk.db.path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")

        async def whole():
            loop = asyncio.get_running_loop()
            freed = loop.run_in_executor(None, lambda: holder.execute("ROLLBACK"))
            report = daemon._finish(desk.assembled, tally, "log")
            await freed
            return report

        desk.run(whole())
        holder.close()
        assert desk.assembled.unwritten == [] and desk.read(session.current) is None


def test_a_bot_told_to_end_while_the_store_is_locked_reports_and_says_what_is_missing(tmp_path: Path):
    desk = BotDesk.make(tmp_path)
    with desk.start("--speed", "30") as bot:
        bot.wait_for("CYCLE_SUMMARY")
        with locked(desk.store):
            bot.tell(signal.SIGTERM)
            assert bot.end() == 75
    said = "".join(bot.lines)
    assert "Session over: stopped by SIGTERM" in said and "1 completed" in said
    assert "the session's end could not be written" in said and "the lease could not be released" in said
    assert "Traceback" not in bot.said()
    desk.run_well("--cycles", "1", "--speed", "max")


# An order that has left is said to have left.


class Blind:
    """The venue, whose reads fail from the first order on, for as many reads as it is told."""

    def __init__(self, inner, reads: int) -> None:
        self.inner = inner
        self.reads = reads
        self.placed = False

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    async def place(self, request):
        outcome = await self.inner.place(request)
        self.placed = True
        return outcome

    def _lost(self) -> None:
        if self.placed and self.reads:
            self.reads -= 1
            raise VenueUnreachable("the exchange did not answer")

    async def snapshot(self):
        self._lost()
        return await self.inner.snapshot()

    async def account_events(self, after_seq, limit):
        self._lost()
        return await self.inner.account_events(after_seq, limit)


@pytest.mark.parametrize("reads", [1, 2, 100])
def test_a_close_that_cannot_be_verified_says_that_its_order_has_left(tmp_path: Path, reads: int):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.cycle()
        with Database.open(desk.db.path, expect=None, durable=False) as db:
            books = Books(desk.db.path, db)
            venue = Blind(desk.embedded.venue, reads)
            counter = Desk(venue, desk.bot.clock)  # type: ignore[arg-type]

            async def whole():
                planned = await positions_close.plan(books, counter, SOL, Decimal(1))
                return await positions_close.apply(books, counter, planned, reason="news", actor="ann")

            closed = desk.run(whole())
        (sent,) = closed.reduced.sent
        assert closed.exit_code is ExitCode.DRIFT and closed.reduced.unverified and not closed.done
        assert f"order {sent.client_id} HAS left" in closed.reduced.problem
        assert sent.client_id == [one.client_id for one in desk.intents() if one.purpose is Purpose.CLOSE][-1]
        assert "tradectl positions list" in closed.left[0]
        assert desk.snapshot().positions == (), "it had arrived"


def test_a_venue_that_is_gone_before_anything_left_is_to_be_tried_again(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.cycle()
        with Database.open(desk.db.path, expect=None, durable=False) as db:
            books = Books(desk.db.path, db)
            venue = Blind(desk.embedded.venue, 5)
            counter = Desk(venue, desk.bot.clock)  # type: ignore[arg-type]

            async def whole():
                planned = await positions_close.plan(books, counter, SOL, Decimal(1))
                venue.placed = True
                await positions_close.apply(books, counter, planned, reason="news", actor="ann")

            with pytest.raises(VenueUnreachable):
                desk.run(whole())
        assert Purpose.CLOSE not in [one.purpose for one in desk.intents()]


def test_a_store_busy_while_an_order_is_sent_still_ends_the_cycle(tmp_path: Path):
    """What belongs to sending is not taken for an error of one symbol."""
    with rig(tmp_path, [UP]) as desk:
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        holder = sqlite3.connect(desk.db.path, isolation_level=None)
        desk.plan.on_before = lambda call: holder.execute("BEGIN IMMEDIATE") if call.name == "set_leverage" else None
        with pytest.raises(StoreBusy):
            desk.cycle()
        holder.execute("ROLLBACK")
        holder.close()
