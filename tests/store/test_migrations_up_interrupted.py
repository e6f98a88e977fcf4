"""An upgrade that is cut short, wherever it is, or that two processes begin at once, is made once and whole."""

from __future__ import annotations

import contextvars
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from older_store import NEWEST, rest, upgrade, version
from store_v1 import dump

from tradectl.store import database, migrations
from tradectl.store.mortal import connection_of
from tradectl.store.verify import verify


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
