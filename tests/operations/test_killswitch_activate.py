"""`killswitch activate`, the real executable: fence, drain, sweep that keeps stops, verify (promises 1, 2, 5)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from desk import LAST, Account, account, hold_lock, let_go, tick, tradectl

from tradectl.domain.order import OrderSide, OrderType
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.sim.events import Executed, Updated
from tradectl.store import emergency, emergency_file, files, halt, intents, journal, latches

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def fill_book(acct: Account) -> dict[str, str]:
    """A covered long with everything that can rest beside it; {what: order id}."""
    acct.long(qty="0.010")
    price = acct.price()
    own_stop = acct.stop(client_id="tdc.abc123.st.900")
    entry = acct.resting(client_id="tdc.abc123.en.901")
    foreign = acct.resting("ETHUSDT", "0.10")
    breakout = acct.place(
        "BTCUSDT", BUY, OrderType.STOP_MARKET, "0.010", trigger_price=tick(price * 2), trigger_by=LAST
    )
    target = acct.place("BTCUSDT", SELL, OrderType.LIMIT, "0.005", price=tick(price * 2), reduce_only=True)
    children = [order for order in acct.orders().values() if order.parent_id is not None]
    attached_stop = next(order for order in children if order.protective)
    attached_target = next(order for order in children if order.take_profit)
    return {
        "own stop": own_stop.order_id,
        "entry": entry.order_id,
        "foreign": foreign.order_id,
        "breakout": breakout.order_id,
        "target": target.order_id,
        "attached stop": attached_stop.order_id,
        "attached target": attached_target.order_id,
    }


def test_cancels_what_can_add_exposure_and_targets_and_keeps_every_stop(acct: Account) -> None:
    ids = fill_book(acct)
    ran = acct.tradectl("killswitch", "activate", "--reason", "drill")
    assert ran.code == 0, ran.all
    assert set(acct.orders()) == {ids["own stop"], ids["attached stop"]}
    snapshot = acct.snapshot()
    assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED
    lines = ran.out.splitlines()
    assert lines[0].startswith("FENCED main · sim · paper")
    assert any(line.startswith("DRAINED") for line in lines)
    assert "SWEPT: 5 cancelled, 2 kept" in ran.out
    assert "VERIFIED" in ran.out and "NOT VERIFIED" not in ran.out


def test_each_cancel_is_an_intent_with_an_outcome(acct: Account) -> None:
    ids = fill_book(acct)
    assert acct.tradectl("killswitch", "activate").code == 0
    with acct.db() as db, db.read() as conn:
        recorded = intents.latest(conn, None, 20)
    assert {one.cancels_order_id for one in recorded} == {
        ids[name] for name in ("entry", "foreign", "breakout", "target", "attached target")
    }
    assert {one.state.value for one in recorded} == {"confirmed"}
    assert {(one.epoch, one.actor) for one in recorded} == {(0, "ann")}


def test_is_idempotent_and_keeps_the_first_reason(acct: Account) -> None:
    fill_book(acct)
    acct.tradectl("killswitch", "activate", "--reason", "first")
    again = acct.tradectl("killswitch", "activate", "--reason", "second")
    assert again.code == 0
    assert "already set" in again.out and "first" in again.out.splitlines()[0]
    assert "SWEPT: 0 cancelled, 2 kept" in again.out


def test_a_naked_position_is_listed_with_the_command_that_ends_it(acct: Account) -> None:
    acct.long(bracket=False)
    ran = acct.tradectl("killswitch", "activate")
    assert ran.code == 1
    assert "NOT VERIFIED" in ran.out
    assert "BTCUSDT long 0.01 is NAKED" in ran.out
    assert f"tradectl positions close BTCUSDT --reason TEXT --state {acct.store}" in ran.out
    assert f"tradectl stops place-missing --apply --symbol BTCUSDT --state {acct.store}" in ran.out


def test_a_stop_for_less_than_the_position_is_not_verified(acct: Account) -> None:
    acct.long(bracket=False)
    acct.stop(qty="0.004")
    ran = acct.tradectl("killswitch", "activate")
    assert ran.code == 1
    assert "only partly protected: its stops cover 0.004" in ran.out


def test_flatten_closes_first_and_cancels_the_stop_after(acct: Account) -> None:
    acct.long(bracket=False)
    stop = acct.stop(client_id="tdc.abc123.st.900")
    ran = acct.tradectl("killswitch", "activate", "--flatten", "--yes")
    assert ran.code == 0, ran.all
    assert acct.snapshot().positions == ()
    assert acct.orders() == {}
    events = acct.embedded.host.events_after(0, 1000)
    closed = max(event.seq for event in events if isinstance(event, Executed))
    ended = next(
        event.seq for event in events
        if isinstance(event, Updated) and event.order.order_id == stop.order_id and not event.order.status.open
    )  # fmt: skip
    assert ended > closed


def test_flatten_that_nobody_can_confirm_fences_and_sweeps_but_closes_nothing(acct: Account) -> None:
    acct.long()
    entry = acct.resting()
    ran = acct.tradectl("killswitch", "activate", "--flatten")
    assert ran.code == 1
    assert "was not confirmed" in ran.out
    assert len(acct.snapshot().positions) == 1
    assert entry.order_id not in acct.orders()


def test_json_says_the_same(acct: Account) -> None:
    fill_book(acct)
    ran = acct.tradectl("killswitch", "activate", "--json")
    store = ran.json["stores"][0]
    assert (store["fenced"], store["verified"], store["exit_code"]) == (True, True, 0)
    assert sorted(one["result"] for one in store["swept"]) == ["cancelled"] * 5 + ["kept"] * 2


def test_locked_store_gets_a_halt_file_and_is_swept_through_the_emergency_journal(acct: Account) -> None:
    ids = fill_book(acct)
    before, market_ms = acct.server_ms(), acct.embedded.host.state.market_ms
    holder = hold_lock(acct.store)
    try:
        ran = acct.tradectl("killswitch", "activate", "--reason", "locked")
        # an entry under way unseen expires: the whole window, by the venue's clock, and the market stands still
        assert acct.server_ms() - before == 5000 + 1000 + 1000
        assert acct.embedded.host.state.market_ms == market_ms
        assert halt.read(str(acct.store)) is not None
        assert set(acct.orders()) == {ids["own stop"], ids["attached stop"]}
        assert "FENCED BY HALT FILE" in ran.all
        assert ran.code == 0, ran.all
        steps = [entry["body"]["step"] for entry in emergency.waiting(acct.store)]
        assert steps == ["recorded", "confirmed"] * 5 + ["summary"]
    finally:
        let_go(holder)
    cleared = acct.tradectl("killswitch", "clear", "--approver", "bea", "--reason", "over", "--yes")
    assert cleared.code == 0, cleared.all
    with acct.db() as db, db.read() as conn:
        imported = journal.page(conn, limit=1000, kind="emergency")
        assert journal.verify(conn).ok
    assert len(imported) == 11
    assert emergency.waiting(acct.store) == []
    assert halt.read(str(acct.store)) is None


def test_a_store_that_cannot_even_be_read_is_still_swept(acct: Account) -> None:
    ids = fill_book(acct)
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl("killswitch", "activate")
        assert set(acct.orders()) == {ids["own stop"], ids["attached stop"]}
        assert ran.code == 0, ran.all
        assert "fenced without the store" in ran.out
    finally:
        let_go(holder)


def test_nothing_in_doubt_drains_at_once(acct: Account) -> None:
    before = acct.server_ms()
    ran = acct.tradectl("killswitch", "activate")
    assert ran.code == 0
    assert "DRAINED in 0 s" in ran.out
    assert acct.server_ms() == before


def test_a_bot_that_never_ran_is_fenced_and_not_verified(acct: Account, tmp_path: Path) -> None:
    acct.exchange.unlink()
    ran = acct.tradectl("killswitch", "activate")
    assert ran.code == 1
    assert "has no file" in ran.out
    assert not acct.exchange.exists()


def test_a_missing_store_is_not_fenced_and_not_created(tmp_path: Path) -> None:
    store = tmp_path / "nowhere.db"
    ran = tradectl("killswitch", "activate", "--state", str(store), home=tmp_path)
    assert ran.code == 2
    assert "NOT FENCED" in ran.all
    assert list(tmp_path.glob("nowhere*")) == []


def test_without_any_store_it_says_where_it_looked(tmp_path: Path) -> None:
    ran = tradectl("killswitch", "activate", home=tmp_path)
    assert ran.code == 2
    assert "data/main-paper.db" in ran.err and "--state" in ran.err


def test_another_accounts_store_is_not_fenced(acct: Account) -> None:
    entry = acct.resting()
    ran = acct.tradectl("killswitch", "activate", "--account", "somebody")
    assert ran.code == 2
    assert entry.order_id in acct.orders()
    assert halt.read(str(acct.store)) is None


def test_the_slow_path_fences_the_configurations_store(acct: Account) -> None:
    config = acct.folder / "bot.toml"
    config.write_text(f'[state]\npath = "{acct.store}"\n')
    ran = acct.tradectl("killswitch", "activate", "--config", str(config), state=False)
    assert ran.code == 0, ran.all
    assert ran.out.startswith("FENCED main · sim · paper")


def test_several_running_bots_are_all_fenced_and_swept_and_one_account_alone(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    made = []
    for folder in folders:
        folder.mkdir()
        made.append(account(folder))
    for number, one in enumerate(made):
        environ = {"account": "main", "venue": "sim", "environment": "paper", "path": str(one.store.resolve())}
        lines = environ | {"pid": str(os.getpid()), "started": files.process_start(os.getpid())}
        pointer = tmp_path / "xdg" / "tradectl" / f"main-paper-{number}.bot"
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        one.resting()
    assert tradectl("killswitch", "activate", "--account", "other", home=tmp_path).code == 2
    assert [len(one.orders()) for one in made] == [1, 1]
    ran = tradectl("killswitch", "activate", home=tmp_path)
    assert ran.code == 0, ran.all
    assert [len(one.orders()) for one in made] == [0, 0]
    assert ran.out.count("FENCED main") == 2
    which = tradectl("pause", home=tmp_path)
    assert which.code == 2 and "2 bots run" in which.err
    for one in made:
        one.embedded.host.close()


def test_a_locked_exchange_is_fenced_not_verified_and_its_cancel_not_tried_twice(acct: Account) -> None:
    entry = acct.resting()
    holder = hold_lock(acct.exchange)
    try:
        ran = acct.tradectl("killswitch", "activate", "--json")
    finally:
        let_go(holder)
    assert ran.code == 1
    assert [one["result"] for one in ran.json["stores"][0]["swept"]] == ["unknown"]
    assert entry.order_id in acct.orders()
    with acct.db() as db, db.read() as conn:
        assert [one.cancels_order_id for one in intents.latest(conn, None, 9)] == [entry.order_id]
        assert latches.get(conn, LatchName.KILL_SWITCH) is not None


def spoil(acct: Account) -> None:
    """Two records beside the store, the first of them torn."""
    for number in (1, 2):
        emergency.record(acct.store, at_ms=number, kind="emergency", actor="ann", body={"step": f"s{number}"})
    with emergency.path_of(acct.store).open("r+b") as file:
        file.seek(emergency_file.FIRST * emergency_file.PLACE_BYTES + 30)
        file.write(b"?")


def test_a_damaged_emergency_journal_does_not_end_the_command_and_is_told_of_once(acct: Account) -> None:
    entry = acct.resting()
    spoil(acct)
    ran = acct.tradectl("killswitch", "activate")
    assert entry.order_id not in acct.orders()
    assert ran.code == 0 and "NOT VERIFIED" not in ran.out, ran.all
    assert "holds something unreadable, which is skipped: record place 1" in ran.out
    with acct.db() as db, db.read() as conn:
        imported = journal.page(conn, kind="emergency")
    assert [row.body["step"] for row in imported] == ["s2", "damaged"]
    assert "unreadable" not in acct.tradectl("killswitch", "status").all


def test_status_and_clear_tell_of_a_damaged_emergency_journal(acct: Account) -> None:
    acct.tradectl("killswitch", "activate")
    spoil(acct)
    status = acct.tradectl("killswitch", "status")
    assert status.code == 1 and "1 record waits" in status.out and "record place 1" in status.out
    cleared = acct.tradectl("killswitch", "clear", "--approver", "bea", "--reason", "x", "--yes")
    assert cleared.code == 0 and "record place 1" in cleared.out, cleared.all
    assert emergency.look(acct.store).troubles == ()


def test_clearing_is_refused_while_the_emergency_journal_cannot_be_read_at_all(acct: Account) -> None:
    acct.tradectl("killswitch", "activate")
    emergency.path_of(acct.store).mkdir()
    words = ("killswitch", "clear", "--approver", "bea", "--reason", "x", "--yes")
    cleared = acct.tradectl(*words)
    assert cleared.code == 2 and "cannot be read: Is a directory" in cleared.err
    assert acct.tradectl(*words, "--override").code == 0


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_drains_by_the_bots_own_window_and_skew_where_the_store_is_locked(acct: Account, lock: str) -> None:
    with acct.db() as db:
        emergency.prepare(db.path, emergency.Facts(db.identity, 9_000, 2_500))
    before = acct.server_ms()
    holder = hold_lock(acct.store, lock)
    try:
        ran = acct.tradectl("killswitch", "activate")
    finally:
        let_go(holder)
    assert ran.code == 0, ran.all
    assert acct.server_ms() - before == 9_000 + 2_500 + 1_000


def test_another_stores_header_is_not_believed_where_the_store_can_be_read(acct: Account) -> None:
    with acct.db() as db:
        other = replace(db.identity, store_tag="zzzzzz")
        emergency.prepare(db.path, emergency.Facts(other, 9_000, 2_500))
    before = acct.server_ms()
    holder = hold_lock(acct.store)
    try:
        acct.tradectl("killswitch", "activate")
    finally:
        let_go(holder)
    assert acct.server_ms() - before == 5_000 + 1_000 + 1_000


def test_the_header_tells_the_exchange_of_a_store_that_cannot_be_read(acct: Account) -> None:
    """The exchange's file is not where it lies by convention: only the stamp says where."""
    entry = acct.resting()
    moved = acct.exchange.with_name("elsewhere.db")
    acct.exchange.replace(moved)
    with acct.db() as db:
        stamp = replace(db.identity, venue_path=moved.name)
        emergency.prepare(db.path, emergency.Facts(stamp, 5_000, 1_000))
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl("killswitch", "activate")
    finally:
        let_go(holder)
    assert ran.code == 0, ran.all
    moved.replace(acct.exchange)
    assert entry.order_id not in acct.orders()


@pytest.mark.parametrize("words", [("killswitch", "activate", "--help"), ("killswitch", "--help", "activate")])
def test_help_never_fences(acct: Account, words: tuple[str, ...]) -> None:
    ran = acct.tradectl(*words)
    assert ran.code == 0 and "Usage" in ran.out
    with acct.db() as db, db.read() as conn:
        assert latches.active(conn) == ()
