"""From an older schema to the newest: no row, number or rule is lost on the way, wherever it is cut short."""

from __future__ import annotations

import contextvars
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import store_v1
from bot_kit import CALM, SOL, UP, WALL_MS, rig
from ledger_kit import entry
from store_v1 import OPENERS, PURPOSES, STAMP, STATES, Dump, dump, raw

from tradectl.domain.lifecycle import Origin, PositionState
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.errors import ExitCode, StoreMismatch, StoreRefused
from tradectl.operations import state_backup
from tradectl.sim.ops import CancelOrder
from tradectl.store import database, fence, intents, journal, latches, ledger, migrations, positions
from tradectl.store.database import Database
from tradectl.store.mortal import connection_of
from tradectl.store.verify import verify

NEW_TABLES = {"positions", "targets", "seen_orders", "settings"}
SAFETY_TABLES = {"ess", "recoveries", "policies", "preflights", "baseline", "seen_time"}
NEW_COLUMNS = {"intents": {"ended", "filled"}, "open_trades": {"opener"}, "limits": {"source"}}
NEWEST = migrations.CURRENT_VERSION
AT_MS = 5_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_v1.create_full(tmp_path_factory.mktemp("v1") / "store.db")


@pytest.fixture
def old(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    shutil.copy(made, path)
    return path


def upgrade(path: Path, **more: Any) -> None:
    Database.open(path, expect=STAMP, at_ms=AT_MS, durable=False, **more).close()


def version(path: Path) -> int:
    with raw(path) as conn:
        return migrations.version_of(conn)


def rest(found: Dump) -> Dump:
    """What the first schema has of it."""
    return {
        table: [
            {name: value for name, value in row.items() if name not in NEW_COLUMNS.get(table, ())}
            for row in rows
            if table != "migrations" or row["version"] == 1
        ]
        for table, rows in found.items()
        if table not in NEW_TABLES | SAFETY_TABLES
    }


def test_the_store_it_starts_from_is_of_the_first_schema_with_rows_in_every_table(old: Path) -> None:
    assert version(old) == 1
    found = dump(old)
    assert all(found.values()), [table for table, rows in found.items() if not rows]
    kinds = {(row["purpose"], row["state"]) for row in found["intents"]}
    assert len(kinds) == len(PURPOSES) * len(STATES) - 1, "all but the one that was deleted"


def test_every_row_is_there_as_it_was_and_so_are_the_numbers(old: Path) -> None:
    before = dump(old)
    upgrade(old)
    after = dump(old)
    assert version(old) == migrations.CURRENT_VERSION
    assert rest(after) == rest(before)
    assert after["migrations"][1:] == [
        {"version": 2, "name": "positions", "applied_ms": AT_MS},
        {"version": 3, "name": "safety", "applied_ms": AT_MS},
    ]
    assert all(after[table] == [] for table in NEW_TABLES | SAFETY_TABLES - {"ess", "seen_time"})
    assert [row["state"] for row in after["ess"]] == ["ARMED"]


def test_the_second_schema_is_brought_up_to_date_as_well(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as of_then:
        of_then.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:2])
        of_then.setattr(migrations, "CURRENT_VERSION", 2)
        upgrade(old)
        assert version(old) == 2
    before = dump(old)
    upgrade(old)
    after = dump(old)
    assert version(old) == NEWEST and verify(old).ok
    kept = {table: rows for table, rows in after.items() if table not in SAFETY_TABLES | {"migrations"}}
    kept["limits"] = [{name: value for name, value in row.items() if name != "source"} for row in kept["limits"]]
    assert kept == {table: rows for table, rows in before.items() if table != "migrations"}


def test_numbers_go_on_from_the_highest_one_ever_given(old: Path) -> None:
    upgrade(old)
    with Database.open(old, expect=STAMP, durable=False) as db, db.transaction() as conn:
        made = intents.record(conn, replace(entry(), symbol="NEW"), created_ms=1, expires_ms=2, epoch=0, actor="ann")
        last = len(PURPOSES) * len(STATES)
        assert intents.get(conn, last) is None, "the last one was deleted before"
        assert (made.number, made.client_id) == (last + 1, f"tdc.abc123.en.{last + 1}")
        for table, number in (("sessions", "number"), ("decisions", "id"), ("outbox", "id")):
            (given,) = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
            assert given == 3 and conn.execute(f"SELECT max({number}) FROM {table}").fetchone() == (2,)


