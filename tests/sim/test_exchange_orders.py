"""Orders at the simulated exchange: what is taken, what is refused with which code, and what a fill does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from exchange_kit import BUY, INDEX, LIMIT, MARK, MARKET, SELL, STOP, T0, TARGET, Begin, Bench, D, code, order

from tradectl.domain.order import Confirmed, OrderStatus
from tradectl.sim.ops import CancelOrder, PlaceOrder, SetLeverage, SetMarginMode, SetServerTime


def test_market_order_fills_at_last_plus_slippage_rounded_to_the_tick_against_the_taker() -> None:
    bench = Bench(rules=Begin(slippage_bps=D("1.5")), price="100.03")
    bought = order(bench.place(BUY, "1"))
    assert (bought.status, bought.average_price) == (OrderStatus.FILLED, D("100.05"))  # 100.0450045 up
    sold = order(bench.place(SELL, "1"))
    assert sold.average_price == D("100.01")  # 100.0149955 down
    fees = (D("100.05") + D("100.01")) * D("0.00055")
    assert bench.wallet == D(10_000) - D("0.04") - fees
    assert bench.state.balances["fees"] == fees


def test_market_order_beyond_the_liquidity_fills_in_part_and_the_rest_expires() -> None:
    bench = Bench(max_fill_qty_per_point=D("0.4"))
    fact = order(bench.place(BUY, "1"))
    assert (fact.status, fact.filled_qty, fact.reason) == (OrderStatus.EXPIRED, D("0.4"), "no_liquidity")
    assert bench.qty() == D("0.4")
    assert bench.open == []


def test_triggered_stop_beyond_the_liquidity_is_worked_until_the_position_is_closed() -> None:
    bench = Bench(max_fill_qty_per_point=D("0.4"))
    for _ in range(3):
        bench.place(BUY, "0.4")
    bench.place(SELL, "1.2", STOP, trigger="99", reduce=True)
    bench.bar("100", "100", "98", "98.5")
    # The low comes second of the extremes: two points of this bar are beyond the trigger.
    assert [fill.qty for fill in bench.fills[3:]] == [D("0.4"), D("0.4")]
    assert bench.open[0].status is OrderStatus.PARTIALLY_FILLED
    bench.bar("98.5", "99", "98", "99")
    assert bench.qty() == 0
    assert [fill.reason for fill in bench.fills[3:]] == ["stop"] * 3


def test_resting_limit_fills_as_maker_at_its_price_once_traded_through_and_not_on_a_touch() -> None:
    bench = Bench()
    resting = order(bench.place(BUY, "2", LIMIT, price="99"))
    assert resting.status is OrderStatus.NEW
    bench.bar("100", "100", "99", "100")
    assert bench.qty() == 0
    bench.bar("100", "100", "98.99", "100")
    fill = bench.fills[0]
    assert (fill.price, fill.maker, fill.fee, fill.reason) == (D(99), True, D(198) * D("0.0002"), "limit")
    assert bench.ended[resting.order_id].status is OrderStatus.FILLED


def test_limit_that_can_trade_at_the_quote_takes_and_its_rest_stays_in_the_book() -> None:
    bench = Bench(max_fill_qty_per_point=D(1))
    fact = order(bench.place(BUY, "1.5", LIMIT, price="101"))
    assert (fact.status, fact.filled_qty) == (OrderStatus.PARTIALLY_FILLED, D(1))
    assert (bench.fills[0].price, bench.fills[0].maker) == (D(100), False)
    bench.bar("100", "100", "100", "100")
    assert [(fill.qty, fill.price, fill.maker) for fill in bench.fills[1:]] == [(D("0.5"), D(101), True)]


@pytest.mark.parametrize(
    ("side", "type_", "trigger", "fires"),
    [
        (SELL, STOP, "99", ("99.5", "98")),
        (SELL, TARGET, "101", ("102", "99")),
        (BUY, STOP, "101", ("102", "99")),
        (BUY, TARGET, "99", ("101", "98")),
    ],
)
def test_trigger_direction_follows_from_side_and_type(side, type_, trigger, fires) -> None:
    bench = Bench()
    bench.place(side.opposite, "1")
    fact = order(bench.place(side, "1", type_, trigger=trigger, reduce=True))
    high, low = max(D(100), D(fires[0])), min(D(100), D(fires[1]))
    bench.bar("100", str(high), str(low), "100")
    assert bench.ended[fact.order_id].status is OrderStatus.FILLED
    assert bench.qty() == 0


@pytest.mark.parametrize(
    ("side", "type_", "trigger"), [(SELL, STOP, "100"), (SELL, TARGET, "100"), (BUY, STOP, "99"), (BUY, TARGET, "101")]
)
def test_a_trigger_that_would_fire_at_once_is_refused(side, type_, trigger) -> None:
    bench = Bench()
    bench.place(side.opposite, "1")
    assert code(bench.place(side, "1", type_, trigger=trigger, reduce=True)) == "immediate_trigger"


def test_mark_trigger_ignores_a_last_price_beyond_it() -> None:
    bench = Bench()
    bench.place(BUY, "1")
    bench.place(SELL, "1", STOP, trigger="95", by=MARK, reduce=True)
    bench.bar("100", "100", "90", "100", mark=("96", "100"))
    assert bench.qty() == 1
    bench.bar("100", "100", "90", "100", mark=("95", "100"))
    assert bench.qty() == 0
    assert bench.fills[-1].price == D(90)  # a market order trades at last, not at the mark


def test_index_trigger_watches_the_index_and_neither_last_nor_mark() -> None:
    bench = Bench()
    bench.place(BUY, "1", stop="95", by=INDEX)
    bench.bar("100", "100", "90", "100", index=("96", "100"))
    assert bench.qty() == 1
    bench.bar("100", "100", "90", "100", mark=("96", "100"), index=("95", "100"))
    assert (bench.qty(), bench.fills[-1].price) == (0, D(90))


def test_stop_fills_at_the_worse_of_trigger_and_the_next_point_of_the_path() -> None:
    bench = Bench(rules=Begin(slippage_bps=D(10)))
    bench.place(BUY, "1", stop="98")
    bench.bar("100", "100.5", "97", "99")
    assert (bench.fills[-1].price, bench.fills[-1].reason) == (D("96.90"), "stop")  # 97 less 10 bps, down to the tick


def test_stop_of_a_short_fills_at_the_worse_price_too() -> None:
    bench = Bench(rules=Begin(slippage_bps=D(10)))
    bench.place(SELL, "1", stop="102")
    bench.bar("100", "103", "99.5", "101")
    assert bench.fills[-1].price == D("103.11")  # 103 plus 10 bps, up to the tick


def test_target_of_a_short_fills_at_its_trigger_and_never_better() -> None:
    bench = Bench()
    bench.place(SELL, "1", target="98")
    bench.bar("97", "97", "96", "96")
    assert bench.fills[-1].price == D(98)


def test_stop_in_a_gap_fills_at_the_open() -> None:
    bench = Bench()
    bench.place(BUY, "1", stop="98")
    bench.bar("95", "96", "94", "96")
    assert bench.fills[-1].price == D(95)


def test_target_fills_at_its_trigger_and_never_better() -> None:
    bench = Bench()
    bench.place(BUY, "1", target="102")
    bench.bar("103", "104", "103", "104")
    assert (bench.fills[-1].price, bench.fills[-1].reason) == (D(102), "target")


def test_reduce_only_market_order_is_cut_to_the_position() -> None:
    bench = Bench()
    bench.place(BUY, "1")
    fact = order(bench.place(SELL, "3", reduce=True))
    assert (fact.status, fact.qty, fact.filled_qty) == (OrderStatus.FILLED, D(1), D(1))
    assert bench.qty() == 0


@pytest.mark.parametrize(("type_", "more"), [(STOP, {"trigger": "98"}), (LIMIT, {"price": "102"})])
def test_resting_reduce_only_order_is_cut_to_what_is_held_when_it_fills(type_, more) -> None:
    bench = Bench()
    bench.place(BUY, "3")
    fact = order(bench.place(SELL, "3", type_, reduce=True, **more))
    bench.place(SELL, "2", reduce=True)
    bench.bar("100", "103", "97", "100")
    assert bench.qty() == 0
    ended = bench.ended[fact.order_id]
    assert (ended.status, ended.qty, ended.filled_qty) == (OrderStatus.FILLED, D(1), D(1))


def test_reduce_only_is_refused_when_flat_and_on_the_side_that_adds() -> None:
    bench = Bench()
    assert code(bench.place(SELL, "1", reduce=True)) == "reduce_only_flat"
    bench.place(BUY, "1")
    assert code(bench.place(BUY, "1", reduce=True)) == "reduce_only_side"
    assert code(bench.place(BUY, None, STOP, trigger="110", close=True)) == "reduce_only_side"


def test_close_position_stop_closes_what_is_held_when_it_fires() -> None:
    bench = Bench()
    bench.place(BUY, "1")
    stop = order(bench.place(SELL, None, STOP, trigger="98", close=True))
    bench.place(BUY, "2")
    bench.bar("100", "100", "98", "98")
    assert bench.qty() == 0
    assert bench.ended[stop.order_id].filled_qty == 3


def test_bracket_children_carry_no_client_id_and_one_cancels_the_other() -> None:
    bench = Bench()
    parent = order(bench.place(BUY, "1", stop="98", target="103"))
    stop, target = bench.open
    assert [
        (child.client_id, child.parent_id, child.side, child.qty, child.reduce_only) for child in (stop, target)
    ] == [(None, parent.order_id, SELL, D(1), True)] * 2
    bench.bar("100", "103", "100", "103")
    assert (bench.ended[stop.order_id].status, bench.ended[stop.order_id].reason) == (OrderStatus.CANCELED, "oco")
    assert bench.ended[target.order_id].status is OrderStatus.FILLED
    assert (bench.qty(), bench.open) == (D(0), [])


def test_children_grow_with_every_partial_fill_of_their_parent() -> None:
    bench = Bench(max_fill_qty_per_point=D("0.3"))
    parent = order(bench.place(BUY, "1", LIMIT, price="100", stop="90"))
    assert [child.qty for child in bench.open if child.parent_id] == [D("0.3")]
    bench.bar("99", "99", "99", "99.5")
    assert [child.qty for child in bench.open if child.parent_id == parent.order_id] == [D(1)]


def test_a_child_that_is_being_worked_grows_no_more() -> None:
    bench = Bench(max_fill_qty_per_point=D("0.3"))
    bench.place(BUY, "3", LIMIT, price="100", stop="99")
    bench.at("99.5")
    bench.bar("98", "98", "98", "98.5")
    sizes = [one.qty for one in (*bench.ended.values(), *bench.open) if one.type is STOP]
    assert sum(sizes) == sum(fill.qty for fill in bench.fills if fill.reason == "limit")
    assert max(sizes) == D("1.8"), "what it held when it fired"


def test_cancelling_the_parent_leaves_the_children_of_what_filled() -> None:
    bench = Bench(max_fill_qty_per_point=D("0.3"))
    parent = order(bench.place(BUY, "1", LIMIT, price="100", stop="90"))
    assert order(bench.cancel(parent.order_id)).status is OrderStatus.CANCELED
    assert [(child.qty, child.type) for child in bench.open] == [(D("0.3"), STOP)]


def test_cancelling_one_child_leaves_its_sibling() -> None:
    bench = Bench()
    bench.place(BUY, "1", stop="98", target="103")
    stop, target = bench.open
    bench.cancel(stop.order_id)
    assert bench.open == [target]


def test_closing_by_hand_cancels_every_order_that_only_reduced() -> None:
    bench = Bench()
    bench.place(BUY, "1", stop="98", target="103")
    bench.place(SELL, "1", LIMIT, price="105", reduce=True)
    entry = order(bench.place(BUY, "1", LIMIT, price="90"))
    bench.place(SELL, "1", reduce=True)
    assert [fact.order_id for fact in bench.open] == [entry.order_id]
    assert {fact.reason for fact in bench.ended.values() if fact.status is OrderStatus.CANCELED} == {"position_closed"}


def test_stop_attached_to_a_limit_can_fire_at_the_same_point() -> None:
    bench = Bench()
    bench.place(BUY, "1", LIMIT, price="99", stop="98")
    bench.bar("100", "100", "97", "97.5")
    assert [(fill.reason, fill.price) for fill in bench.fills] == [("limit", D(99)), ("stop", D(97))]


@pytest.mark.parametrize(
    ("late_ms", "wanted"), [(5001, "request_expired"), (5000, ""), (-1000, ""), (-1001, "timestamp_ahead")]
)
def test_request_window(late_ms: int, wanted: str) -> None:
    bench = Bench()
    bench.do(SetServerTime(T0 + 600_000))
    sent = bench.request(BUY, "1")
    now = bench.state.server_ms
    sent = replace(sent, timestamp_ms=now - late_ms, expires_ms=now - late_ms + 5000)
    before = bench.state
    reply = bench.do(PlaceOrder(sent, now))
    if wanted:
        assert code(reply) == wanted
        assert bench.state is before
    else:
        assert order(reply).status is OrderStatus.FILLED


def test_a_late_cancel_expires_and_the_order_stays() -> None:
    bench = Bench()
    fact = order(bench.place(BUY, "1", LIMIT, price="90"))
    now = bench.state.server_ms
    assert code(bench.do(CancelOrder("SOLUSDT", fact.order_id, now + 1, now))) == "request_expired"
    assert bench.open == [fact]


def test_cancel_of_an_unknown_or_ended_order_is_not_found() -> None:
    bench = Bench()
    fact = order(bench.place(BUY, "1", LIMIT, price="90"))
    assert code(bench.cancel(fact.order_id, "BTCUSDT")) == "order_not_found"
    bench.cancel(fact.order_id)
    assert code(bench.cancel(fact.order_id)) == "order_not_found"


def test_client_id_is_unique_among_open_orders_only() -> None:
    bench = Bench()
    first = order(bench.place(BUY, "1", LIMIT, price="90", client_id="a.1"))
    assert code(bench.place(BUY, "1", LIMIT, price="90", client_id="a.1")) == "duplicate_client_id"
    bench.cancel(first.order_id)
    assert order(bench.place(BUY, "1", LIMIT, price="90", client_id="a.1")).order_id != first.order_id
    assert code(bench.place(BUY, "1", client_id="no spaces")) == "invalid_client_id"


@pytest.mark.parametrize(
    ("side", "qty", "type_", "more", "wanted"),
    [
        (BUY, "1.05", MARKET, {}, "qty_precision"),
        (BUY, "0", MARKET, {}, "qty_precision"),
        (BUY, "1", LIMIT, {"price": "99.005"}, "price_precision"),
        (BUY, "1", MARKET, {"stop": "98.001"}, "price_precision"),
        (BUY, "1000.1", MARKET, {}, "max_market_qty"),
        (BUY, "0.1", LIMIT, {"price": "49.99"}, "min_notional"),
        (BUY, None, MARKET, {}, "qty_missing"),
        (BUY, "1", LIMIT, {}, "invalid_price"),
        (BUY, "1", MARKET, {"price": "100"}, "invalid_price"),
        (BUY, "1", STOP, {}, "invalid_trigger"),
        (BUY, "1", MARKET, {"stop": "100"}, "immediate_trigger"),
        (BUY, "1", MARKET, {"target": "99"}, "immediate_trigger"),
        (BUY, "1", LIMIT, {"price": "95", "stop": "96"}, "immediate_trigger"),
        (SELL, "1", MARKET, {"stop": "99"}, "immediate_trigger"),
        (BUY, "1", MARKET, {"symbol": "XRPUSDT"}, "unknown_symbol"),
        (BUY, "1", MARKET, {"symbol": "BTCUSDT"}, "no_price"),
        (BUY, "101", MARKET, {}, "insufficient_margin"),
    ],
)
def test_request_is_refused_with_its_code_and_changes_nothing_but_the_log(side, qty, type_, more, wanted) -> None:
    bench = Bench()
    before = bench.state
    assert code(bench.place(side, qty, type_, **more)) == wanted
    assert bench.state.next_seq == before.next_seq + 1
    assert (bench.state.orders, bench.state.positions, bench.state.balances, bench.state.next_order) == (
        before.orders,
        before.positions,
        before.balances,
        before.next_order,
    )


def test_dust_below_the_minimum_value_can_still_be_closed() -> None:
    bench = Bench(price="49.9")
    bench.place(BUY, "0.2")
    bench.place(SELL, "0.1", reduce=True)
    assert order(bench.place(SELL, "0.1", reduce=True)).status is OrderStatus.FILLED


def test_resting_orders_reserve_margin_and_free_it_when_cancelled() -> None:
    bench = Bench(leverage="10")
    fact = order(bench.place(BUY, "900", LIMIT, price="99"))
    assert code(bench.place(BUY, "200")) == "insufficient_margin"
    bench.cancel(fact.order_id)
    assert order(bench.place(BUY, "200")).status is OrderStatus.FILLED


def test_leverage_and_margin_mode_change_only_when_flat_without_orders() -> None:
    bench = Bench()
    assert code(bench.do(SetLeverage("SOLUSDT", D(51)))) == "leverage_too_high"
    assert code(bench.do(SetLeverage("SOLUSDT", D("0.5")))) == "invalid_leverage"
    assert code(bench.do(SetMarginMode("SOLUSDT", "crossed"))) == "invalid_margin_mode"
    assert bench.do(SetMarginMode("SOLUSDT", "isolated")) is None
    resting = order(bench.place(BUY, "1", LIMIT, price="90"))
    assert code(bench.do(SetLeverage("SOLUSDT", D(5)))) == "orders_open"
    bench.cancel(resting.order_id)
    bench.place(BUY, "1")
    assert code(bench.do(SetLeverage("SOLUSDT", D(5)))) == "position_open"
    assert code(bench.do(SetMarginMode("SOLUSDT", "cross"))) == "position_open"
    assert bench.do(SetLeverage("SOLUSDT", D(1))) is None  # as it is already
    bench.place(SELL, "1", reduce=True)
    assert bench.do(SetLeverage("SOLUSDT", D(5))) is None
    assert bench.do(SetMarginMode("SOLUSDT", "cross")) is None
    assert (bench.state.symbols["SOLUSDT"].leverage, bench.state.symbols["SOLUSDT"].margin_mode) == (5, "cross")


def test_an_order_through_flat_opens_the_other_side_with_its_bracket() -> None:
    bench = Bench(leverage="5")
    bench.place(BUY, "10", stop="95")
    fact = order(bench.place(SELL, "15", stop="105", target="90"))
    assert bench.qty() == D(-5)
    assert [(child.parent_id, child.side, child.qty) for child in bench.open] == [(fact.order_id, BUY, D(5))] * 2
    assert bench.state.positions["SOLUSDT"].margin == D(100)


def test_turning_round_pays_for_the_new_side_with_the_margin_of_the_old_one() -> None:
    bench = Bench(leverage="5")
    bench.place(BUY, "450")  # 9000 of 10000 are margin
    assert isinstance(bench.place(SELL, "900"), Confirmed)
    assert bench.qty() == D(-450)
    assert code(bench.place(BUY, "950")) == "insufficient_margin"


def test_a_turn_past_bankruptcy_is_two_fills_and_insures_only_what_closes() -> None:
    bench = Bench(leverage="20")
    bench.place(BUY, "10")
    bench.bar("100", "100", "90", "90", mark=("98", "100"))  # last far below the mark: not liquidated
    bench.place(SELL, "15")
    assert [(fill.qty, fill.price) for fill in bench.fills[1:]] == [(D(10), D(95)), (D(5), D(90))]
    assert bench.qty() == D(-5)
    assert bench.state.balances["insurance"] == D(-50)
    assert sum(bench.state.balances.values()) == D(10_000)


def test_server_time_moves_forward_only_and_never_the_market() -> None:
    bench = Bench()
    at = bench.state.market_ms
    bench.do(SetServerTime(at + 7000))
    bench.do(SetServerTime(at + 10))
    assert (bench.state.server_ms, bench.state.market_ms) == (at + 7000, at)
