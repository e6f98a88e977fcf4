"""One bot per account: who may take the lease, and what an older epoch can still do (nothing)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tradectl.errors import EntryRefused, ExitCode, LeaseHeld
from tradectl.store import files, journal, lease
from tradectl.store.database import Database
from tradectl.store.lease import Holder

ELSEWHERE = Holder(7, "elsewhere", "other-boot", "9")


@contextmanager
def another_process() -> Iterator[tuple[subprocess.Popen[bytes], Holder]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        yield process, replace(lease.this_holder(), pid=process.pid, process_start=files.process_start(process.pid))
    finally:
        process.kill()
        process.communicate()


def test_first_acquire_release_and_next_epoch(db: Database) -> None:
    me = lease.this_holder()
    with db.transaction() as conn:
        assert lease.current(conn) is None
        assert lease.acquire(conn, me, 1_000) == 1
        lease.check(conn, 1)
        lease.heartbeat(conn, 1, 2_000)
        row = lease.current(conn)
        assert row == lease.LeaseRow(1, me, 1_000, 2_000, None)
        assert lease.release(conn, 1, 3_000)
        assert not lease.release(conn, 1, 3_000)
        with pytest.raises(EntryRefused):
            lease.check(conn, 1)
        assert lease.acquire(conn, ELSEWHERE, 3_001) == 2
    assert [row.body["result"] for row in journal.page(db.conn)] == ["acquired", "released", "acquired"]


@pytest.mark.parametrize("stopped", [False, True])
def test_living_holder_of_this_host_is_never_taken_over(db: Database, stopped: bool) -> None:
    with another_process() as (process, holder):
        with db.transaction() as conn:
            lease.acquire(conn, holder, 1_000)
        if stopped:
            os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(LeaseHeld) as caught, db.transaction() as conn:
            lease.acquire(conn, lease.this_holder(), 10_000_000_000)
        assert caught.value.exit_code is ExitCode.LEASE
        assert str(process.pid) in caught.value.what
        assert caught.value.hint


def test_dead_pid_of_this_boot_is_taken_over_at_once_and_its_epoch_is_void(db: Database) -> None:
    with another_process() as (_, holder), db.transaction() as conn:
        old = lease.acquire(conn, holder, 1_000)
    with db.transaction() as conn:
        assert lease.acquire(conn, lease.this_holder(), 1_001) == old + 1
        with pytest.raises(EntryRefused) as caught:
            lease.check(conn, old)
        with pytest.raises(LeaseHeld):
            lease.heartbeat(conn, old, 1_002)
        assert not lease.release(conn, old, 1_003)
        lease.check(conn, old + 1)
    assert caught.value.code == "lease"
    assert journal.latest(db.conn, 1)[0].body["result"] == "taken over"


def test_reused_pid_and_rebooted_host_are_dead(db: Database) -> None:
    me = lease.this_holder()
    with db.transaction() as conn:
        for holder in (replace(me, process_start="1"), replace(me, boot_id="before")):
            epoch = lease.acquire(conn, holder, 1_000)
            assert lease.acquire(conn, me, 1_001) == epoch + 1
            lease.release(conn, epoch + 1, 1_002)


def test_same_process_gets_a_new_epoch_and_voids_its_old_one(db: Database) -> None:
    me = lease.this_holder()
    with db.transaction() as conn:
        old = lease.acquire(conn, me, 1_000)
        assert lease.acquire(conn, me, 1_001) == old + 1
        with pytest.raises(EntryRefused):
            lease.check(conn, old)


@pytest.mark.parametrize(("age_ms", "held"), [(0, True), (30_000, True), (30_001, False), (-60_000, True)])
def test_holder_elsewhere_counts_by_its_heartbeat(db: Database, age_ms: int, held: bool) -> None:
    with db.transaction() as conn:
        lease.acquire(conn, ELSEWHERE, 100_000)
    with db.transaction() as conn:
        if held:
            with pytest.raises(LeaseHeld):
                lease.acquire(conn, lease.this_holder(), 100_000 + age_ms)
        else:
            assert lease.acquire(conn, lease.this_holder(), 100_000 + age_ms) == 2


def test_nobody_holds_it_before_the_first(db: Database) -> None:
    with db.transaction() as conn:
        with pytest.raises(EntryRefused, match="nobody"):
            lease.check(conn, 1)
        with pytest.raises(LeaseHeld, match="nobody"):
            lease.heartbeat(conn, 1, 5)
