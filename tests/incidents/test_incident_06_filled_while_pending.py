"""Incident 06: a market order filled while its position was pending with nothing in it; reconciliation archived the
position as a ghost, and the same signal entered again every two minutes, up to 434% of equity.

What the venue shows counts, whatever the books say: quantity in flight is adopted before its fills are there, and a
symbol that the venue holds takes no entry, also where somebody has deleted our record of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from books import compare
from bot_kit import SOL, UP, D, Rig, rig
from incident_kit import attempt, held, must_be_seen, protections

from tradectl.domain.fill import FillKind
from tradectl.domain.intent import ClientId, Purpose
from tradectl.domain.lifecycle import Origin, PositionState
from tradectl.domain.position import Protection
from tradectl.domain.signal import Verdict
from tradectl.engine import reconciling, recover, state
from tradectl.engine.bot import Memory
from tradectl.execution.reconcile import Plan
from tradectl.risk import pipeline
from tradectl.sim.events import Accepted
from tradectl.sim.faults import Call, Distort
from tradectl.store import journal, ledger, positions

DOWN = ("100.5", "100.6", "99.9", "100")
CROSS = ("100", "100.6", "99.9", "100.5")
ROWS = [UP, *[DOWN, CROSS] * 4]  # a signal in every second cycle
KNOBS: dict[str, object] = {"perps.fast_period": 1, "perps.slow_period": 2, "perps.take_profit_pct": D("0.1")}
TURNS = 7
NEVER = 10_000


def entries(desk: Rig) -> list[str]:
    """Entries that the exchange has accepted."""
    found = []
    for event in desk.embedded.host.events_after(0, NEVER):
        if isinstance(event, Accepted):
            parsed = ClientId.parse(event.order.client_id)
            if parsed is not None and parsed.purpose is Purpose.ENTRY:
                found.append(event.order.order_id)
    return found


def there_is_one_entry_however_often_the_signal_comes(desk: Rig, turns: int = TURNS) -> None:
    """The check."""
    before = held(desk)
    assert before.keys() == {SOL}
    for _ in range(turns):
        assert attempt(desk)
        assert len(entries(desk)) == 1, f"entered again: {held(desk)}"
        assert held(desk) == before
        assert protections(desk) == {SOL: Protection.COVERED}
        snapshot = desk.snapshot()
        assert snapshot.notional / snapshot.equity < D("0.51"), "what one trade may deploy"


def fills_are_late(desk: Rig, calls: int) -> None:
    """The venue's list of fills lacks the newest three events, for so many questions."""
    desk.plan.before_faults["account_events"] = [Distort(tail=3)] * calls


def restart(desk: Rig) -> None:
    """The bot's process is another one, on the same files."""
    desk.bot = replace(desk.bot, memory=Memory())


@contextmanager
def the_registry_is_believed() -> Iterator[None]:
    """Half of the old fault: reconciliation archives what is registered with nothing in it, and reports nothing."""

    async def archive(bot: Any, picture: Any) -> Any:
        with bot.db.transaction() as conn:
            conn.execute("UPDATE positions SET state = 'closed' WHERE state = 'pending' AND entry_qty = '0'")
        bot.memory.reconciled_ms = bot.clock.now_ms()
        return replace(EMPTY_PLAN, at_ms=picture.at_ms)

    with (
        patch.object(reconciling, "reconcile", archive),
        patch.object(recover, "reconcile", archive),
        patch.object(state, "compare_books", lambda snapshot, trades: {}),
    ):
        yield


@contextmanager
def the_registry_alone_says_what_is_held() -> Iterator[None]:
    """All of it: nor is the venue asked whether a symbol is taken."""

    def registered(ctx: Any, signal: Any) -> Verdict:
        free = not ctx.local_open and ctx.symbol not in ctx.account.pending_symbols
        return Verdict("occupied", free, "as the registry says")

    gates = tuple(gate for gate in pipeline.ON_SIGNAL if not gate.__module__.endswith("occupied"))
    with the_registry_is_believed(), patch.object(pipeline, "ON_SIGNAL", (*gates, registered)):
        yield


EMPTY_PLAN = Plan(0, (), (), "")


# A fill between the record and the look


def filled_before_the_books_know(folder: Path) -> None:
    with rig(folder, ROWS, KNOBS) as desk:
        fills_are_late(desk, NEVER)
        assert attempt(desk)
        there_is_one_entry_however_often_the_signal_comes(desk, TURNS - 2)
        (ours,) = desk.read(positions.alive).values()
        assert (ours.state, ours.origin, ours.entry_qty) == (PositionState.OPEN, Origin.ENTRY, held(desk)[SOL])
        assert kinds(desk) == {FillKind.SYNTHETIC.value}, "adopted by a fill that stands in"
        again = [row for row in desk.read(lambda conn: journal.page(conn, kind="refusal")) if row.subject == "occupied"]
        assert len(again) >= 2, "the signal came again"
        desk.plan.before_faults.clear()
        there_is_one_entry_however_often_the_signal_comes(desk, 2)
        assert kinds(desk) == {FillKind.TRADE.value}, "the real ones have taken its place"
    assert compare(folder / "bot.db").differences == ()


