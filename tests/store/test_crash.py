"""kill -9 anywhere inside a transaction leaves the state before it (promises 1 and 7)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from store_kit import OURS, create

from tradectl.store import intents, journal, latches, ledger
from tradectl.store.database import Database
from tradectl.store.verify import verify

VICTIM = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
from store_kit import entry
from tradectl.domain.system_state import Latch, LatchName
from tradectl.store import intents, journal, latches, ledger
from tradectl.store.database import Database
left = int(sys.argv[2])
def count(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
db = Database.open(sys.argv[1], expect=None)
db.conn.execute("PRAGMA cache_size = 1")
db.conn.set_trace_callback(count)
with db.transaction() as conn:
    intents.record(conn, entry(), created_ms=1, expires_ms=2, epoch=1, actor="bot")
    latches.set_latch(conn, Latch(LatchName.PAUSE, "", "ann", 5, "lunch"))
    for number in range(8):
        journal.append(conn, at_ms=number, kind="state", actor="bot", body={"filler": "x" * 4000})
    ledger.set_cursor(conn, 77)
os.kill(os.getpid(), signal.SIGKILL)
"""


def run_victim(path: Path, statement: int) -> None:
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", VICTIM, str(path), str(statement), here], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("statement", [1, 2, 5, 9, 14, 30, 36])
def test_killed_between_statements_the_old_state_stands(tmp_path: Path, statement: int) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    run_victim(path, statement)
    with Database.open(path, expect=OURS, readonly=True) as db, db.read() as conn:
        assert latches.active(conn) == ()
        assert intents.in_doubt(conn) == ()
        assert ledger.cursor(conn) == 0
        assert journal.head(conn)[0] == 0
    assert verify(path).ok


def test_killed_after_the_commit_the_new_state_stands(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    run_victim(path, 10_000)
    with Database.open(path, expect=OURS) as db, db.read() as conn:
        assert len(latches.active(conn)) == 1
        assert [intent.number for intent in intents.in_doubt(conn)] == [1]
        assert ledger.cursor(conn) == 77
    assert verify(path).ok


def test_journal_left_by_a_killed_writer_is_rolled_back_by_a_reader(tmp_path: Path) -> None:
    create(tmp_path).close()
    path = tmp_path / "store.db"
    run_victim(path, 36)
    assert (tmp_path / "store.db-journal").stat().st_size > 0, "the victim must have died with pages spilled"
    with Database.open(path, expect=OURS, readonly=True) as db, db.read() as conn:
        assert journal.head(conn)[0] == 0
