"""`exposure`: the line, the table and the sums behind them; what no stop covers is said, never counted as nothing."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import page_kit
import pytest
from desk import LAST, Account, account, hold_lock, let_go, tick, tradectl

from tradectl.domain.order import OrderSide, OrderType

D = Decimal


def test_the_line_adds_up_to_the_table(acct: Account) -> None:
    acct.entered("BTCUSDT", "0.100")
    acct.entered("ETHUSDT", "0.50")
    ran = acct.tradectl("exposure", "--json")
    body, snapshot = ran.json, acct.snapshot()
    assert ran.code == 0 and body["bounded"] is True
    assert [one["symbol"] for one in body["positions"]] == ["BTCUSDT", "ETHUSDT"]  # the largest first
    assert D(body["notional"]) == snapshot.notional == sum(D(one["notional"]) for one in body["positions"])
    assert D(body["equity"]) == snapshot.equity
    assert abs(D(body["notional_share"]) - snapshot.notional / snapshot.equity) < D("1e-9")
    assert D(body["margin"]) == snapshot.account.initial_margin == sum(D(one["margin"]) for one in body["positions"])
    assert D(body["worst_from_mark"]) == sum(D(one["stop_money"]) for one in body["positions"])
    assert D(body["worst_from_entry"]) == sum(D(one["stop_money_from_entry"]) for one in body["positions"])
    assert abs(sum(D(one["loss_share"]) for one in body["positions"]) - D(body["worst_from_mark_share"])) < D("1e-9")


def test_worst_loss_is_from_the_mark_and_from_the_entry_and_both_are_said(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    stop = acct.stop(qty="0.010")
    acct.embedded.step()
    held = acct.snapshot().positions[0]
    body = acct.tradectl("exposure", "--json").json
    assert stop.trigger_price is not None
    assert D(body["worst_from_mark"]) == (stop.trigger_price - held.mark_price) * D("0.010")
    assert D(body["worst_from_entry"]) == (stop.trigger_price - held.entry_price) * D("0.010")
    shown = acct.tradectl("exposure").out
    assert re.search(
        r"if every stop fills at its price: −[\d,.]+ USDT from the mark, −[\d,.]+ USDT from the entry", shown
    )


def test_a_short_counts_with_its_sign(acct: Account) -> None:
    price = acct.price()
    acct.place("BTCUSDT", OrderSide.SELL, OrderType.MARKET, "0.010")
    acct.place(
        "BTCUSDT", OrderSide.BUY, OrderType.STOP_MARKET, "0.010", trigger_price=tick(price * D("1.1")),
        trigger_by=LAST, reduce_only=True,
    )  # fmt: skip
    held = acct.snapshot().positions[0]
    body = acct.tradectl("exposure", "--json").json
    assert D(body["worst_from_mark"]) == (held.mark_price - tick(price * D("1.1"))) * D("0.010") < 0
    near = body["nearest_liquidation"]
    assert near["symbol"] == "BTCUSDT"
    assert abs(D(near["distance"]) - (D(near["price"]) - held.mark_price) / held.mark_price) < D("1e-9")


def test_stops_at_two_prices_count_each_at_its_own(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    price = acct.price()
    acct.stop(qty="0.004", trigger_price=tick(price * D("0.95")))
    acct.stop(qty="0.010", trigger_price=tick(price * D("0.8")))
    held = acct.snapshot().positions[0]
    near, far = tick(price * D("0.95")) - held.mark_price, tick(price * D("0.8")) - held.mark_price
    assert D(acct.tradectl("exposure", "--json").json["worst_from_mark"]) == near * D("0.004") + far * D("0.006")


def test_what_no_stop_covers_is_said_and_is_1(acct: Account) -> None:
    acct.long(qty="0.010", bracket=False)
    acct.stop(qty="0.004")
    ran = acct.tradectl("exposure")
    body = acct.tradectl("exposure", "--json").json
    assert ran.code == 1
    assert "NO STOP ON BTCUSDT 0.006" in ran.out.splitlines()[0] and "NO BOUND THERE" in ran.out.splitlines()[0]
    assert "BTCUSDT: no stop on 0.006 of 0.01, its loss has no bound" in ran.out
    assert f"tradectl positions close BTCUSDT --reason TEXT --state {acct.store}" in ran.out
    assert body["bounded"] is False and body["positions"][0]["uncovered_qty"] == "0.006"
    assert D(body["uncovered_notional"]) == D("0.006") * acct.snapshot().positions[0].mark_price


def test_without_any_stop_no_sum_is_shown(acct: Account) -> None:
    acct.long(bracket=False)
    ran = acct.tradectl("exposure")
    assert ran.code == 1 and "if every stop fills" not in ran.out and "no stop on all of it" in ran.out


def test_a_stop_beyond_liquidation_is_no_cover(acct: Account) -> None:
    acct.place("BTCUSDT", OrderSide.SELL, OrderType.MARKET, "0.010")
    liquidation = acct.snapshot().positions[0].liquidation_price
    assert liquidation is not None
    acct.place(
        "BTCUSDT", OrderSide.BUY, OrderType.STOP_MARKET, "0.010", trigger_price=tick(liquidation * D("1.1")),
        trigger_by=LAST, reduce_only=True,
    )  # fmt: skip
    ran = acct.tradectl("exposure")
    assert ran.code == 1 and "liquidation comes first" in ran.out


def test_the_first_line_is_the_answer(acct: Account) -> None:
    acct.entered("BTCUSDT", "0.100")
    line = acct.tradectl("exposure").out.splitlines()[0]
    assert re.fullmatch(
        r"1 position, notional [\d,]+\.\d\d USDT \(\d\.\d\d × equity\), margin \d+\.\d% of equity,"
        r" if every stop fills −[\d,]+\.\d\d USDT \(−\d+\.\d%\),"
        r" (no liquidation price|nearest liquidation BTCUSDT \d+\.\d% away)",
        line,
    ), line


def test_what_rests_or_is_in_doubt_could_add_and_is_counted_apart(acct: Account) -> None:
    resting = acct.resting()
    doubt = acct.doubt(acct.entry("ETHUSDT", "0.50"))
    arrived = acct.doubt(acct.entry("BTCUSDT", "0.020"))
    acct.resting(qty="0.020", client_id=arrived.client_id)
    acct.long(bracket=False)
    acct.stop()
    ran = acct.tradectl("exposure", "--json")
    body = ran.json
    found = {one["name"]: one for one in body["could_add"]}
    assert ran.code == 0
    assert {one["in_doubt"] for name, one in found.items() if name == doubt.client_id} == {True}
    assert arrived.client_id not in found and len(found) == 3  # it rests: counted once
    assert D(found[resting.order_id]["notional"]) == resting.price * resting.qty  # type: ignore[operator]
    assert D(body["could_add_notional"]) == sum(D(one["notional"]) for one in found.values())
    assert body["bounded"] is True and len(body["positions"]) == 1
    shown = acct.tradectl("exposure").out
    assert "3 orders could add" in shown.splitlines()[0] and "in doubt: the venue may have it" in shown


def test_nothing_open_says_so(acct: Account) -> None:
    ran = acct.tradectl("exposure")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == "nothing is open, margin 0.0% of equity"


def test_with_the_store_locked_the_venues_numbers_are_shown_and_the_trouble_said(acct: Account) -> None:
    acct.long()
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl("exposure")
        body = acct.tradectl("exposure", "--json").json
    finally:
        let_go(holder)
    assert ran.code == 0, ran.all
    assert ran.out.startswith("1 position, ")
    assert "the store could not be read" in ran.out and "entries in doubt are not known" in ran.out
    assert body["doubts_known"] is False and body["store_trouble"]


def test_an_unreadable_venue_is_75_and_never_nothing(acct: Account) -> None:
    acct.long()
    acct.embedded.host.close()
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    ran = acct.tradectl("exposure")
    assert ran.code == 75 and "nothing is open" not in ran.all


def test_a_missing_store_is_2_and_not_created(tmp_path: Path) -> None:
    ran = tradectl("exposure", "--state", str(tmp_path / "none.db"), home=tmp_path)
    assert ran.code == 2 and list(tmp_path.glob("none*")) == []


def test_json_has_one_schema(acct: Account) -> None:
    acct.entered()
    body = acct.tradectl("exposure", "--json").json
    assert body["schema"] == "tradectl/exposure/1"
    assert set(body) == {
        "schema", "line", "identity", "store", "at_ms", "currency", "equity", "notional", "notional_share", "margin",
        "margin_share", "worst_from_mark", "worst_from_mark_share", "worst_from_entry", "worst_from_entry_share",
        "bounded", "uncovered_notional", "nearest_liquidation", "positions", "could_add", "could_add_notional",
        "doubts_known", "completed", "store_trouble",
    }  # fmt: skip
    position = body["positions"][0]
    for number in (
        "qty", "notional", "margin", "stop_price", "stop_money", "stop_money_from_entry", "stop_distance",
        "covered_qty", "uncovered_qty", "notional_share", "margin_share", "loss_share", "uncovered_notional",
    ):  # fmt: skip
        assert isinstance(D(position[number]), D), number


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, columns: int) -> None:
    acct = account(tmp_path)
    acct.entered("BTCUSDT", "0.100")
    acct.long("ETHUSDT", "0.50", bracket=False)
    acct.resting()
    ran = page_kit.on_terminal("exposure", "--state", acct.store, columns=columns)
    assert ran.code == 1
    assert [line for line in ran.out.splitlines() if len(line) > columns and str(tmp_path) not in line] == []
    acct.embedded.host.close()