def test_a_store_that_never_had_an_intent_begins_with_the_first(tmp_path: Path) -> None:
    path = store_v1.create(tmp_path / "store.db")
    upgrade(path)
    with Database.open(path, expect=STAMP, durable=False) as db, db.transaction() as conn:
        assert intents.record(conn, entry(), created_ms=1, expires_ms=2, epoch=0, actor="ann").number == 1


def test_a_trade_knows_who_opened_it_also_one_that_was_opened_past_flat(old: Path) -> None:
    upgrade(old)
    with Database.open(old, expect=STAMP, durable=False) as db, db.read() as conn:
        assert {trade.number: trade.opener for trade in ledger.open_trades(conn).values()} == OPENERS


def test_an_order_that_may_stand_is_asked_about_and_a_market_order_is_over(old: Path) -> None:
    upgrade(old)
    with Database.open(old, expect=STAMP, durable=False) as db, db.read() as conn:
        assert [one.purpose.value for one in intents.standing(conn)] == ["stop", "tp1", "tp2"]
        over = {one.purpose.value for one in intents.latest(conn, None, 100) if one.ended is not None}
        assert over == {"entry", "exit", "close"}
        assert {one.state.value for one in intents.in_doubt(conn)} == {"recorded", "sent", "unknown"}


def test_the_store_verifies_and_its_journal_goes_on(old: Path) -> None:
    with raw(old) as conn:
        before = (journal.verify(conn), journal.head(conn))
    assert before[0].ok and before[0].rows > len(PURPOSES) * len(STATES)
    upgrade(old)
    report = verify(old)
    assert report.ok, report.failed
    with Database.open(old, expect=STAMP, durable=False) as db, db.transaction() as conn:
        assert (journal.verify(conn), journal.head(conn)) == before
        journal.append(conn, at_ms=1, kind="state", actor="bot", body={})
        assert journal.verify(conn).ok
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            conn.execute("DELETE FROM journal WHERE seq = 1")


def schema(conn: sqlite3.Connection) -> set[tuple[object, ...]]:
    """Tables, indexes and triggers, blanks and quotes apart; columns are compared by name, not by place."""
    rows = conn.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    flat = {
        (kind, name, table, "".join(str(sql).replace('"', "").split()))
        for kind, name, table, sql in rows
        if name != "open_trades"
    }
    columns = conn.execute("SELECT * FROM pragma_table_info('open_trades')").fetchall()
    return flat | {("column", *row[1:]) for row in columns}


def test_tables_checks_and_indexes_are_those_of_a_new_store(old: Path, tmp_path: Path) -> None:
    upgrade(old)
    Database.create(tmp_path / "new.db", STAMP, 1, durable=False).close()
    with raw(old) as conn, raw(tmp_path / "new.db") as fresh:
        assert schema(conn) == schema(fresh)
        assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE intents SET purpose = 'other' WHERE number = 1",
        "UPDATE intents SET purpose = 'amend' WHERE purpose = 'stop'",
        "UPDATE intents SET reduce_only = 1 WHERE purpose = 'entry'",
        "UPDATE intents SET reduce_only = 0, close_position = 0 WHERE purpose = 'exit'",
        "UPDATE intents SET ended = 'new' WHERE number = 1",
        "UPDATE intents SET number = 2 WHERE number = 1",
        "UPDATE intents SET client_id = (SELECT client_id FROM intents WHERE number = 2) WHERE number = 1",
        "UPDATE fills SET kind = 'other'",
        "UPDATE fills SET seq = 2 WHERE seq = 1",
        "INSERT INTO targets VALUES (1, 'tp1', '1', '1', '0')",
        "INSERT INTO seen_orders VALUES ('o1', 'X', 'ours', NULL, 1)",
        "INSERT INTO settings VALUES ('', '1')",
    ],
)
def test_what_the_second_schema_forbids_is_refused(old: Path, statement: str) -> None:
    upgrade(old)
    with Database.open(old, expect=STAMP, durable=False) as db, pytest.raises(sqlite3.IntegrityError):
        db.conn.execute(statement)


