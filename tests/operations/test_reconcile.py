"""`reconcile`: the plan, what is safe by itself, what needs a person, and a world that moves (promises 4, 6, 7)."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import faulty
import pytest
from desk import Account, hold_lock, let_go, tradectl
from faulty import Rule

from tradectl.domain.order import OrderSide, OrderType
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.store import intents, journal, latches, ledger, positions

D = Decimal
APPLY = ("reconcile", "--apply", "--yes")


def lots(acct: Account) -> dict[str, Decimal]:
    with acct.db() as db, db.read() as conn:
        return {symbol: trade.lot.qty for symbol, trade in ledger.open_trades(conn).items()}


def blocked(acct: Account) -> set[str]:
    with acct.db() as db, db.read() as conn:
        return {latch.scope for latch in latches.active(conn) if latch.name is LatchName.RECONCILE}


def kinds(body: dict[str, object]) -> list[str]:
    findings = body["findings"]
    assert isinstance(findings, list)
    return [one["kind"] for one in findings if one["severity"] != "agrees"]


def test_an_empty_account_agrees(acct: Account) -> None:
    ran = acct.tradectl("reconcile")
    assert ran.code == 0 and "venue and books AGREE" in ran.out


def test_fills_that_are_not_booked_are_drift_and_apply_books_them(acct: Account) -> None:
    acct.entered(qty="0.010")
    look = acct.tradectl("reconcile")
    assert look.code == 1 and lots(acct) == {}
    assert f"  tradectl reconcile --apply --state {acct.store}" in look.out.splitlines()
    done = acct.tradectl(*APPLY, "--reason", "after the crash")
    assert done.code == 0, done.all
    assert lots(acct) == {"BTCUSDT": D("0.010")}
    assert acct.tradectl("reconcile").code == 0
    with acct.db() as db, db.read() as conn:
        act = journal.latest(conn, 1, kind="operator")[0]
    assert (act.subject, act.actor, act.body["reason"]) == ("reconcile", "ann", "after the crash")


def test_a_position_that_nobody_explains_is_2_blocked_protected_and_never_closed(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    ran = acct.tradectl(*APPLY)
    assert ran.code == 2, ran.all
    position = acct.snapshot().positions[0]
    assert position.qty == D("0.010")
    assert coverage(position, acct.snapshot().orders).protection is Protection.COVERED
    assert blocked(acct) == {"BTCUSDT"}
    assert "PHANTOM BTCUSDT" in ran.out and "no entries on BTCUSDT until then" in ran.out
    assert f"    tradectl reconcile --adopt BTCUSDT --apply --reason TEXT --state {acct.store}" in ran.out.splitlines()


def test_adopting_it_lifts_the_block_and_manages_it(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    acct.tradectl(*APPLY)
    ran = acct.tradectl(*APPLY, "--adopt", "btc", "--reason", "opened by hand")
    assert ran.code == 0, ran.all
    assert blocked(acct) == set() and lots(acct) == {"BTCUSDT": D("0.010")}
    with acct.db() as db, db.read() as conn:
        ours = positions.of(conn, "BTCUSDT")
    assert ours is not None and ours.origin.value == "adopted" and ours.stop_price is not None


def test_adopting_takes_a_reason_and_a_position(acct: Account) -> None:
    acct.long(bracket=False)
    assert acct.tradectl(*APPLY, "--adopt", "btc").code == 3
    assert acct.tradectl(*APPLY, "--adopt", "eth", "--reason", "x").code == 3
    assert acct.tradectl("reconcile", "--adopt", "nope").code == 3
    assert blocked(acct) == set()


def test_a_close_by_hand_is_booked_and_what_it_left_behind_goes(acct: Account) -> None:
    acct.entered(qty="0.010")
    acct.tradectl(*APPLY)
    acct.place("BTCUSDT", OrderSide.SELL, OrderType.MARKET, "0.010", reduce_only=True)
    look = acct.tradectl("reconcile", "--json")
    assert look.code == 1 and kinds(look.json) == ["orphan"]
    assert acct.tradectl(*APPLY).code == 0
    assert lots(acct) == {} and acct.orders() == {}


def test_orders_of_others_are_left_alone(acct: Account) -> None:
    resting = acct.resting()
    ran = acct.tradectl(*APPLY)
    assert ran.code == 0, ran.all
    assert resting.order_id in acct.orders()
    assert "that is not ours" in acct.tradectl("reconcile").out


def test_another_stores_order_blocks_the_account_and_is_not_touched(acct: Account) -> None:
    order = acct.resting(client_id="tdc.zzz999.en.7")
    ran = acct.tradectl(*APPLY)
    assert ran.code == 2 and blocked(acct) == {""}
    assert order.order_id in acct.orders()
    assert "another store" in ran.out


def test_the_plan_that_was_shown_is_the_one_that_is_applied(acct: Account) -> None:
    """Somebody closes the position between the plan and its application."""
    acct.entered(qty="0.010")
    rules = (Rule("snapshot", closes="BTCUSDT", nth=2, times=1),)
    ran = faulty.tradectl(acct, *APPLY, rules=rules)
    assert ran.code == 2 and "moved since" in ran.err
    assert lots(acct) == {}


def test_a_saved_plan_is_applied_while_the_world_is_the_same(acct: Account) -> None:
    acct.entered(qty="0.010")
    file = acct.folder / "plan.json"
    assert acct.tradectl("reconcile", "--save", str(file)).code == 1
    assert json.loads(file.read_text())["schema"] == "tradectl/reconcile-plan/1"
    ran = acct.tradectl("reconcile", "--plan", str(file), "--apply", "--yes")
    assert ran.code == 0 and lots(acct) == {"BTCUSDT": D("0.010")}
    stale = acct.tradectl("reconcile", "--plan", str(file), "--apply", "--yes")
    assert stale.code == 2 and "moved since" in stale.err


def test_a_plan_of_another_account_or_no_plan_is_refused(acct: Account) -> None:
    file = acct.folder / "plan.json"
    acct.tradectl("reconcile", "--save", str(file))
    body = json.loads(file.read_text())
    file.write_text(json.dumps({**body, "account": "other"}))
    assert acct.tradectl("reconcile", "--plan", str(file)).code == 2
    file.write_text("{}")
    assert acct.tradectl("reconcile", "--plan", str(file)).code == 3
    assert acct.tradectl("reconcile", "--plan", str(acct.folder / "none")).code == 3
    assert acct.tradectl("reconcile", "--plan", str(file), "--adopt", "btc").code == 3


def test_a_plan_that_cannot_be_saved_is_2(acct: Account) -> None:
    ran = acct.tradectl("reconcile", "--save", str(acct.folder / "no" / "plan.json"))
    assert ran.code == 2 and "could not be saved" in ran.err


def test_in_a_pipe_nothing_happens_without_a_yes(acct: Account) -> None:
    acct.entered()
    ran = acct.tradectl("reconcile", "--apply")
    assert ran.code == 2 and lots(acct) == {}


@pytest.mark.parametrize("call", ["snapshot", "account_events"])
def test_a_source_that_fails_is_75_and_changes_nothing(acct: Account, call: str) -> None:
    acct.entered(qty="0.010")
    ran = faulty.tradectl(acct, *APPLY, rules=(Rule(call, "drop"),))
    assert ran.code == 75, ran.all
    assert lots(acct) == {} and blocked(acct) == set()


def test_a_locked_store_is_75(acct: Account) -> None:
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl("reconcile")
    finally:
        let_go(holder)
    assert ran.code == 75 and "Traceback" not in ran.all


def test_a_missing_store_is_2_and_not_created(tmp_path: Path) -> None:
    ran = tradectl("reconcile", "--state", str(tmp_path / "none.db"), home=tmp_path)
    assert ran.code == 2 and not (tmp_path / "none.db").exists()


def test_a_dead_bots_order_in_doubt_is_settled_by_apply(acct: Account) -> None:
    doubt = acct.doubt(acct.entry())
    look = acct.tradectl("reconcile")
    assert look.code == 1 and "IN DOUBT" in look.out
    assert acct.tradectl(*APPLY).code == 0
    with acct.db() as db, db.read() as conn:
        found = intents.get(conn, doubt.number)
    assert found is not None and found.state.value == "not_placed"


def test_json_before_and_after(acct: Account) -> None:
    acct.entered(qty="0.010")
    look = acct.tradectl("reconcile", "--json").json
    assert look["schema"] == "tradectl/reconcile/1" and look["applied"] is False and look["exit_code"] == 1
    done = acct.tradectl(*APPLY, "--json").json
    assert done["applied"] is True and done["exit_code"] == 0 and done["after"]["severity"] == "agrees"
    assert all(not one["failed"] for one in done["done"])


def test_applied_twice_it_does_nothing_more(acct: Account) -> None:
    acct.entered(qty="0.010")
    acct.tradectl(*APPLY)
    with acct.db() as db, db.read() as conn:
        before = ledger.open_trades(conn)
    again = acct.tradectl(*APPLY)
    with acct.db() as db, db.read() as conn:
        assert ledger.open_trades(conn) == before
    assert again.code == 0 and "AGREE" in again.out


def test_quantity_that_no_fill_explains_needs_a_person_and_adopt_sets_the_books(acct: Account) -> None:
    """The books are wrong by an amount that the venue's fills do not account for."""
    acct.entered(qty="0.010")
    acct.tradectl(*APPLY)
    with acct.db() as db, db.transaction() as conn:
        trade = ledger.open_trades(conn)["BTCUSDT"]
        conn.execute("UPDATE open_trades SET lot_qty = '0.014' WHERE number = ?", (trade.number,))
    ran = acct.tradectl("reconcile")
    assert ran.code == 2 and "no fill explains the rest" in ran.out
    done = acct.tradectl(*APPLY, "--adopt", "btc", "--reason", "edited by hand")
    assert done.code == 0, done.all
    assert lots(acct) == {"BTCUSDT": D("0.010")}


