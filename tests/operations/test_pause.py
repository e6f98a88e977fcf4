"""`pause` and `resume`: a latch like the others, kept until it is lifted, each change on record (promises 9, 11)."""

from __future__ import annotations

from pathlib import Path

from desk import Account, hold_lock, let_go, tradectl

from tradectl.domain.system_state import LatchName, SystemState, system_state
from tradectl.store import journal, latches


def test_pause_keeps_who_and_why_and_touches_no_order(acct: Account) -> None:
    entry = acct.resting()
    ran = acct.tradectl("pause", "--reason", "CPI at 12:30")
    assert ran.code == 0 and ran.out.startswith("PAUSED ")
    with acct.db() as db, db.read() as conn:
        latch = latches.get(conn, LatchName.PAUSE)
        assert system_state(latches.active(conn)) is SystemState.PAUSED
    assert latch is not None and (latch.set_by, latch.reason) == ("ann", "CPI at 12:30")
    assert entry.order_id in acct.orders()


def test_a_second_pause_keeps_the_first_reason(acct: Account) -> None:
    acct.tradectl("pause", "--reason", "first")
    ran = acct.tradectl("pause", "--reason", "second")
    assert ran.code == 0
    assert "PAUSED already" in ran.out and "first" in ran.out


def test_resume_lifts_it_and_is_idempotent(acct: Account) -> None:
    acct.tradectl("pause", "--reason", "cpi")
    first = acct.tradectl("resume", "--reason", "over", USER="bea")
    assert first.code == 0 and first.out.startswith("RESUMED")
    with acct.db() as db, db.read() as conn:
        assert latches.active(conn) == ()
        row = journal.latest(conn, 1, kind="state")[0]
    assert (row.actor, row.body["result"], row.body["reason"]) == ("bea", "cleared", "over")
    second = acct.tradectl("resume")
    assert second.code == 0 and "was not paused" in second.out


def test_resume_says_that_the_kill_switch_still_halts(acct: Account) -> None:
    acct.tradectl("pause")
    acct.tradectl("killswitch", "activate")
    ran = acct.tradectl("resume", "--json")
    assert ran.json["state"] == "HALTED"
    assert [latch["name"] for latch in ran.json["still"]] == ["kill_switch"]


def test_the_person_behind_sudo_is_named(acct: Account) -> None:
    acct.tradectl("pause", SUDO_USER="carl", USER="root")
    with acct.db() as db, db.read() as conn:
        latch = latches.get(conn, LatchName.PAUSE)
    assert latch is not None and latch.set_by == "carl"


def test_locked_missing_and_broken_stores_end_in_their_own_codes(acct: Account, tmp_path: Path) -> None:
    holder = hold_lock(acct.store)
    try:
        assert acct.tradectl("pause").code == 75
    finally:
        let_go(holder)
    assert tradectl("pause", "--state", str(tmp_path / "none.db"), home=tmp_path).code == 2
    assert not (tmp_path / "none.db").exists()
    broken = tmp_path / "broken.db"
    broken.write_bytes(acct.store.read_bytes()[:3000])
    assert tradectl("pause", "--state", str(broken), home=tmp_path).code == 2