def kinds(desk: Rig) -> set[str]:
    def read(conn: Any) -> set[str]:
        return {row[0] for row in conn.execute("SELECT kind FROM fills WHERE qty <> '0'").fetchall()}

    return desk.read(read)


def test_a_fill_before_its_record_is_complete_is_adopted_and_enters_once(tmp_path: Path) -> None:
    filled_before_the_books_know(tmp_path)


def test_a_pending_position_archived_as_a_ghost_is_seen(tmp_path: Path) -> None:
    with the_registry_alone_says_what_is_held(), must_be_seen("entered again"):
        filled_before_the_books_know(tmp_path)


def died_with_its_order_filled(folder: Path) -> None:
    """The process ends between the fill and the record of it; its successor sees the position before the fills."""
    with rig(folder, ROWS, KNOBS) as desk:
        real = desk.plan.after

        def die(call: Call) -> Any:
            if call.name == "place":
                raise KeyboardInterrupt
            return real(call)

        desk.plan.after = die  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            attempt(desk)
        desk.plan.after = real  # type: ignore[method-assign]
        fills_are_late(desk, NEVER)
        restart(desk)
        there_is_one_entry_however_often_the_signal_comes(desk, TURNS - 2)
        desk.plan.before_faults.clear()
        there_is_one_entry_however_often_the_signal_comes(desk, 2)
    assert compare(folder / "bot.db").differences == ()


def test_a_successor_adopts_what_its_predecessor_could_not_record(tmp_path: Path) -> None:
    died_with_its_order_filled(tmp_path)


def test_a_successor_that_archives_it_is_seen(tmp_path: Path) -> None:
    with the_registry_alone_says_what_is_held(), must_be_seen("entered again"):
        died_with_its_order_filled(tmp_path)


# The record deleted by hand

DELETED = {
    "the position": ("targets", "positions"),
    "the trade": ("open_trades",),
    "both": ("targets", "positions", "open_trades"),
    "both and their fills": ("targets", "positions", "open_trades", "fills"),
    "everything": ("targets", "positions", "open_trades", "fills", "intents"),
}


def the_record_is_deleted(folder: Path, tables: tuple[str, ...], *, at_rest: bool) -> None:
    with rig(folder, ROWS, KNOBS) as desk:
        assert attempt(desk)
        by_hand = sqlite3.connect(folder / "bot.db", isolation_level=None)
        for table in tables:
            by_hand.execute(f"DELETE FROM {table}")
        by_hand.close()
        if at_rest:
            restart(desk)
        there_is_one_entry_however_often_the_signal_comes(desk)


@pytest.mark.parametrize("at_rest", [False, True], ids=["running", "at rest"])
@pytest.mark.parametrize("what", DELETED)
def test_a_record_deleted_by_hand_makes_no_room_for_another_entry(tmp_path: Path, what: str, at_rest: bool) -> None:
    the_record_is_deleted(tmp_path, DELETED[what], at_rest=at_rest)


GONE = ("both", "both and their fills", "everything")


@pytest.mark.parametrize("what", GONE)
def test_what_the_venue_holds_blocks_by_itself(tmp_path: Path, what: str) -> None:
    """Although the books, and what is to hold them against the venue, believe that nothing is there."""
    with the_registry_is_believed():
        the_record_is_deleted(tmp_path, DELETED[what], at_rest=False)


@pytest.mark.parametrize("what", GONE)
def test_asking_the_registry_alone_is_seen_once_its_record_is_gone(tmp_path: Path, what: str) -> None:
    with the_registry_alone_says_what_is_held(), must_be_seen("entered again"):
        the_record_is_deleted(tmp_path, DELETED[what], at_rest=False)


def test_a_trade_that_is_nowhere_in_the_books_blocks_its_symbol_by_name(tmp_path: Path) -> None:
    with rig(tmp_path, ROWS, KNOBS) as desk:
        assert attempt(desk)
        desk.write(lambda conn: conn.execute("DELETE FROM open_trades"))
        assert attempt(desk)
        (decision,) = desk.cycle().decisions
        assert (decision.outcome, decision.code) == ("refused", "latches")
        assert "phantom" in decision.sentence or "the venue shows" in decision.sentence
        assert desk.read(ledger.open_trades) == {}