def test_what_the_second_schema_has_come_to_allow_is_taken(old: Path) -> None:
    upgrade(old)
    with Database.open(old, expect=STAMP, durable=False) as db, db.transaction() as conn:
        conn.execute("UPDATE intents SET purpose = 'amend', reduce_only = 0 WHERE purpose = 'cancel'")
        conn.execute("UPDATE fills SET kind = 'synthetic' WHERE seq = 1")
        conn.execute("UPDATE fills SET kind = 'adjustment' WHERE seq = 2")


# Before it, beside it, in the midst of it.


def test_who_only_reads_is_told_of_the_older_schema_and_changes_nothing(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(StoreRefused, match="older schema 1") as caught:
        Database.open(old, expect=STAMP, readonly=True)
    assert caught.value.exit_code is ExitCode.REFUSED and str(old) in caught.value.where
    assert "brought up to date" in caught.value.hint
    assert [check.name for check in verify(old).failed] == ["opens"]
    assert old.read_bytes() == before


def test_a_store_that_is_refused_is_not_brought_up_to_date_either(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(StoreMismatch):
        Database.open(old, expect=replace(STAMP, account="other"), at_ms=AT_MS)
    assert old.read_bytes() == before


def test_the_kill_switch_halts_a_store_of_the_older_schema_and_the_halt_comes_along(old: Path) -> None:
    assert fence.fence(str(old), by="ann", reason="fire").how == "latch"
    assert version(old) == 1
    upgrade(old)
    with Database.open(old, expect=STAMP, durable=False) as db, db.read() as conn:
        latch = latches.get(conn, LatchName.KILL_SWITCH)
        assert latch is not None and (latch.set_by, latch.reason) == ("ann", "fire")
        assert {(one.name.value, one.scope) for one in latches.active(conn)} == {
            ("kill_switch", ""), ("pause", ""), ("unknown_order", "XUSDT"), ("reconcile", "YUSDT"),
        }  # fmt: skip


def test_a_backup_command_refuses_the_older_schema_and_a_copy_of_the_file_has_the_old_content(old: Path) -> None:
    with pytest.raises(StoreRefused, match="older schema 1"):
        state_backup.apply(state_backup.plan(old, None, 1))
    folder = old.parent / "backups"
    assert not folder.exists() or list(folder.iterdir()) == []
    copy = old.with_name("copy.db")
    shutil.copy(old, copy)
    before = dump(old)
    upgrade(old)
    assert dump(copy) == before and version(copy) == 1
    upgrade(copy)
    assert dump(copy) == dump(old)


class Mortal:
    """A process that dies at its n-th step; 0: at none."""

    disk = ""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.steps: list[str] = []
        self.connections: list[sqlite3.Connection] = []

    def opened(self, conn: sqlite3.Connection) -> None:
        self.connections.append(conn)

    def step(self, what: str) -> None:
        if self.fatal and len(self.steps) >= self.fatal:
            raise SystemExit("dead")
        if what:
            self.steps.append(what)
            if len(self.steps) == self.fatal:
                raise SystemExit("dead")


def run(body: Mortal, work: Callable[[], None]) -> None:
    context = contextvars.copy_context()
    context.run(database.CONNECTION.set, connection_of(body))
    try:
        context.run(work)
    finally:
        for conn in body.connections:
            conn.close()


def test_a_death_at_any_statement_leaves_the_first_schema_and_the_next_one_completes_it(old: Path) -> None:
    before, whole = dump(old), Mortal(0)
    copy = old.with_name("copy.db")
    shutil.copy(old, copy)
    run(whole, lambda: upgrade(copy))
    wanted = dump(copy)
    commit = whole.steps.index("COMMIT") + 1
    assert commit > sum(len(one.statements) for one in migrations.MIGRATIONS[1:])
    for fatal in range(1, len(whole.steps) + 1):
        shutil.copy(old, copy)
        with pytest.raises(SystemExit):
            run(Mortal(fatal), lambda: upgrade(copy))
        if fatal <= commit:
            assert (version(copy), dump(copy)) == (1, before), whole.steps[fatal - 1]
        else:
            assert (version(copy), dump(copy)) == (NEWEST, wanted), "it died with the commit behind it"
        upgrade(copy)
        assert (version(copy), dump(copy)) == (NEWEST, wanted)


KILLED = """
import os, signal, sys
from tradectl.store import database, migrations
left = int(sys.argv[2])
real = migrations.upgrade
def upgrade(conn, at_ms):
    def count(statement):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    conn.execute("PRAGMA cache_size = 1")
    conn.set_trace_callback(count)
    real(conn, at_ms)
migrations.upgrade = upgrade
database.Database.open(sys.argv[1], expect=None)
"""


@pytest.mark.parametrize("statement", [14, 27])
def test_kill_9_with_half_of_it_on_disk_is_rolled_back_by_the_next_one(old: Path, statement: int) -> None:
    before = dump(old)
    done = subprocess.run([sys.executable, "-c", KILLED, str(old), str(statement)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert old.with_name("store.db-journal").stat().st_size > 0, "the victim must have died with pages spilled"
    copy = old.with_name("copy.db")
    shutil.copy(old, copy)
    shutil.copy(f"{old}-journal", f"{copy}-journal")
    assert (version(copy), dump(copy)) == (1, before)
    upgrade(old)
    assert rest(dump(old)) == rest(before) and verify(old).ok


OPENER = """
import sqlite3, sys
from tradectl.store import database, migrations
class Waiting(sqlite3.Connection):
    def execute(self, sql, *args):
        if sql == "BEGIN IMMEDIATE":
            print("has seen the older schema", flush=True)
            sys.stdin.readline()
        return super().execute(sql, *args)
database.CONNECTION.set(Waiting)
with database.Database.open(sys.argv[1], expect=None, at_ms=int(sys.argv[2]), lock_wait_ms=20_000) as db:
    print(migrations.applied(db.conn), flush=True)
"""


def test_two_processes_that_both_saw_the_older_schema_upgrade_it_once(old: Path) -> None:
    before = dump(old)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(old), at_ms], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for at_ms in ("100", "200")
    ]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "has seen the older schema\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1], "both have the one upgrade"
    assert rest(dump(old)) == rest(before) and verify(old).ok


# With a position open.


@pytest.mark.parametrize("stripped", [False, True])
def test_a_bot_that_restarts_on_it_takes_its_position_over_and_protects_it(tmp_path: Path, stripped: bool) -> None:
    rows = [UP, CALM, CALM, CALM]
    with rig(tmp_path, rows) as desk:
        desk.cycle()
        desk.cycle()
        booked = desk.read(ledger.open_trade, SOL)
        orders = desk.snapshot().orders_of(SOL)
        assert booked is not None and orders
        if stripped:
            host = desk.embedded.host
            for order in orders:
                host.execute(CancelOrder(SOL, order.order_id, host.state.server_ms, host.state.server_ms + 5_000))
    store_v1.bring_down(tmp_path / "bot.db")
    assert version(tmp_path / "bot.db") == 1 and "opener" not in dump(tmp_path / "bot.db")["open_trades"][0]
    with rig(tmp_path, rows) as desk:
        assert desk.read(migrations.applied)[1:] == [(2, "positions", WALL_MS), (3, "safety", WALL_MS)]
        trade, held = desk.read(ledger.open_trade, SOL), desk.read(positions.of, SOL)
        assert replace(trade, naked_since_ms=None) == booked, "who opened it is known again"
        assert held is not None and (held.state, held.origin) == (PositionState.OPEN, Origin.EXPLAINED)
        assert held.trade_number == booked.number
        report = desk.cycle()
        (position,) = desk.snapshot().positions
        assert coverage(position, desk.snapshot().orders).protection is Protection.COVERED
        assert coverage(position, desk.snapshot().orders).stop_price == booked.stop_price
        assert report.snapshot.doubts == () and desk.read(latches.active) == ()
