"""`state show`: the answer first, from the store alone, whatever became of the bot (promise 9)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_kit import (
    counters,
    create,
    dead_holder,
    hold_lease,
    limit_rows,
    locked,
    on_terminal,
    one_cycle,
    position,
    snapshot,
    stop,
    tradectl,
    wall_ms,
)

from tradectl.domain.intent import stop_draft
from tradectl.domain.order import TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.system_state import Latch, LatchName
from tradectl.operations import limit_lines, state_show
from tradectl.operations.bot_life import Life
from tradectl.store import halt, intents, latches, lease
from tradectl.store.limits import LimitRow

LATCHED = Latch(LatchName.KILL_SWITCH, "", "ada", wall_ms() - 200_000, "spread went mad")


def test_a_running_bot_without_latches_says_that_entries_are_allowed(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db, seen=snapshot((position(),), (stop(),)))
    ran = tradectl("--state", db.path, "state", "show")
    lines = ran.out.splitlines()
    assert ran.code == 0, ran.err
    assert lines[0] == "NORMAL: entries allowed"
    assert lines[1] == f"main · sim · paper · {db.path}"
    assert lines[2].startswith(f"bot RUNNING: pid {os.getpid()}")
    assert "312.40 USDT more may be lost today before SAFETY_DAILY_LOSS" in ran.out
    assert "daily_loss: cleared by the next UTC day" in ran.out
    assert "covered" in ran.out and "59000.5" in ran.out


def test_a_halt_is_the_first_line_with_who_why_and_what_clears_it(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
        with db.transaction() as conn:
            latches.set_latch(conn, LATCHED)
    first = tradectl("--state", db.path, "state", "show").out.splitlines()[0]
    assert first.startswith("HALTED since ")
    assert "by ada: spread went mad — clear with: tradectl killswitch clear --approver NAME" in first


def test_a_halt_file_wins_over_an_empty_latch_table(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    halt.write(str(db.path), "locked out, stopped by hand")
    page = tradectl("--state", db.path, "state", "show", "--json").json
    assert page["state"] == "HALTED"
    assert page["entries_allowed"] is False
    assert "locked out, stopped by hand" in page["answer"]
    assert page["halt_file"] == halt.halt_path(str(db.path))


def test_a_block_on_one_symbol_leaves_the_system_normal_and_is_named(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db)
        with db.transaction() as conn:
            latches.set_latch(conn, Latch(LatchName.UNKNOWN_ORDER, "BTCUSDT", "bot", wall_ms(), "no answer"))
        page = state_show.read(db, wall_ms())
    assert page.answer == "NORMAL: entries allowed, except on BTCUSDT (see the latches)"
    assert "latch:unknown_order:BTCUSDT" in page.latches[0].cleared_by


def test_a_limit_that_refuses_entries_is_in_the_answer(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db, state=counters(streak=3))
        page = state_show.read(db, wall_ms())
    assert page.answer == "NORMAL: no latch, but entries are refused by consecutive_losses (see the limits)"
    assert not page.entries_allowed


def test_a_limit_that_waits_for_the_next_start_is_in_the_answer_of_a_stopped_bot(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db, state=counters(streak=3))
        db_path = db.path
    first = tradectl("--state", db_path, "state", "show").out.splitlines()[0]
    assert first.startswith(
        "NORMAL: no latch forbids entries, but the bot is NOT RUNNING; by its last figures it would"
    )
    assert "refuse entries: consecutive_losses (see the limits)" in first
    with create(tmp_path / "quiet") as db:
        one_cycle(db, state=counters(streak=2))
        assert "would refuse" not in state_show.read(db, wall_ms()).answer


def test_a_bot_killed_in_the_middle_of_a_commit_is_shown_as_gone(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db, dead_holder(), wall_ms() - 90_000)
        one_cycle(db)
    # Spills half a transaction into the file and dies: a hot journal that the next reader has to roll back.
    code = (
        "import sqlite3, os, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN IMMEDIATE');"
        'c.execute("UPDATE risk SET streak = 99");'
        "c.execute('CREATE TABLE filler (x)');"
        "[c.execute('INSERT INTO filler VALUES (zeroblob(4000))') for _ in range(200)];"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(db.path)]).returncode == -signal.SIGKILL
    assert Path(f"{db.path}-journal").stat().st_size > 0
    page = tradectl("--state", db.path, "state", "show", "--json").json
    assert page["bot"]["status"] == "NOT RUNNING"
    assert "gone without ending properly; heartbeat 1 min 30 s ago" in page["bot"]["sentence"]
    assert page["counters"]["streak"] == 2


def test_a_stopped_process_is_stale_however_fresh_its_heartbeat(tmp_path: Path) -> None:
    bot = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        os.kill(bot.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, bot.pid, os.WSTOPPED | os.WNOWAIT)
        here = lease.this_holder()
        with create(tmp_path) as db:
            hold_lease(db, lease.Holder(bot.pid, here.host, here.boot_id, ""))
            one_cycle(db)
            page = state_show.read(db, wall_ms())
    finally:
        bot.kill()
        bot.communicate()
    assert page.bot.status is Life.STALE
    assert f"kill -CONT {bot.pid}" in page.bot.sentence
    assert not page.entries_allowed


def test_a_silent_process_is_stale_and_its_age_is_said(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        start = wall_ms()
        hold_lease(db, at_wall_ms=start)
        one_cycle(db, at_wall_ms=start)
        page = state_show.read(db, start + 7_500_000)
    assert page.bot.status is Life.STALE
    assert "heartbeat 2 h 5 min ago; last cycle 7, 2 h 5 min ago" in page.bot.sentence
    assert page.age_ms == 7_500_000


def test_a_released_lease_says_when_the_bot_ended(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        epoch = hold_lease(db)
        one_cycle(db)
        with db.transaction() as conn:
            lease.release(conn, epoch, wall_ms())
        page = state_show.read(db, wall_ms() + 60_000)
    assert page.bot.status is Life.NOT_RUNNING
    assert page.bot.sentence.startswith("it ended 1 min")


def test_positions_say_what_their_stops_cover(tmp_path: Path) -> None:
    seen = snapshot(
        (position(), position("ETHUSDT", "2"), position("SOLUSDT", "10")), (stop(), stop("ETHUSDT", qty="0.5"))
    )
    with create(tmp_path) as db:
        one_cycle(db, seen=seen)
        page = state_show.read(db, wall_ms())
    assert [(line.symbol, line.protection, line.covered_qty) for line in page.positions] == [
        ("BTCUSDT", "covered", Decimal("0.5")),
        ("ETHUSDT", "short", Decimal("0.5")),
        ("SOLUSDT", "naked", Decimal(0)),
    ]
    assert "SOLUSDT is not protected: no stop covers it" in page.warnings
    assert "ETHUSDT is not protected: its stops cover only part" in page.warnings
    assert "BTCUSDT: the books hold 0, the venue showed 0.5" in page.warnings


def test_orders_in_doubt_are_listed_with_their_client_id(tmp_path: Path) -> None:
    draft = stop_draft("BTCUSDT", Side.LONG, Decimal("0.5"), Decimal(59_000), TriggerBy.MARK, "missing stop")
    with create(tmp_path) as db:
        one_cycle(db)
        with db.transaction() as conn:
            intents.record(conn, draft, created_ms=1, expires_ms=5_001, epoch=0, actor="ada")
    ran = tradectl("--state", db.path, "state", "show")
    assert "tdc.a1b2c3.st.1" in ran.out
    assert "recorded" in ran.out


def test_a_store_before_its_first_cycle_says_so_everywhere(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        pass
    ran = tradectl("--state", db.path, "state", "show")
    assert ran.code == 0, ran.err
    assert "no bot has run on this store yet" in ran.out
    assert "the bot has not looked at the venue yet" in ran.out
    assert "not known yet: the bot writes them with every cycle" in ran.out


def test_it_reads_while_another_process_is_about_to_commit(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    with locked(db.path, "BEGIN IMMEDIATE"):
        assert tradectl("--state", db.path, "state", "show").code == 0


def test_an_exclusive_lock_ends_in_75_within_the_bound_and_names_the_holder(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    began = wall_ms()
    with locked(db.path, "BEGIN EXCLUSIVE"):
        ran = tradectl("--state", db.path, "state", "show")
    assert ran.code == 75
    assert "stayed locked for longer than 2 s" in ran.err
    assert "do: try again" in ran.err
    assert wall_ms() - began < 10_000


@pytest.mark.parametrize("how", ["truncated", "newer", "empty", "missing"])
def test_a_store_that_cannot_be_trusted_is_refused_with_what_to_do(tmp_path: Path, how: str) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    if how == "truncated":
        os.truncate(db.path, db.path.stat().st_size // 3)
    elif how == "newer":
        conn = sqlite3.connect(db.path)
        conn.execute("PRAGMA user_version = 99")
        conn.close()
    elif how == "empty":
        os.truncate(db.path, 0)
    else:
        db.path.unlink()
    ran = tradectl("--state", db.path, "state", "show")
    assert ran.code == 2
    assert ran.out == ""
    assert "do: " in ran.err and "Traceback" not in ran.err
    said = {"truncated": "damaged", "newer": "newer tradectl", "empty": "damaged", "missing": "no store"}
    assert said[how] in ran.err


@pytest.mark.parametrize("columns", [60, 80])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, columns: int) -> None:
    with create(tmp_path) as db:
        hold_lease(db, dead_holder())
        one_cycle(db, seen=snapshot((position(), position("ETHUSDT", "-2.125")), (stop(),)))
        with db.transaction() as conn:
            latches.set_latch(conn, LATCHED)
    ran = on_terminal("--state", db.path, "state", "show", columns=columns)
    assert ran.code == 0, ran.out
    lines = [line for line in ran.out.splitlines() if "/" not in line]  # a path cannot be broken
    assert max(len(line) for line in lines) <= columns
    assert "\x1b" not in ran.out
    assert "NAKED" in ran.out
    assert ("at most" in ran.out) == (columns >= 80)  # a narrow terminal gets sentences, not a card per limit


def test_colour_only_on_a_terminal_that_wants_it(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    assert "\x1b[" in on_terminal("--state", db.path, "state", "show", color=True).out
    assert "\x1b" not in tradectl("--state", db.path, "state", "show").out


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "tradectl", "--state", str(db.path), "state", "show"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_it_changes_nothing_in_the_store(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    tradectl("--state", db.path, "state", "show")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_it_loads_nothing_that_would_make_it_slow(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db, seen=snapshot((position(),), (stop(),)))
    code = (
        "import sys; from tradectl.cli.main import run;"
        f"code = run(['--state', {str(db.path)!r}, 'state', 'show']);"
        "print(code, [name for name in ('rich', 'sqlite_utils', 'pydantic', 'yaml', 'ccxt', 'asyncio',"
        " 'tradectl.config', 'tradectl.engine', 'tradectl.risk') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_json_is_versioned_and_money_is_text(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    page = tradectl("--state", db.path, "state", "show", "--json").json
    assert page["schema"] == "tradectl/state-show/1"
    daily = page["limits"][0]
    assert (daily["name"], daily["limit"], daily["headroom"]) == ("daily_loss", "0.05", "312.4")
    assert page["identity"]["account"] == "main"
    assert page["store"]["mode"] == 0o600


def test_a_store_that_others_can_read_is_pointed_out(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        db.path.chmod(0o644)
        page = state_show.read(db, wall_ms())
    assert any("0644" in warning and "chmod 600" in warning for warning in page.warnings)


def test_a_streak_whose_cooldown_has_passed_refuses_nothing_and_has_room_for_one_loss() -> None:
    row = LimitRow("consecutive_losses", Decimal(4), Decimal(3), Decimal(1), "count", "", 0)
    line = limit_lines.line(row, "USDT")
    assert not line.breached
    assert line.sentence == "1 more in a row before SAFETY_CIRCUIT_BREAKER"


@given(
    st.sampled_from([row.name for row in limit_rows(counters())]),
    st.decimals(0, 2, places=4),
    st.decimals(0, 2, places=4),
)
def test_a_limit_is_said_to_refuse_exactly_when_its_gate_does(name: str, value: Decimal, limit: Decimal) -> None:
    row = LimitRow(name, value, limit, limit - value, "fraction", "", 0)
    refuses = value > limit if name == "daily_loss" else value >= limit
    line = limit_lines.line(row, "USDT")
    assert line.breached is refuses
    assert ("entries are refused" in line.sentence) is refuses
