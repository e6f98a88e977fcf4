"""What a venue does or forbids by itself: cancels, halts, delistings, limits on orders, and ids it has seen."""

from __future__ import annotations

import pytest
from exchange_kit import BUY, LIMIT, MARKET, SELL, STOP, TARGET, Bench, D, code, order

from tradectl.domain.fill import FillKind
from tradectl.domain.order import OrderStatus
from tradectl.sim.events import SymbolStatusChanged, Updated
from tradectl.sim.ops import PlaceOrder, SetLeverage, SetMarginMode, VenueCancel


def test_the_venue_cancels_a_stop_and_says_why() -> None:
    bench = Bench()
    bench.place(BUY, "1", stop="95", target="110")
    stop, target = bench.open
    at_ms = bench.state.server_ms + 700
    ended = order(bench.do(VenueCancel(stop.order_id, "risk_control", at_ms)))
    assert (ended.status, ended.reason, ended.updated_ms) == (OrderStatus.CANCELED, "risk_control", at_ms)
    assert bench.open == [target], "its sibling stays"
    event = bench.events[-1]
    assert isinstance(event, Updated) and event.order == ended
    assert code(bench.do(VenueCancel(stop.order_id, "again", at_ms))) == "order_not_found"


@pytest.mark.parametrize("foreign", ["web_9aXk", "x-cvBPrNm9b6a1", "None", "null", "autoclose-1", "0", "a/b:c.d_e-f"])
def test_other_peoples_client_ids_are_taken_as_they_are(foreign: str) -> None:
    bench = Bench()
    fact = order(bench.place(BUY, "1", LIMIT, price="99", client_id=foreign, stop="90"))
    assert fact.client_id == foreign
    assert code(bench.place(BUY, "1", LIMIT, price="99", client_id=foreign)) == "duplicate_client_id"
    bench.at("98")
    assert (bench.fills[0].client_id, bench.ended[fact.order_id].client_id) == (foreign, foreign)
    assert [(child.client_id, child.parent_id) for child in bench.open] == [(None, fact.order_id)]


def test_an_order_without_a_client_id_has_none_and_any_number_may_be_open() -> None:
    for kept in ("open", "ever"):
        bench = Bench(client_ids=kept)
        first = order(bench.place(BUY, "1", LIMIT, price="99", client_id="", stop="90"))
        second = order(bench.place(BUY, "1", LIMIT, price="99", client_id=""))
        assert (first.client_id, second.client_id, first.parent_id) == (None, None, None)
        assert order(bench.amend(second.order_id, price="98")).client_id is None
        bench.at("98.5")
        assert (bench.fills[0].client_id, bench.fills[0].order_id) == (None, first.order_id)
        assert order(bench.cancel(second.order_id)).client_id is None
        assert order(bench.place(SELL, "1", client_id="", reduce=True)).client_id is None


@pytest.mark.parametrize(
    ("kept", "taken", "wanted"), [("ever", True, False), ("ever", False, True), ("open", True, True)]
)
def test_an_ended_orders_id_is_refused_only_where_ids_are_taken_for_ever(kept: str, taken: bool, wanted: bool) -> None:
    bench = Bench(client_ids=kept)
    reply = bench.do(PlaceOrder(bench.request(BUY, "1", client_id="mine"), bench.state.server_ms, id_taken=taken))
    if wanted:
        assert order(reply).client_id == "mine"
    else:
        assert code(reply) == "duplicate_client_id"
        assert bench.qty() == 0


def test_open_conditional_orders_are_limited_with_attached_ones_among_them() -> None:
    bench = Bench(max_conditional_orders=4)
    bench.bar("1000", "1000", "1000", "1000", symbol="BTCUSDT")
    bench.place(BUY, "3", stop="90", target="120")
    bench.place(SELL, "1", STOP, trigger="91", reduce=True)
    assert code(bench.place(BUY, "0.1", stop="900", target="1200", symbol="BTCUSDT")) == "too_many_conditional"
    assert bench.qty("BTCUSDT") == 0, "the entry is refused as a whole"
    assert "3 stop and take-profit orders stand, this one brings 2; 4 may be open" in str(bench.events[-1])
    assert order(bench.place(BUY, "0.1", stop="900", symbol="BTCUSDT")).status is OrderStatus.FILLED
    assert code(bench.place(SELL, "1", TARGET, trigger="130", reduce=True)) == "too_many_conditional"
    assert order(bench.place(SELL, "1", LIMIT, price="130", reduce=True)).status is OrderStatus.NEW
    bench.cancel(next(one.order_id for one in bench.open if one.type is STOP))
    assert order(bench.place(SELL, "1", TARGET, trigger="130", reduce=True)).status is OrderStatus.NEW