def test_the_command_that_is_printed_does_what_was_shown(acct: Account, tmp_path: Path) -> None:
    acct.long(qty="0.010", bracket=False)
    shown = acct.tradectl("reconcile", "--adopt", "btc").out.splitlines()
    assert f"  tradectl reconcile --adopt BTCUSDT --apply --reason TEXT --state {acct.store}" in shown
    file = tmp_path / "plan.json"
    kept = acct.tradectl("reconcile", "--adopt", "btc", "--save", str(file)).out.splitlines()
    command = f"  tradectl reconcile --plan {file} --apply --reason TEXT --state {acct.store}"
    assert command in kept
    assert command in acct.tradectl("reconcile", "--plan", str(file)).out.splitlines()


def test_after_a_restore_attached_orders_belong_to_the_entry_that_carries_our_tag(acct: Account) -> None:
    copy = acct.store.read_bytes()  # before the entry: its intent will be unknown
    acct.entered(qty="0.010")
    acct.store.write_bytes(copy)
    ran = acct.tradectl("reconcile")
    assert "taken over with its stops" in ran.out and "not ours" not in ran.out, ran.out
    done = acct.tradectl(*APPLY)
    assert "not ours" not in done.out and "1 fill booked" in done.out, done.out


def test_a_position_of_another_stores_bot_is_said_to_be_one(acct: Account) -> None:
    acct.long(qty="0.010", client_id="tdc.zzz999.en.7")
    for args in (("reconcile",), APPLY, ("reconcile",)):
        ran = acct.tradectl(*args)
        assert ran.code == 2, ran.all
        assert "OTHER_STORE BTCUSDT" in ran.out and "opened by another store's bot (tag zzz999" in ran.out, ran.out
        assert "no entries on BTCUSDT until then" in ran.out
