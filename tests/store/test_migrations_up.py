"""From an older schema to the newest: no row, number or rule is lost on the way."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import store_v1
from ledger_kit import entry
from older_store import AT_MS, NEW_TABLES, NEWEST, SAFETY_TABLES, rest, upgrade, version
from store_v1 import OPENERS, PURPOSES, STAMP, STATES, dump, raw

from tradectl.store import intents, journal, ledger, migrations
from tradectl.store.database import Database
from tradectl.store.verify import verify


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