def test_stops_that_a_resting_entry_will_bring_are_counted_before_they_stand() -> None:
    bench = Bench(max_conditional_orders=2, max_fill_qty_per_point=D("0.2"))
    entry = order(bench.place(BUY, "1", LIMIT, price="99", stop="90", target="120"))
    assert code(bench.place(BUY, "1", stop="95")) == "too_many_conditional"
    bench.at("98.9")
    assert [one.qty for one in bench.open if one.type.conditional] == [D("0.8")] * 2
    assert code(bench.place(BUY, "1", stop="95")) == "too_many_conditional"
    bench.cancel(entry.order_id)
    assert code(bench.place(SELL, "1", STOP, trigger="95", reduce=True)) == "too_many_conditional"
    for child in bench.open:
        bench.cancel(child.order_id)
    assert order(bench.place(SELL, "1", STOP, trigger="95", reduce=True)).status is OrderStatus.NEW


def test_a_delisted_symbol_can_only_be_reduced() -> None:
    bench = Bench()
    bench.place(BUY, "3", stop="90")
    resting = order(bench.place(BUY, "1", LIMIT, price="95", stop="85"))
    exit_ = order(bench.place(SELL, "1", LIMIT, price="105", reduce=True))
    assert bench.status("reduce_only") is None
    changed = next(event for event in bench.events if isinstance(event, SymbolStatusChanged))
    assert (changed.symbol, changed.status) == ("SOLUSDT", "reduce_only")
    assert bench.ended[resting.order_id].reason == "reduce_only_symbol"
    assert [one.type for one in bench.open] == [STOP, LIMIT]
    assert code(bench.place(BUY, "1")) == "reduce_only_symbol"
    assert code(bench.place(SELL, "1")) == "reduce_only_symbol"
    assert order(bench.amend(exit_.order_id, price="103")).price == 103
    assert order(bench.place(SELL, "1", reduce=True)).status is OrderStatus.FILLED
    bench.at("89")
    assert (bench.qty(), bench.fills[-1].reason) == (0, "stop")
    assert bench.status("trading") is None
    assert order(bench.place(BUY, "1")).status is OrderStatus.FILLED


def test_in_a_halted_symbol_nothing_moves_but_prices_and_cancels() -> None:
    bench = Bench(leverage="20")
    bench.place(BUY, "10", stop="97")
    entry = order(bench.place(BUY, "1", LIMIT, price="99"))
    before = bench.state.positions
    bench.status("halted")
    bench.bar("100", "100", "90", "90")  # past the entry, the stop and the liquidation price
    assert (bench.state.positions, bench.state.prices["SOLUSDT"].mark) == (before, 90)
    for type_, more in ((MARKET, {}), (MARKET, {"reduce": True}), (LIMIT, {"price": "80"})):
        assert code(bench.place(SELL, "1", type_, **more)) == "symbol_halted"
    stop = bench.open[0]
    assert code(bench.amend(stop.order_id, trigger_price="80")) == "symbol_halted"
    assert order(bench.cancel(entry.order_id)).status is OrderStatus.CANCELED
    bench.status("trading")
    assert bench.state.positions == before, "it meets the market with the next price"
    bench.at("90")
    assert bench.qty() == 0
    assert [fill.kind for fill in bench.fills] == [FillKind.TRADE, FillKind.LIQUIDATION]


def test_halting_one_symbol_leaves_the_others_alone_and_its_settings_fixed() -> None:
    bench = Bench()
    bench.bar("1000", "1000", "1000", "1000", symbol="BTCUSDT")
    bench.status("halted")
    assert order(bench.place(BUY, "0.1", symbol="BTCUSDT")).status is OrderStatus.FILLED
    assert code(bench.do(SetLeverage("SOLUSDT", D(3)))) == "symbol_halted"
    assert code(bench.do(SetMarginMode("SOLUSDT", "cross"))) == "symbol_halted"
    assert code(bench.status("closed")) == "invalid_status"
    assert code(bench.status("halted", "XRPUSDT")) == "unknown_symbol"
    before = bench.state
    assert bench.status("halted") is None
    assert bench.state is before


def test_a_halted_cross_position_stays_while_the_pool_around_it_is_liquidated() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "45")
    bench.place(BUY, "2", symbol="BTCUSDT")
    bench.status("halted")
    bench.at("75")  # −1125 of nothing left but 990
    assert (bench.qty(), bench.qty("BTCUSDT")) == (45, 0)
    bench.status("trading")
    bench.at("75")
    assert (bench.qty(), bench.wallet) == (0, 0)
