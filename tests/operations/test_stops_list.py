"""`stops list`: what covers each position, and what does not (promise 5)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from desk import LAST, Account, hold_lock, let_go, tick, tradectl

from tradectl.domain.order import OrderSide, OrderType

D = Decimal
LIST = ("stops", "list")


def test_a_covered_position_is_0_with_what_is_given_up(acct: Account) -> None:
    acct.entered(qty="0.010")
    ran = acct.tradectl(*LIST, "--json")
    assert ran.code == 0, ran.all
    (one,) = ran.json["positions"]
    (stop,) = one["stops"]
    position = acct.snapshot().positions[0]
    away = position.mark_price - D(stop["trigger_price"])
    assert D(stop["money"]) == -away * D("0.010") and D(stop["covers_qty"]) == D("0.010")
    assert stop["whose"] == "attached" and ran.json["uncovered"] == []


def test_a_part_without_a_stop_is_1_and_the_command_for_it_is_printed(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    acct.stop(qty="0.004")
    ran = acct.tradectl(*LIST)
    assert ran.code == 1
    assert "1 of 1 position NOT covered by stops" in ran.out
    assert "no stop on 0.006 of 0.01" in ran.out
    assert f"  tradectl stops place-missing --symbol BTCUSDT --apply --state {acct.store}" in ran.out.splitlines()


def test_a_stop_beyond_liquidation_covers_nothing_and_says_why(acct: Account) -> None:
    acct.place("BTCUSDT", OrderSide.SELL, OrderType.MARKET, "0.010")
    liquidation = acct.snapshot().positions[0].liquidation_price
    assert liquidation is not None
    acct.place(
        "BTCUSDT", OrderSide.BUY, OrderType.STOP_MARKET, "0.010", trigger_price=tick(liquidation * D("1.1")),
        trigger_by=LAST, reduce_only=True,
    )  # fmt: skip
    ran = acct.tradectl(*LIST)
    assert ran.code == 1
    assert "beyond liquidation: it never fires" in ran.out


def test_nothing_open_is_said_and_is_0(acct: Account) -> None:
    ran = acct.tradectl(*LIST)
    assert ran.code == 0 and "nothing is open" in ran.out


def test_one_market_alone(acct: Account) -> None:
    acct.long("BTCUSDT", bracket=False)
    acct.entered("ETHUSDT", "0.50")
    ran = acct.tradectl(*LIST, "--symbol", "eth", "--json")
    assert ran.code == 0 and [one["position"]["symbol"] for one in ran.json["positions"]] == ["ETHUSDT"]


def test_a_symbol_that_the_venue_does_not_list_is_3(acct: Account) -> None:
    ran = acct.tradectl(*LIST, "--symbol", "btcusdx")
    assert ran.code == 3 and "BTCUSDT" in ran.err and "Traceback" not in ran.all


def test_a_locked_store_does_not_keep_the_venue_from_being_shown(acct: Account) -> None:
    acct.entered(qty="0.010")
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl(*LIST)
    finally:
        let_go(holder)
    assert ran.code == 0, ran.all
    assert "could not be read beside it" in ran.out and "BTCUSDT" in ran.out


def test_a_venue_that_is_gone_is_75_and_never_covered(acct: Account) -> None:
    acct.entered()
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    ran = acct.tradectl(*LIST)
    assert ran.code == 75 and "covered" not in ran.out


def test_a_missing_store_is_2_and_not_created(tmp_path: Path) -> None:
    ran = tradectl(*LIST, "--state", str(tmp_path / "none.db"), home=tmp_path)
    assert ran.code == 2 and not (tmp_path / "none.db").exists()
