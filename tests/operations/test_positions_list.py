"""`positions list`: the venue's truth, with what each stop covers (promise 4: an unread venue is never 'none')."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from desk import Account, hold_lock, let_go, tradectl


def test_shows_side_size_stop_and_cover(acct: Account) -> None:
    acct.long()
    ran = acct.tradectl("positions", "list", "--json")
    assert ran.code == 0
    line = ran.json["positions"][0]
    assert (line["symbol"], line["side"], line["qty"], line["protection"]) == ("BTCUSDT", "long", "0.01", "covered")
    mark, stop = Decimal(line["mark_price"]), Decimal(line["stop_price"])
    assert Decimal(line["stop_money"]) == (stop - mark) * Decimal("0.01")
    assert abs(Decimal(line["stop_distance"]) - (mark - stop) / mark) < Decimal("1e-9")


def test_a_naked_position_is_drift_and_comes_with_the_way_out(acct: Account) -> None:
    acct.long(bracket=False)
    ran = acct.tradectl("positions", "list")
    assert ran.code == 1
    assert "BTCUSDT is NAKED" in ran.out and "tradectl positions close BTCUSDT" in ran.out


def test_nothing_open_says_so(acct: Account) -> None:
    ran = acct.tradectl("positions", "list")
    assert ran.code == 0
    assert "0 open" in ran.out


def test_an_unreadable_venue_is_busy_never_empty(acct: Account) -> None:
    acct.long()
    acct.embedded.host.close()
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    ran = acct.tradectl("positions", "list")
    assert ran.code == 75
    assert "0 open" not in ran.out


def test_works_while_another_process_holds_the_store(acct: Account) -> None:
    acct.long()
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl("positions", "list")
    finally:
        let_go(holder)
    assert ran.code == 0, ran.all
    assert "1 open" in ran.out and "books could not be read" in ran.out


def test_a_store_that_cannot_be_read_and_nothing_beside_it_is_2_and_not_try_again(tmp_path: Path) -> None:
    store = tmp_path / "torn.db"
    store.write_bytes(b"SQLite format 3\0 and then nothing of use")
    ran = tradectl("positions", "list", "--state", str(store), home=tmp_path)
    assert ran.code == 2, ran.all
    assert "cannot be told" in ran.err and "state verify --state" in ran.err
