"""`killswitch status` and `clear`: what stands, and that it goes only when its cause is gone (promises 9, 11)."""

from __future__ import annotations

from desk import Account, hold_lock, let_go

from tradectl.domain.system_state import Latch, LatchName
from tradectl.store import halt, journal, latches

CLEAR = ("killswitch", "clear", "--approver", "bea", "--reason", "all well", "--yes")


def test_status_says_since_when_by_whom_why_and_what_was_done(acct: Account) -> None:
    acct.long()
    entry = acct.resting()
    acct.tradectl("killswitch", "activate", "--reason", "spread blew out")
    ran = acct.tradectl("killswitch", "status")
    assert ran.code == 1
    assert ran.out.startswith("ACTIVE main · sim · paper")
    assert "spread blew out" in ran.out and "ann" in ran.out
    assert f"cancelled: {entry.order_id}:" in ran.out
    assert "kept: " in ran.out
    assert "0 orders that can add exposure" in ran.out
    assert "tradectl killswitch clear --approver NAME --reason TEXT" in ran.out


def test_status_is_zero_when_nothing_is_set(acct: Account) -> None:
    ran = acct.tradectl("killswitch", "status", "--json")
    assert ran.code == 0
    assert ran.json["active"] is False and ran.json["halt_file"] is None


def test_status_answers_from_the_halt_file_while_the_store_is_locked(acct: Account) -> None:
    halt.write(str(acct.store), "kill switch: by hand")
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl("killswitch", "status")
    finally:
        let_go(holder)
    assert ran.code == 1
    assert "kill switch: by hand" in ran.out


def test_status_of_a_locked_store_without_a_halt_file_is_busy(acct: Account) -> None:
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        assert acct.tradectl("killswitch", "status").code == 75
    finally:
        let_go(holder)


def test_clear_lifts_latch_and_halt_file_and_shows_before_and_after(acct: Account) -> None:
    acct.tradectl("killswitch", "activate", "--reason", "drill")
    halt.write(str(acct.store), "kill switch: also by file")
    ran = acct.tradectl(*CLEAR)
    assert ran.code == 0, ran.all
    assert "HALTED" in ran.out and "CLEARED: NORMAL, entries are allowed" in ran.out
    assert halt.read(str(acct.store)) is None
    with acct.db() as db, db.read() as conn:
        assert latches.active(conn) == ()
        row = journal.latest(conn, 1, kind="operator")[0]
    assert (row.actor, row.body["before"], row.body["after"]) == ("bea", "HALTED", "NORMAL")
    assert row.body["override"] is False
    assert row.body["typed_by"], "the approver answers for it; who typed it is kept too"
    assert acct.tradectl("killswitch", "status").code == 0


def test_clear_is_refused_over_a_naked_position_and_the_override_is_recorded(acct: Account) -> None:
    acct.long(bracket=False)
    acct.tradectl("killswitch", "activate")
    refused = acct.tradectl(*CLEAR)
    assert refused.code == 2
    assert "NAKED" in refused.err and "positions close BTCUSDT" in refused.err
    with acct.db() as db, db.read() as conn:
        assert latches.get(conn, LatchName.KILL_SWITCH) is not None
    assert acct.tradectl(*CLEAR, "--override").code == 0
    with acct.db() as db, db.read() as conn:
        row = journal.latest(conn, 1, kind="operator")[0]
    assert row.body["override"] is True
    assert "NAKED" in str(row.body["overridden"])


def test_clear_is_refused_while_the_venue_cannot_be_read(acct: Account) -> None:
    acct.tradectl("killswitch", "activate")
    acct.exchange.unlink()
    ran = acct.tradectl(*CLEAR)
    assert ran.code == 2
    assert "nothing is verified" in ran.err


def test_clear_leaves_other_latches_and_names_them(acct: Account) -> None:
    acct.tradectl("pause", "--reason", "cpi")
    acct.tradectl("killswitch", "activate")
    ran = acct.tradectl(*CLEAR)
    assert ran.code == 0
    assert "still restricted by pause" in ran.out
    with acct.db() as db, db.read() as conn:
        assert [latch.name for latch in latches.active(conn)] == [LatchName.PAUSE]


def test_clear_when_not_active_does_nothing(acct: Account) -> None:
    ran = acct.tradectl(*CLEAR)
    assert ran.code == 0
    assert "nothing to clear" in ran.out
    with acct.db() as db, db.read() as conn:
        assert journal.latest(conn, 5) == []


def test_clear_needs_a_name_and_a_reason(acct: Account) -> None:
    assert acct.tradectl("killswitch", "clear", "--reason", "x").code == 3
    assert acct.tradectl("killswitch", "clear", "--approver", " ", "--reason", "x").code == 3


def test_clear_of_a_locked_store_is_busy_and_changes_nothing(acct: Account) -> None:
    with acct.db() as db, db.transaction() as conn:
        latches.set_latch(conn, Latch(LatchName.KILL_SWITCH, "", "ann", 1, "drill"))
    holder = hold_lock(acct.store)
    try:
        assert acct.tradectl(*CLEAR).code == 75
    finally:
        let_go(holder)
    with acct.db() as db, db.read() as conn:
        assert latches.get(conn, LatchName.KILL_SWITCH) is not None
