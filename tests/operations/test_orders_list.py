"""`orders list`: every open order, what it is and whose; and what is in doubt, asked about and never changed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import faulty
import page_kit
import pytest
from desk import LAST, Account, account, hold_lock, let_go, tick, tradectl
from faulty import Rule

from tradectl.domain.intent import IntentState, cancel_draft, exit_draft, stop_draft
from tradectl.domain.order import BracketLeg, OrderSide, OrderType
from tradectl.domain.position import Side
from tradectl.store import emergency, intents, journal

D = Decimal
FIELDS = {
    "order_id", "client_id", "parent_id", "symbol", "what", "side", "type", "qty", "filled_qty", "price",
    "trigger_price", "reduce_only", "close_position", "created_ms", "age_ms", "whose", "intent", "purpose", "state",
    "store_tag", "note",
}  # fmt: skip


def listed(acct: Account, *args: str) -> dict[str, Any]:
    ran = acct.tradectl("orders", "list", "--json", *args)
    return {order["order_id"]: order for order in ran.json["orders"]}


def test_tells_our_stop_its_intent_and_the_children_of_our_entry(acct: Account) -> None:
    entry = acct.entered()
    stop = acct.by_bot(stop_draft("BTCUSDT", Side.LONG, D("0.010"), tick(acct.price() * D("0.8")), LAST, "spare"))[0]
    found = listed(acct)
    ours = next(one for one in found.values() if one["client_id"] == stop.intent.client_id)
    assert (ours["whose"], ours["what"], ours["intent"]) == ("ours", "protective stop", stop.intent.number)
    assert (ours["purpose"], ours["state"]) == ("stop", "confirmed")
    children = [one for one in found.values() if one["parent_id"] is not None]
    assert {one["what"] for one in children} == {"protective stop", "take-profit"}
    assert {(one["whose"], one["note"]) for one in children} == {("attached", f"to entry #{entry.intent.number}")}
    assert set(ours) == FIELDS
    assert acct.tradectl("orders", "list").code == 0


def test_tells_foreign_strays_and_a_second_bots(acct: Account) -> None:
    foreign = acct.resting()
    stray = acct.resting(client_id="tdc.abc123.en.901")
    other = acct.resting("ETHUSDT", "0.10", client_id="tdc.zzz999.en.7")
    ran = acct.tradectl("orders", "list")
    found = listed(acct)
    assert ran.code == 1
    assert [found[one.order_id]["whose"] for one in (foreign, stray, other)] == ["foreign", "stray", "other_store"]
    assert f"{stray.order_id} is a STRAY: it carries our tag, but this store has no intent 901" in ran.out
    assert f"tradectl orders cancel {stray.order_id} --state {acct.store}" in ran.out
    assert f"{other.order_id} carries the tag of another store, zzz999: A SECOND BOT MAY RUN ON THIS ACCOUNT" in ran.out


def test_a_foreign_order_alone_is_nothing_strange(acct: Account) -> None:
    acct.resting()
    assert acct.tradectl("orders", "list").code == 0


def test_a_child_of_a_second_bots_entry_is_the_second_bots(acct: Account) -> None:
    acct.long(client_id="tdc.zzz999.en.3")
    # its fill tells whose the parent was, once it is taken in
    acct.tradectl("positions", "close", "btc", "--fraction", "0.5", "--reason", "x", "--yes")
    found = listed(acct)
    assert {one["whose"] for one in found.values()} == {"other_store"}


def test_a_child_of_a_resting_parent_is_told_by_it(acct: Account) -> None:
    price = acct.price()
    acct.long(bracket=True, client_id="hand-made")
    acct.place(
        "BTCUSDT", OrderSide.BUY, OrderType.LIMIT, "0.010", price=tick(price * D("0.5")), client_id="low-bid",
        stop=BracketLeg(tick(price * D("0.4")), LAST),
    )  # fmt: skip
    children = [one for one in listed(acct).values() if one["parent_id"] is not None]
    assert {one["whose"] for one in children} == {"foreign"}


def test_a_protective_stray_is_not_offered_for_cancelling(acct: Account) -> None:
    acct.long(bracket=False)
    stop = acct.stop(client_id="tdc.abc123.st.900")
    ran = acct.tradectl("orders", "list")
    assert ran.code == 1
    assert "it protects all the same" in ran.out and f"orders cancel {stop.order_id}" not in ran.out


def test_what_the_store_calls_not_placed_and_the_venue_has_is_a_stray(acct: Account) -> None:
    acct.long(bracket=False)
    made = acct.doubt(stop_draft("BTCUSDT", Side.LONG, D("0.010"), tick(acct.price() * D("0.9")), LAST, "x"))
    with acct.db() as db, db.transaction() as conn:
        intents.advance(conn, made.number, IntentState.NOT_PLACED, at_ms=1, detail="not found")
    stop = acct.stop(client_id=made.client_id)
    assert listed(acct)[stop.order_id]["note"] == "the store says not placed: not found"


@pytest.mark.parametrize("imported", [False, True])
def test_what_the_emergency_journal_accounts_for_is_ours(acct: Account, imported: bool) -> None:
    acct.long(bracket=False)
    name = "tdc.abc123.st.e17000000000000001"
    body = {"step": "recorded", "action": "stop", "subject": name, "detail": "x"}
    emergency.record(acct.store, at_ms=1, kind="emergency", actor="bot", body=body)
    if imported:
        with acct.db() as db, db.transaction() as conn:
            absorbed = emergency.absorb(conn, acct.store, at_ms=2)
        emergency.clear(acct.store, absorbed)
    stop = acct.stop(client_id=name)
    ran = acct.tradectl("orders", "list", "--json")
    line = next(one for one in ran.json["orders"] if one["order_id"] == stop.order_id)
    assert (line["whose"], line["purpose"], line["state"], ran.code) == ("ours", "stop", None, 0)


def test_what_is_in_doubt_is_listed_with_window_and_searches(acct: Account) -> None:
    old = acct.doubt(exit_draft("BTCUSDT", Side.LONG, D("0.010"), "x"))
    order = acct.resting()
    new = acct.doubt(cancel_draft("BTCUSDT", OrderSide.BUY, order.order_id, "x"), age_ms=1_000, sent=False)
    with acct.db() as db, db.transaction() as conn:
        intents.note_search(conn, old.number)
    ran = acct.tradectl("orders", "list", "--json")
    first, second = ran.json["in_doubt"]
    assert ran.code == 1
    assert (first["client_id"], first["state"], first["window_left_ms"], first["searches"]) == (
        old.client_id, "unknown", 0, 1,
    )  # fmt: skip
    assert "1 of 2 complete searches did not find it" in first["known"]
    assert (second["client_id"], second["cancels_order_id"]) == (new.client_id, order.order_id)
    assert second["window_left_ms"] == 4_000 + 1_000  # and the bound on the clocks' difference
    assert f"its order {order.order_id} is still open" in second["known"]
    shown = acct.tradectl("orders", "list").out
    assert "no bot runs: they are settled when one starts" in shown and "orders list --unknown" in shown


def test_unknown_asks_the_venue_and_changes_nothing(acct: Account) -> None:
    acct.long(bracket=False)
    there = acct.doubt(stop_draft("BTCUSDT", Side.LONG, D("0.010"), tick(acct.price() * D("0.9")), LAST, "x"))
    stop = acct.stop(client_id=there.client_id)
    acct.doubt(exit_draft("BTCUSDT", Side.LONG, D("0.010"), "x"))
    acct.doubt(exit_draft("BTCUSDT", Side.LONG, D("0.010"), "x"), age_ms=500, sent=False)
    acct.doubt(cancel_draft("BTCUSDT", OrderSide.BUY, "o999", "x"))
    with acct.db() as db, db.read() as conn:
        before = (journal.head(conn), intents.in_doubt(conn))
    ran = acct.tradectl("orders", "list", "--unknown", "--json")
    found, passed, under_way, cancel = [one["asked"] for one in ran.json["in_doubt"]]
    assert ran.code == 1 and ran.json["orders"] == []
    assert found == f"FOUND: {stop.order_id} is open"
    assert passed == "NOT FOUND; its window has passed, it cannot arrive any more"
    assert under_way.startswith("NOT FOUND; its window is still open for ")
    assert cancel == "FOUND: its order o999 is no longer open"
    with acct.db() as db, db.read() as conn:
        assert (journal.head(conn), intents.in_doubt(conn)) == before


def test_nothing_in_doubt_is_said(acct: Account) -> None:
    ran = acct.tradectl("orders", "list", "--unknown")
    assert ran.code == 0 and "none in doubt" in ran.out


def test_a_venue_that_does_not_answer_for_one_in_doubt_is_75_and_the_rest_is_shown(acct: Account) -> None:
    acct.doubt(exit_draft("BTCUSDT", Side.LONG, D("0.010"), "x"))
    ran = faulty.tradectl(acct, "orders", "list", "--unknown", rules=(Rule("find_order", "drop"),))
    assert ran.code == 75 and "the venue did not answer" in ran.out


def test_one_symbol_in_any_spelling_and_a_wrong_one(acct: Account) -> None:
    acct.resting()
    other = acct.resting("ETHUSDT", "0.10")
    assert set(listed(acct, "--symbol", "eth/usdt")) == {other.order_id}
    wrong = acct.tradectl("orders", "list", "--symbol", "nothere")
    assert wrong.code == 3 and "not a symbol" in wrong.err


def test_the_limit_keeps_the_strange_ones_and_counts_the_rest(acct: Account) -> None:
    for _ in range(3):
        acct.resting(qty="0.001")
    stray = acct.resting(qty="0.001", client_id="tdc.abc123.en.901")
    ran = acct.tradectl("orders", "list", "--limit", "1", "--json")
    assert [one["order_id"] for one in ran.json["orders"]] == [stray.order_id]
    assert ran.json["total"] == 4
    assert "3 more are not shown: --limit 4" in acct.tradectl("orders", "list", "--limit", "1").out
    assert acct.tradectl("orders", "list", "--limit", "0").code == 3


def test_an_empty_account_says_so(acct: Account) -> None:
    ran = acct.tradectl("orders", "list")
    assert (ran.code, ran.err) == (0, "")
    assert "0 open orders, none in doubt" in ran.out


def test_with_the_store_locked_the_venues_part_is_shown_and_doubt_is_not_called_none(acct: Account) -> None:
    with acct.db() as db:
        emergency.prepare(db.path, emergency.Facts(db.identity, 5_000, 1_000))
    mine = acct.resting(client_id="tdc.abc123.en.901")
    acct.resting("ETHUSDT", "0.10", client_id="tdc.zzz999.en.7")
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl("orders", "list")
        told = acct.tradectl("orders", "list", "--json").json
        asked = acct.tradectl("orders", "list", "--unknown")
    finally:
        let_go(holder)
    assert ran.code == 1, ran.all
    assert "in doubt: NOT KNOWN" in ran.out and "the store could not be read" in ran.out
    assert told["in_doubt"] is None and told["store_trouble"]
    assert {one["order_id"]: one["whose"] for one in told["orders"]}[mine.order_id] == "ours"
    assert "A SECOND BOT MAY RUN" in ran.out
    assert asked.code == 75 and "cannot be told without the store" in asked.err


def test_without_the_store_and_its_tag_nobody_is_accused(acct: Account) -> None:
    acct.resting(client_id="tdc.abc123.en.901")
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl("orders", "list", "--json")
    finally:
        let_go(holder)
    assert [one["whose"] for one in ran.json["orders"]] == ["untold"]


def test_a_venue_that_cannot_be_read_is_75_and_never_empty(acct: Account) -> None:
    acct.resting()
    acct.embedded.host.close()
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    ran = acct.tradectl("orders", "list")
    assert ran.code == 75 and "0 open" not in ran.all


def test_a_missing_store_is_2_and_not_created(tmp_path: Path) -> None:
    ran = tradectl("orders", "list", "--state", str(tmp_path / "none.db"), home=tmp_path)
    assert ran.code == 2 and list(tmp_path.glob("none*")) == []


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, columns: int) -> None:
    acct = account(tmp_path)
    acct.entered()
    acct.resting(client_id="tdc.abc123.en.901")
    acct.resting("ETHUSDT", "0.10", client_id="tdc.zzz999.en.7")
    acct.doubt(exit_draft("BTCUSDT", Side.LONG, D("0.010"), "x"))
    for words in (("orders", "list"), ("orders", "list", "--unknown")):
        ran = page_kit.on_terminal(*words, "--state", acct.store, columns=columns)
        assert ran.code == 1
        assert [line for line in ran.out.splitlines() if len(line) > columns and str(tmp_path) not in line] == []
    acct.embedded.host.close()
