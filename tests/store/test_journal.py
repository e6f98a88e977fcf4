"""The chain shows every edit, deletion, insertion and cut tail; idle cycles write no row."""

from __future__ import annotations

import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.store import chain, journal
from tradectl.store.database import Database

LINKED = "(seq, at_ms, kind, actor, subject, symbol, body, prev_hash, hash)"


def fill(db: Database, rows: int = 5) -> None:
    with db.transaction() as conn:
        for number in range(rows):
            journal.append(
                conn,
                at_ms=number * 10,
                kind="state" if number % 2 else "operator",
                actor="ann",
                subject=f"s{number}",
                symbol="BTCUSDT" if number < 3 else "",
                body={"number": number, "text": 'quoted "ü"\n'},
            )


def tamper(db: Database, *statements: str) -> journal.ChainReport:
    for trigger in ("journal_rows_never_change", "journal_rows_never_go"):
        db.conn.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        db.conn.execute(statement)
    return journal.verify(db.conn)


def test_untouched_chain_holds_and_pages_filter(db: Database) -> None:
    fill(db)
    assert journal.verify(db.conn) == journal.ChainReport(5, True)
    assert [row.seq for row in journal.page(db.conn, 2, 2)] == [3, 4]
    assert [row.seq for row in journal.page(db.conn, kind="state")] == [2, 4]
    assert [row.seq for row in journal.page(db.conn, since_ms=20, symbol="BTCUSDT")] == [3]
    assert [row.seq for row in journal.latest(db.conn, 2)] == [5, 4]
    assert journal.page(db.conn)[0].body == {"number": 0, "text": 'quoted "ü"\n'}


@pytest.mark.parametrize("statement", ["UPDATE journal SET actor = 'x' WHERE seq = 2", "DELETE FROM journal"])
def test_triggers_refuse_change_and_deletion(db: Database, statement: str) -> None:
    fill(db)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"), db.transaction() as conn:
        conn.execute(statement)
    assert journal.verify(db.conn).rows == 5


@pytest.mark.parametrize("column", ["at_ms", "kind", "actor", "subject", "symbol", "body", "prev_hash", "hash"])
def test_edit_of_any_column_shows(db: Database, column: str) -> None:
    fill(db)
    new = {"at_ms": "99", "kind": "'alert'", "prev_hash": f"'{'1' * 64}'", "hash": f"'{'1' * 64}'"}
    report = tamper(db, f"UPDATE journal SET {column} = {new.get(column, repr('edited'))} WHERE seq = 3")
    assert not report.ok
    assert report.first_bad == 3


def test_deleted_row_shows(db: Database) -> None:
    fill(db)
    report = tamper(db, "DELETE FROM journal WHERE seq = 3")
    assert (report.ok, report.first_bad) == (False, 3)


def test_deleted_row_shows_when_the_others_are_renumbered(db: Database) -> None:
    fill(db)
    report = tamper(db, "DELETE FROM journal WHERE seq = 3", "UPDATE journal SET seq = seq - 1 WHERE seq > 3")
    assert (report.ok, report.first_bad) == (False, 3)


@pytest.mark.parametrize("kept", [0, 4])
def test_cut_tail_shows(db: Database, kept: int) -> None:
    fill(db)
    report = tamper(db, f"DELETE FROM journal WHERE seq > {kept}")
    assert (report.ok, report.first_bad) == (False, kept + 1)
    assert "5 were written" in report.why


def test_well_linked_row_put_behind_the_head_shows(db: Database) -> None:
    fill(db)
    seq, prev = journal.head(db.conn)
    own = chain.link(prev, seq + 1, 1, "operator", "mallory", "", "", "{}")
    row = f"({seq + 1}, 1, 'operator', 'mallory', '', '', '{{}}', '{prev}', '{own}')"
    report = tamper(db, f"INSERT INTO journal {LINKED} VALUES {row}")
    assert not report.ok
    assert "behind" in report.why


def test_unknown_kind_is_refused(db: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), db.transaction() as conn:
        journal.append(conn, at_ms=1, kind="gossip", actor="ann", body={})


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=4, max_size=4), st.data())
def test_fields_cannot_be_shifted_into_each_other(fields: list[str], data: st.DataObject) -> None:
    """Moving text from one field to its neighbour never keeps the hash: lengths are part of it."""
    place = data.draw(st.integers(0, 2))
    if not fields[place]:
        return
    shifted = list(fields)
    shifted[place + 1] = shifted[place][-1] + shifted[place + 1]
    shifted[place] = shifted[place][:-1]
    assert chain.link("p", 1, 2, "k", *fields) != chain.link("p", 1, 2, "k", *shifted)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_lean_quoting_is_json(text: str) -> None:
    assert chain.quote(text) == json.dumps(text, ensure_ascii=False)
