"""`orders cancel`: said what it means, cancelled once, read again, journalled; stops that are needed stay (5, 11)."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import faulty
import page_kit
import pytest
from desk import LAST, ROOT, Account, hold_lock, let_go, tick, tradectl
from faulty import Rule

from tradectl.domain.intent import IntentState, cancel_draft, exit_draft, stop_draft
from tradectl.domain.order import OrderSide
from tradectl.domain.position import Protection, Side, coverage
from tradectl.store import emergency, intents, journal

D = Decimal


def cancel(acct: Account, name: str, *args: str) -> tuple[str, ...]:
    return ("orders", "cancel", name, *args, "--reason", "not wanted")


def last_act(acct: Account) -> journal.Entry:
    with acct.db() as db, db.read() as conn:
        return journal.latest(conn, 1, kind="operator")[0]


@pytest.mark.parametrize("by", ["order_id", "client_id"])
def test_cancels_verifies_and_journals_before_and_after(acct: Account, by: str) -> None:
    order = acct.resting()
    ran = acct.tradectl(*cancel(acct, getattr(order, by)), "--yes")
    assert ran.code == 0, ran.all
    assert acct.orders() == {}
    assert f"CANCELLED: {order.order_id}" in ran.out and "read again at the venue" in ran.out
    act = last_act(acct)
    assert (act.subject, act.actor, act.symbol, act.body["reason"]) == ("orders cancel", "ann", "BTCUSDT", "not wanted")
    assert (act.body["before"], act.body["after"]) == ({"order": "open"}, {"order": "canceled"})
    with acct.db() as db, db.read() as conn:
        sent = intents.latest(conn, None, 9)
    assert [(one.cancels_order_id, one.state.value, one.epoch) for one in sent] == [(order.order_id, "confirmed", 0)]


def test_the_plan_says_what_it_is_and_nothing_happens_without_a_yes(acct: Account) -> None:
    order = acct.resting()
    ran = acct.tradectl(*cancel(acct, order.order_id))
    assert ran.code == 2 and "--yes" in ran.err
    assert "could add exposure: buy limit 0.01 at" in ran.out and "it is not ours" in ran.out
    assert order.order_id in acct.orders()
    with acct.db() as db, db.read() as conn:
        assert intents.latest(conn, None, 9) == [] and journal.latest(conn, 9) == []


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 2), ("\x04", 2)])
def test_on_a_terminal_only_yes_goes_on(acct: Account, typed: str, code: int) -> None:
    order = acct.resting()
    ran = page_kit.on_terminal(*cancel(acct, order.order_id), "--state", acct.store, typed=typed)
    assert ran.code == code, ran.out
    assert (order.order_id in acct.orders()) == (code != 0)


def test_a_stop_that_its_position_needs_stays(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    stop = acct.stop(qty="0.010")
    acct.stop(qty="0.004")
    ran = acct.tradectl(*cancel(acct, stop.order_id), "--yes")
    assert ran.code == 2
    assert "BTCUSDT long 0.01: its stops cover 0.01 now, 0.004 without it" in ran.err
    assert f"tradectl positions close BTCUSDT --reason TEXT --state {acct.store}" in ran.err and "--override" in ran.err
    assert stop.order_id in acct.orders()


def test_a_stop_that_is_one_too_many_goes(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    spare = acct.stop(qty="0.010")
    acct.stop(qty="0.010")
    ran = acct.tradectl(*cancel(acct, spare.order_id), "--yes")
    assert ran.code == 0, ran.all
    snapshot = acct.snapshot()
    assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED
    assert "BTCUSDT long 0.01 is covered by its stop" in ran.out
    assert "override" not in ran.out.casefold()
    assert last_act(acct).body["override"] is False


def test_an_attached_stop_is_kept_like_any_other(acct: Account) -> None:
    acct.entered()
    stop = next(one for one in acct.orders().values() if one.protective)
    ran = acct.tradectl(*cancel(acct, stop.order_id), "--yes")
    assert ran.code == 2 and "none without it" in ran.err
    assert "attached to entry #1" in ran.out


def test_an_override_is_recorded_shown_and_stays_visible(acct: Account) -> None:
    acct.long(bracket=False)
    stop = acct.stop()
    ran = acct.tradectl(*cancel(acct, stop.order_id, "--override"), "--yes")
    assert ran.code == 0, ran.all
    assert "OVERRIDDEN, on the record" in ran.out and "BTCUSDT long 0.01 is NAKED" in ran.out
    assert last_act(acct).body["before"] == {"order": "open", "covered": "0.01 of 0.01"}
    assert last_act(acct).body["after"] == {"order": "canceled", "covered": "0 of 0.01"}
    assert f"orders cancel {stop.order_id} BTCUSDT by ann" in acct.tradectl("state", "show").out


def test_a_stop_without_a_position_needs_no_override(acct: Account) -> None:
    acct.long(bracket=False)
    stop = acct.stop(client_id="hand-made")
    acct.tradectl("positions", "close", "btc", "--reason", "x", "--yes")
    ran = acct.tradectl(*cancel(acct, stop.order_id), "--yes")
    assert ran.code == 0, ran.all  # the exchange ends a reduce-only order with its position
    assert "GONE" in ran.out


def test_a_take_profit_goes_and_its_stop_stays(acct: Account) -> None:
    acct.entered()
    target = next(one for one in acct.orders().values() if one.take_profit)
    ran = acct.tradectl(*cancel(acct, target.order_id), "--yes")
    assert ran.code == 0, ran.all
    assert [order.protective for order in acct.orders().values()] == [True]


def test_twice_is_gone_and_no_failure_and_says_who_it_was(acct: Account) -> None:
    order = acct.resting()
    acct.tradectl(*cancel(acct, order.order_id), "--yes")
    for name in (order.order_id, str(order.client_id)):
        again = acct.tradectl(*cancel(acct, name))
        assert again.code == 0, again.all
        assert "GONE" in again.out and "was cancelled" in again.out and "by ann: orders cancel: not wanted" in again.out
    with acct.db() as db, db.read() as conn:
        assert len(intents.latest(conn, None, 9)) == 1


def test_one_that_has_filled_is_gone_with_its_fill(acct: Account) -> None:
    filled = acct.long(bracket=False)
    for name in (filled.order_id, str(filled.client_id)):
        ran = acct.tradectl(*cancel(acct, name), "--json")
        assert (ran.code, ran.json["result"]) == (0, "gone")
        assert f"{filled.order_id} was filled 0.01 at " in ran.json["how"]


def test_an_entry_of_ours_that_has_filled_is_found_by_its_client_id(acct: Account) -> None:
    entry = acct.entered()
    ran = acct.tradectl(*cancel(acct, entry.intent.client_id))
    assert ran.code == 0 and "was filled" in ran.out


def test_one_that_was_never_placed_is_gone_with_the_stores_word(acct: Account) -> None:
    made = acct.doubt(exit_draft("BTCUSDT", Side.LONG, D("0.010"), "x"))
    with acct.db() as db, db.transaction() as conn:
        intents.advance(conn, made.number, IntentState.NOT_PLACED, at_ms=1, detail="two searches")
    ran = acct.tradectl(*cancel(acct, made.client_id))
    assert ran.code == 0 and "never stood at the venue, not placed: two searches" in ran.out


@pytest.mark.parametrize(
    ("age_ms", "said"), [(90_000, "it cannot arrive any more"), (500, "it may still arrive for 5 s on the venue's")]
)
def test_one_in_doubt_is_not_at_the_venue_yet_and_what_will_happen_is_said(
    acct: Account, age_ms: int, said: str
) -> None:
    made = acct.doubt(exit_draft("BTCUSDT", Side.LONG, D("0.010"), "x"), age_ms=age_ms)
    ran = acct.tradectl(*cancel(acct, made.client_id), "--yes")
    assert ran.code == 1, ran.all
    assert f"NOT AT THE VENUE: {made.client_id}" in ran.out and said in ran.out
    assert "no entries on BTCUSDT until that is settled" in ran.out
    body = acct.tradectl(*cancel(acct, made.client_id), "--json").json
    assert (body["result"], body["exit_code"]) == ("in_doubt", 1)


def test_an_entry_in_doubt_names_what_waits_it_out(acct: Account) -> None:
    made = acct.doubt(acct.entry(), age_ms=500, sent=False)
    ran = acct.tradectl(*cancel(acct, made.client_id))
    assert ran.code == 1 and "killswitch activate waits that out and cancels it" in ran.out


def test_one_in_doubt_that_did_arrive_is_cancelled_like_any_other(acct: Account) -> None:
    acct.long()
    draft = stop_draft("BTCUSDT", Side.LONG, D("0.010"), tick(acct.price() * D("0.8")), LAST, "x")
    made = acct.doubt(draft)
    acct.stop(client_id=made.client_id)
    ran = acct.tradectl(*cancel(acct, made.client_id), "--yes")
    assert ran.code == 0 and "CANCELLED" in ran.out


def test_a_cancel_is_no_order(acct: Account) -> None:
    order = acct.resting()
    made = acct.doubt(cancel_draft("BTCUSDT", OrderSide.BUY, order.order_id, "x"))
    ran = acct.tradectl(*cancel(acct, made.client_id), "--yes")
    assert ran.code == 2 and f"tradectl orders cancel {order.order_id}" in ran.err


def test_what_nobody_knows_is_refused_with_the_nearest(acct: Account) -> None:
    order = acct.resting(client_id="grid-level-17")
    ran = acct.tradectl(*cancel(acct, "grid-level-7"), "--yes")
    assert ran.code == 2 and "no order is called grid-level-7" in ran.err and "did you mean grid-level-17" in ran.err
    assert acct.tradectl(*cancel(acct, "grid-level-1"), "--yes").code == 2  # a prefix is not a name
    assert acct.tradectl("orders", "cancel", " ", "--yes").code == 3
    assert acct.tradectl("orders", "cancel").code == 3
    assert order.order_id in acct.orders()


def test_a_name_that_two_orders_have_cancels_neither(acct: Account) -> None:
    first = acct.resting()
    second = acct.resting(client_id=first.order_id)
    ran = acct.tradectl(*cancel(acct, first.order_id), "--yes")
    assert ran.code == 2 and "2 open orders are called" in ran.err
    assert set(acct.orders()) == {first.order_id, second.order_id}


def test_one_that_ends_between_plan_and_apply_is_gone(acct: Account) -> None:
    order = acct.resting()
    ended = Rule("snapshot", nth=2, times=1, cancels=order.order_id)
    ran = faulty.tradectl(acct, *cancel(acct, order.order_id), "--yes", rules=(ended,))
    assert ran.code == 0, ran.all
    assert f"GONE: {order.order_id}" in ran.out and "was cancelled" in ran.out
    with acct.db() as db, db.read() as conn:
        assert intents.latest(conn, None, 9) == []


def test_one_that_ends_just_before_its_cancel_is_gone(acct: Account) -> None:
    order = acct.resting()
    ended = Rule("cancel", cancels=order.order_id)
    ran = faulty.tradectl(acct, *cancel(acct, order.order_id), "--yes", rules=(ended,))
    assert ran.code == 0, ran.all
    assert f"GONE: {order.order_id}" in ran.out


def test_a_stop_whose_fellow_goes_between_plan_and_apply_stays(acct: Account) -> None:
    acct.long(bracket=False)
    stop, fellow = acct.stop(), acct.stop()
    ended = Rule("snapshot", nth=2, times=1, cancels=fellow.order_id)
    ran = faulty.tradectl(acct, *cancel(acct, stop.order_id), "--yes", rules=(ended,))
    assert ran.code == 2 and "would not stay fully covered" in ran.err
    assert set(acct.orders()) == {stop.order_id}


@pytest.mark.parametrize(("what", "gone"), [("drop", False), ("lose", True)])
def test_a_lost_answer_is_1_and_never_sent_again(acct: Account, what: str, gone: bool) -> None:
    order = acct.resting()
    ran = faulty.tradectl(acct, *cancel(acct, order.order_id), "--yes", rules=(Rule("cancel", what),))
    assert ran.code == 1, ran.all
    assert "OUTCOME UNKNOWN" in ran.out and f"tradectl orders list --unknown --state {acct.store}" in ran.out
    assert (order.order_id not in acct.orders()) is gone
    assert ("it is gone" in ran.out) is gone
    with acct.db() as db, db.read() as conn:
        assert [one.state.value for one in intents.latest(conn, None, 9)] == ["unknown"]
    assert last_act(acct).body["result"] == "unknown"


def test_a_refused_cancel_is_2_with_the_venues_words(acct: Account) -> None:
    order = acct.resting()
    ran = faulty.tradectl(acct, *cancel(acct, order.order_id), "--yes", rules=(Rule("cancel", "refuse"),))
    assert ran.code == 2, ran.all
    assert "NOT CANCELLED" in ran.out and "engine_busy" in ran.out
    assert order.order_id in acct.orders()


def test_a_venue_that_cannot_be_read_again_is_not_verified(acct: Account) -> None:
    order = acct.resting()
    silent = Rule("snapshot", "drop", nth=3)
    ran = faulty.tradectl(acct, *cancel(acct, order.order_id), "--yes", rules=(silent,))
    assert ran.code == 1, ran.all
    assert "NOT VERIFIED" in ran.out and "could not be read again" in ran.out


def test_an_unreachable_venue_is_75_and_nothing_is_sent(acct: Account) -> None:
    order = acct.resting()
    ran = faulty.tradectl(acct, *cancel(acct, order.order_id), "--yes", rules=(Rule("snapshot", "drop"),))
    assert ran.code == 75
    acct.embedded.host.close()
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    assert acct.tradectl(*cancel(acct, order.order_id), "--yes").code == 75


def test_with_the_store_locked_it_goes_through_the_emergency_journal(acct: Account) -> None:
    order = acct.resting()
    holder = hold_lock(acct.store)
    try:
        ran = acct.tradectl(*cancel(acct, order.order_id), "--yes")
        steps = [one["body"]["step"] for one in emergency.waiting(acct.store)]
    finally:
        let_go(holder)
    assert ran.code == 0, ran.all
    assert acct.orders() == {}
    assert "recorded in: emergency journal" in ran.out
    assert steps == ["recorded", "confirmed", "summary"]
    acct.tradectl(*cancel(acct, acct.resting().order_id), "--yes")
    with acct.db() as db, db.read() as conn:
        assert len(journal.page(conn, kind="emergency")) == 3 and journal.verify(conn).ok


def test_a_missing_store_is_2_and_not_created(tmp_path: Path) -> None:
    ran = tradectl("orders", "cancel", "o1", "--yes", "--state", str(tmp_path / "none.db"), home=tmp_path)
    assert ran.code == 2 and list(tmp_path.glob("none*")) == []


def test_json_has_one_schema_and_the_plan_is_not_in_its_way(acct: Account) -> None:
    order = acct.resting()
    ran = acct.tradectl(*cancel(acct, order.order_id), "--yes", "--json")
    assert (ran.json["schema"], ran.json["result"]) == ("tradectl/orders-cancel/1", "cancelled")
    assert set(ran.json) == {
        "schema", "name", "exit_code", "result", "symbol", "order", "means", "cover", "answer", "how", "filled_qty",
        "position", "override", "left", "next", "recorded_in",
    }  # fmt: skip
    assert ran.json["recorded_in"] == "store" and ran.json["order"]["whose"] == "foreign"
    refused = acct.tradectl(*cancel(acct, acct.resting().order_id), "--json")
    assert refused.code == 2 and refused.json["error"]["type"] == "Refused"


def test_an_override_needs_a_reason(acct: Account) -> None:
    acct.long(bracket=False)
    stop = acct.stop()
    ran = acct.tradectl("orders", "cancel", stop.order_id, "--override", "--yes")
    assert ran.code == 3 and "takes a reason" in ran.err and stop.order_id in acct.orders()


@pytest.mark.parametrize("runs", [True, False])
def test_that_a_bot_puts_it_back_is_said_only_where_one_runs(acct: Account, runs: bool) -> None:
    acct.entered()
    stop = next(one for one in acct.orders().values() if one.protective)
    with acct.db() as db:
        page_kit.hold_lease(db, at_wall_ms=page_kit.wall_ms() - (0 if runs else 90_000))
    ran = acct.tradectl(*cancel(acct, stop.order_id))
    again, nobody = "places a missing stop again", "no bot is running that would put it back"
    assert (again in ran.out, nobody in ran.out) == (runs, not runs)


def test_a_cancel_whose_window_had_passed_cancelled_nothing(acct: Account) -> None:
    """The disk was slow: by the time that the intent was durable, the request had expired."""
    acct.long(bracket=False)
    stop = acct.stop()
    program = (
        "from tradectl.store import intents; real = intents.record\n"
        "def late(conn, draft, **more):\n"
        "    early = {name: more[name] - 60_000 for name in ('created_ms', 'expires_ms')}\n"
        "    return real(conn, draft, **{**more, **early})\n"
        "intents.record = late\n"
        "from tradectl.__main__ import main; main()\n"
    )
    args = ("orders", "cancel", stop.order_id, "--override", "--reason", "x", "--yes", "--state", str(acct.store))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(acct.folder / "xdg")}
    done = subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, text=True, timeout=60, env=env, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "its window had passed" in done.stdout and "nothing was cancelled: repeat the command" in done.stdout
    assert f"tradectl orders cancel {stop.order_id} --override --reason TEXT --state {acct.store}" in done.stdout
    assert "OVERRIDDEN" not in done.stdout and last_act(acct).body["override"] is False
    assert stop.order_id in acct.orders()
