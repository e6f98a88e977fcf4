"""Open orders changed in place: what may change, what it is checked for, and what it keeps."""

from __future__ import annotations

from decimal import Decimal

import pytest
from exchange_kit import BUY, INDEX, LIMIT, SELL, STOP, TARGET, Bench, D, code, order

from tradectl.domain.order import OrderStatus
from tradectl.sim import views
from tradectl.sim.events import Updated
from tradectl.sim.ops import AmendOrder


def reserved(bench: Bench) -> Decimal:
    return sum((one.reserved for one in bench.state.orders.values()), D(0))


def test_a_stop_moves_and_stays_the_same_order() -> None:
    bench = Bench()
    bench.place(BUY, "2")
    stop = order(bench.place(SELL, "2", STOP, trigger="95", reduce=True))
    number = bench.state.orders[stop.order_id].number
    moved = order(bench.amend(stop.order_id, trigger_price="97", qty="1.5"))
    assert (moved.order_id, moved.client_id, moved.created_ms) == (stop.order_id, stop.client_id, stop.created_ms)
    assert (moved.trigger_price, moved.qty, moved.status) == (97, D("1.5"), OrderStatus.NEW)
    assert bench.state.orders[stop.order_id].number == number
    event = bench.events[-1]
    assert isinstance(event, Updated) and event.order == moved == bench.open[0]
    bench.at("96.5")
    assert (bench.fills[-1].order_id, bench.qty()) == (stop.order_id, D("0.5"))


@pytest.mark.parametrize(("trigger", "type_"), [("100", STOP), ("100.5", STOP), ("100", TARGET), ("99", TARGET)])
def test_a_trigger_that_would_fire_at_once_is_refused_and_the_order_stays(trigger: str, type_) -> None:
    bench = Bench()
    bench.place(BUY, "1", stop="95", target="105", client_id="entry")
    child = next(one for one in bench.open if one.type is type_)
    before = bench.state
    assert code(bench.amend(child.order_id, trigger_price=trigger)) == "immediate_trigger"
    assert bench.state is before


def test_attached_children_are_amended_and_still_belong_together() -> None:
    bench = Bench(max_fill_qty_per_point=D("0.3"))
    parent = order(bench.place(BUY, "1", LIMIT, price="100", stop="90", target="110"))
    stop = next(one for one in bench.open if one.type is STOP)
    moved = order(bench.amend(stop.order_id, trigger_price="95"))
    assert moved.parent_id == parent.order_id
    bench.bar("99", "99", "99", "99.5")  # the entry fills on, and its stop grows where it now stands
    assert [(one.trigger_price, one.qty) for one in bench.open if one.type is STOP] == [(95, 1)]
    bench.at("94.9")
    assert bench.fills[-1].reason == "stop"
    assert [one.reason for one in bench.ended.values() if one.type is TARGET] == ["oco"]


def test_a_cheaper_limit_frees_margin_and_a_dearer_one_must_be_affordable() -> None:
    bench = Bench()
    entry = order(bench.place(BUY, "100", LIMIT, price="90"))
    assert code(bench.amend(entry.order_id, qty="120")) == "insufficient_margin"
    assert order(bench.amend(entry.order_id, price="80")).price == 80
    assert reserved(bench) == D(8000) + 2 * D("0.00055") * 8000
    assert order(bench.amend(entry.order_id, qty="120")).qty == 120
    assert order(bench.amend(entry.order_id, qty="10")).qty == 10
    assert views.snapshot(bench.state).account.available == 10_000 - reserved(bench)
    assert reserved(bench) == D(800) + 2 * D("0.00055") * 800


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"qty": "0.5"}, "a"),
        ({"price": "98"}, "b"),
        ({"qty": "1.5"}, "b"),
        ({"price": "98", "qty": "0.5"}, "b"),
    ],
)
def test_a_limit_keeps_its_place_in_the_queue_only_when_it_shrinks(change: dict[str, str], first: str) -> None:
    bench = Bench()
    started = {"price": "99"} if "price" in change else {"price": "98"}
    mine = order(bench.place(BUY, "1", LIMIT, client_id="a", **started))
    bench.place(BUY, "1", LIMIT, price="98", client_id="b")
    assert order(bench.amend(mine.order_id, **change)).order_id == mine.order_id
    bench.at("97")
    assert [fill.client_id for fill in bench.fills] == (["a", "b"] if first == "a" else ["b", "a"])


