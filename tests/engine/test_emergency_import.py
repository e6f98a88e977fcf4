"""The bot takes in what was recorded beside its store, at its start, once (promise 1), and leaves its header there."""

from __future__ import annotations

from pathlib import Path

from bot_process import BotDesk

from tradectl.store import emergency, journal
from tradectl.store.database import Database


def record(desk: BotDesk, number: int) -> None:
    emergency.record(desk.store, at_ms=number, kind="emergency", actor="ann", body={"step": f"s{number}"})


def steps(desk: BotDesk) -> list[object]:
    with Database.open(desk.store, expect=None, readonly=True) as db, db.read() as conn:
        assert journal.verify(conn).ok
        return [row.body["step"] for row in journal.page(conn, limit=1000, kind="emergency")]


def test_a_run_imports_what_waits_and_says_so_and_the_next_one_is_silent(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    assert "Imported" not in desk.run_well("--speed", "max", "--cycles", "2")
    record(desk, 1)
    record(desk, 2)
    assert "Imported 2 records of what was done" in desk.run_well("--speed", "max", "--cycles", "2")
    assert (steps(desk), emergency.waiting(desk.store)) == (["s1", "s2"], [])
    assert "Imported" not in desk.run_well("--speed", "max", "--cycles", "2")
    assert steps(desk) == ["s1", "s2"]


def test_what_a_crash_left_between_import_and_clearing_is_not_imported_again(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    desk.run_well("--speed", "max", "--cycles", "1")
    record(desk, 1)
    with Database.open(desk.store, expect=None, durable=False) as db, db.transaction() as conn:
        assert emergency.absorb(conn, desk.store, at_ms=1).new == 1
    record(desk, 2)
    assert "Imported 1 record of what was done" in desk.run_well("--speed", "max", "--cycles", "1")
    assert (steps(desk), emergency.waiting(desk.store)) == (["s1", "s2"], [])


def test_a_damaged_record_is_said_and_the_bot_starts(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    desk.run_well("--speed", "max", "--cycles", "1")
    record(desk, 1)
    with emergency.path_of(desk.store).open("r+b") as file:
        file.seek(-100, 2)
        file.write(b"garbage")
    said = desk.run_well("--speed", "max", "--cycles", "1")
    assert "holds something unreadable, which is skipped: record place 125" in said
    assert "Imported 1 record " in said
    assert steps(desk) == ["s1", "damaged"]


def test_the_header_carries_the_stamp_and_the_configured_window_and_skew(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path, more="venue:\n  recvWindowMs: 7000\n  maxClockSkewMs: 1500\n")
    desk.run_well("--speed", "max", "--cycles", "1")
    facts = emergency.look(desk.store).facts
    assert facts is not None
    assert (facts.recv_window_ms, facts.max_clock_skew_ms) == (7_000, 1_500)
    with Database.open(desk.store, expect=None, readonly=True) as db:
        assert facts.identity == db.identity