def test_a_limit_repriced_through_the_quote_takes_at_once() -> None:
    bench = Bench(max_fill_qty_per_point=D("0.4"))
    entry = order(bench.place(BUY, "1", LIMIT, price="90", stop="80"))
    taken = order(bench.amend(entry.order_id, price="101"))
    assert (taken.status, taken.filled_qty, bench.fills[0].price) == (OrderStatus.PARTIALLY_FILLED, D("0.4"), 100)
    assert not bench.fills[0].maker
    assert [one.qty for one in bench.open if one.parent_id == entry.order_id] == [D("0.4")]
    assert code(bench.amend(entry.order_id, qty="0.4")) == "qty_below_filled"
    assert order(bench.amend(entry.order_id, qty="0.6")).remaining_qty == D("0.2")
    bench.bar("100.9", "100.9", "100.9", "100.9")
    assert (bench.qty(), bench.fills[-1].maker) == (D("0.6"), True)


def test_a_limit_that_will_take_is_measured_at_the_quote() -> None:
    bench = Bench()
    entry = order(bench.place(BUY, "90", LIMIT, price="90"))
    assert order(bench.amend(entry.order_id, price="150")).status is OrderStatus.FILLED
    assert (bench.qty(), bench.fills[0].price) == (90, 100)


def test_an_entry_is_measured_against_its_own_brackets_again() -> None:
    bench = Bench()
    entry = order(bench.place(BUY, "1", LIMIT, price="95", stop="90"))
    assert code(bench.amend(entry.order_id, price="90")) == "immediate_trigger"
    assert order(bench.amend(entry.order_id, price="90.01")).price == D("90.01")


def test_a_trigger_is_measured_at_the_price_it_watches() -> None:
    bench = Bench()
    bench.place(BUY, "1")
    stop = order(bench.place(SELL, "1", STOP, trigger="90", by=INDEX, reduce=True))
    bench.bar("100", "100", "100", "100", index=("90.5", "95"))
    assert code(bench.amend(stop.order_id, trigger_price="95")) == "immediate_trigger"
    assert order(bench.amend(stop.order_id, trigger_price="94.99")).trigger_price == D("94.99")


@pytest.mark.parametrize(
    ("kind", "change", "wanted"),
    [
        ("limit", {"price": "89.995"}, "price_precision"),
        ("limit", {"qty": "1.05"}, "qty_precision"),
        ("limit", {"qty": "0"}, "qty_below_filled"),
        ("limit", {"price": "0.01"}, "min_notional"),
        ("limit", {"trigger_price": "91"}, "invalid_trigger"),
        ("limit", {}, "not_modified"),
        ("limit", {"price": "90", "qty": "1"}, "not_modified"),
        ("stop", {"price": "95"}, "invalid_price"),
        ("stop", {"trigger_price": "95.001"}, "price_precision"),
        ("stop", {"qty": "1000.1"}, "max_market_qty"),
        ("close", {"qty": "1"}, "qty_with_close_position"),
    ],
)
def test_an_amendment_is_refused_with_its_code_and_changes_nothing(kind, change, wanted: str) -> None:
    bench = Bench()
    bench.place(BUY, "1")
    if kind == "limit":
        fact = order(bench.place(BUY, "1", LIMIT, price="90"))
    else:
        qty, more = ("1", {"reduce": True}) if kind == "stop" else (None, {"close": True})
        fact = order(bench.place(SELL, qty, STOP, trigger="94", **more))
    before = bench.state
    assert code(bench.amend(fact.order_id, **change)) == wanted
    assert bench.state is before


def test_a_close_position_stop_moves_its_trigger() -> None:
    bench = Bench()
    bench.place(BUY, "1")
    stop = order(bench.place(SELL, None, STOP, trigger="94", close=True))
    assert order(bench.amend(stop.order_id, trigger_price="96")).trigger_price == 96
    bench.at("95.5")
    assert bench.qty() == 0


def test_a_triggered_order_that_is_being_worked_cannot_be_amended() -> None:
    bench = Bench(max_fill_qty_per_point=D("0.4"))
    for _ in range(6):
        bench.place(BUY, "0.4")
    stop = order(bench.place(SELL, "2.4", STOP, trigger="99", reduce=True))
    bench.bar("100", "100", "98", "98")
    assert bench.open[0].status is OrderStatus.PARTIALLY_FILLED
    assert code(bench.amend(stop.order_id, trigger_price="97")) == "order_triggered"


def test_a_late_amendment_expires_and_one_of_an_unknown_order_finds_none() -> None:
    bench = Bench()
    fact = order(bench.place(BUY, "1", LIMIT, price="90"))
    now = bench.state.server_ms
    late = AmendOrder("SOLUSDT", fact.order_id, now + 1, now, price=D(91))
    assert code(bench.do(late)) == "request_expired"
    assert code(bench.amend(fact.order_id, symbol="BTCUSDT", price="91")) == "order_not_found"
    bench.cancel(fact.order_id)
    assert code(bench.amend(fact.order_id, price="91")) == "order_not_found"
