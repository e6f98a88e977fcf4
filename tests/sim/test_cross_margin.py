"""Cross margin at the simulated exchange: one wallet behind several positions, and how it is liquidated."""

from __future__ import annotations

import pytest
from exchange_kit import BUY, LIMIT, MARK, SELL, STOP, TARGET, Bench, D, books, code, order

from tradectl.domain.fill import Fill, FillKind
from tradectl.sim import views
from tradectl.sim.events import Executed, LiquidationStarted, Updated
from tradectl.sim.ops import ApplyFunding, SetMarginMode, Transfer
from tradectl.sim.state import CROSS, ISOLATED

FEE = D("0.00055")


def liquidations(bench: Bench) -> list[Fill]:
    return [fill for fill in bench.fills if fill.kind is FillKind.LIQUIDATION]


def isolate(bench: Bench, symbol: str) -> None:
    assert bench.do(SetMarginMode(symbol, ISOLATED)) is None


def test_a_cross_position_outlives_its_initial_margin_with_the_rest_of_the_wallet() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "20")  # 2000 at 10×: 200 of initial margin
    bench.at("70")
    assert bench.qty() == 20
    position = views.snapshot(bench.state).positions[0]
    assert (position.margin_mode, position.initial_margin, position.unrealised) == (CROSS, D(200), D(-600))
    assert position.liquidation_price == D("50.57")  # 998.9 + 20p − 2000 = 0.2p, on the tick nearer to the market
    bench.at("50.57")
    assert bench.qty() == 20
    bench.at("50.56")
    assert bench.qty() == 0


def test_the_pool_is_what_isolated_positions_leave_of_the_wallet() -> None:
    bench = Bench.crossed(start="1000")
    isolate(bench, "BTCUSDT")
    bench.place(BUY, "5", symbol="BTCUSDT")  # sets 500 aside
    bench.place(BUY, "20")
    bench.at("84")  # 495 of cash less 320
    assert bench.qty() == 20
    bench.at("75")
    assert (bench.qty(), bench.qty("BTCUSDT")) == (0, 5)
    assert bench.wallet == 500, "what the pool has lost beyond its cash was not taken from the isolated margin"
    assert books(bench.state) == 1000


def test_available_counts_losses_in_full_and_profit_up_to_the_initial_margins() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "20")
    wallet = bench.wallet

    def available() -> object:
        return views.snapshot(bench.state).account.available

    assert available() == wallet - 200
    bench.at("95")
    assert available() == wallet - 200 - 100
    bench.at("106")
    assert available() == wallet - 200 + 120
    bench.at("200")
    assert available() == wallet, "profit carries the position, and is not cash before it is realised"
    bench.place(BUY, "1", LIMIT, price="150")
    assert available() == wallet - 15 - 2 * FEE * 150
    bench.at("51")
    assert available() == 0
    assert code(bench.place(BUY, "0.1")) == "insufficient_margin"


def test_the_account_adds_up_over_isolated_and_cross_positions() -> None:
    bench = Bench.crossed(start="1000")
    isolate(bench, "BTCUSDT")
    bench.place(SELL, "2", symbol="BTCUSDT")
    bench.place(BUY, "20")
    bench.place(BUY, "1", LIMIT, price="90")
    bench.at("1080", "BTCUSDT")
    bench.at("98")
    seen = views.snapshot(bench.state)
    reserved = 9 + 2 * FEE * 90
    account = seen.account
    assert account.wallet_balance == bench.wallet == 1000 - FEE * 4000
    assert account.unrealised == -160 - 40
    assert account.initial_margin == 200 + 200 + reserved
    assert account.maintenance_margin == D("0.01") * (2160 + 1960)
    # The isolated loss is its own margin's; the cross loss is everybody's.
    assert account.available == bench.wallet - 200 - 200 - reserved - 40
    isolated, crossed = seen.positions
    assert isolated.liquidation_price == D("1089.1")
    assert crossed.liquidation_price == D("60.72")  # 797.8 of cash: 797.8 + 20p − 2000 = 0.2p


def test_profit_of_a_cross_position_cannot_be_withdrawn_or_set_aside() -> None:
    bench = Bench.crossed(start="1000")
    isolate(bench, "BTCUSDT")
    bench.place(BUY, "50")
    bench.at("150")  # 2500 of profit
    free = views.snapshot(bench.state).account.available
    assert free == bench.wallet < 1000
    assert code(bench.do(Transfer(-free - D("0.01"), bench.state.server_ms))) == "insufficient_available"
    assert code(bench.place(BUY, "10", symbol="BTCUSDT")) == "insufficient_margin"  # 1000 of margin
    assert order(bench.place(BUY, "9", symbol="BTCUSDT")).filled_qty == 9


def test_the_price_of_one_symbol_liquidates_the_position_of_another() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "40")
    bench.place(BUY, "1", symbol="BTCUSDT")
    bench.at("80")
    bench.at("850", "BTCUSDT")
    assert liquidations(bench) == []
    bench.at("840", "BTCUSDT")  # −800 of SOL, −160 of BTC: 37.25 against 40.4
    assert [fill.symbol for fill in liquidations(bench)] == ["SOLUSDT"], "the largest loss goes first, and it suffices"
    assert bench.qty("BTCUSDT") == 1
    assert books(bench.state) == 1000


def test_equal_losses_go_in_the_order_of_their_symbols() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "45")
    bench.place(BUY, "4.5", symbol="BTCUSDT")
    bench.at("89")
    assert liquidations(bench) == []
    bench.at("890", "BTCUSDT")  # −495 each: nothing is left
    first, second = liquidations(bench)
    assert (first.symbol, second.symbol) == ("BTCUSDT", "SOLUSDT")
    assert first.fee == 4005 * D("0.005"), "the cash still bears the first; the insurance pays for the second"
    assert second.fee == bench.state.balances["insurance"] - first.fee < 0
    assert bench.wallet == 0


def test_orders_that_reserve_margin_go_first_and_those_that_reduce_stay_with_their_position() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50")
    bench.place(BUY, "1", symbol="BTCUSDT")
    entry = order(bench.place(SELL, "0.1", LIMIT, price="1200", symbol="BTCUSDT"))
    more = order(bench.place(BUY, "0.1", LIMIT, price="800", symbol="BTCUSDT"))
    stop = order(bench.place(SELL, "1", STOP, trigger="700", reduce=True, symbol="BTCUSDT"))
    events = bench.at("80.81")
    assert entry.order_id in {one.order_id for one in bench.open}, "it only reduces: nothing is reserved for it"
    kinds = [type(event) for event in events if isinstance(event, Updated | LiquidationStarted | Executed)]
    assert kinds[:3] == [Updated, LiquidationStarted, Executed]
    assert bench.ended[more.order_id].reason == "liquidation"
    assert stop.order_id in {one.order_id for one in bench.open}
    assert (bench.qty(), bench.qty("BTCUSDT")) == (0, 1)


def test_orders_of_isolated_symbols_survive_the_pools_liquidation() -> None:
    bench = Bench.crossed(start="1000")
    isolate(bench, "BTCUSDT")
    bench.place(BUY, "50")
    other = order(bench.place(BUY, "0.1", LIMIT, price="900", symbol="BTCUSDT"))
    bench.at("75")
    assert bench.qty() == 0
    assert [one.order_id for one in bench.open] == [other.order_id]


def test_what_the_pool_loses_beyond_the_wallet_is_paid_by_the_insurance() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50")
    before = bench.wallet
    bench.at("60")
    fill = bench.fills[-1]
    assert (fill.price, fill.fee) == (D(60), before - 2000), "it trades at the market; the payment is a fee below zero"
    assert bench.wallet == 0
    assert bench.state.balances["insurance"] == before - 2000
    assert books(bench.state) == 1000


def test_the_fee_of_a_liquidation_is_at_most_what_is_left() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50")
    bench.at("80.8")  # 997.25 − 960 = 37.25, 40.4 are needed
    fill = bench.fills[-1]
    assert (fill.kind, fill.fee) == (FillKind.LIQUIDATION, 4040 * D("0.005"))
    assert bench.wallet == D("997.25") - 960 - fill.fee
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50")
    bench.at("80.1")
    assert (bench.fills[-1].fee, bench.wallet) == (D("2.25"), 0)


def test_closing_the_losing_half_of_a_hedge_costs_what_it_lost() -> None:
    """The profit of the other half stands against the cash below zero; nobody is paid for hedging."""
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "40")
    bench.place(SELL, "4", symbol="BTCUSDT")
    bench.at("85")
    bench.at("700", "BTCUSDT")
    bench.at("70")  # −1200 against +1200
    equity = views.snapshot(bench.state).account.equity
    bench.place(SELL, "40", reduce=True)
    assert bench.state.balances["insurance"] == 0
    account = views.snapshot(bench.state).account
    assert account.equity == equity - FEE * 2800
    assert account.wallet_balance < 0
    assert account.available == 0
    bench.at("930", "BTCUSDT")
    assert bench.qty("BTCUSDT") == -4
    bench.at("990", "BTCUSDT")  # 40 of profit against −206 of cash
    assert (bench.qty("BTCUSDT"), bench.wallet, books(bench.state)) == (0, 0, 1000)
    assert bench.state.balances["insurance"] == account.wallet_balance + 40


def test_a_stop_inside_the_pools_threshold_is_filled_before_the_pool_is_liquidated() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50")  # the pool dies at 80.86
    bench.place(SELL, "50", STOP, trigger="80.9", reduce=True)
    bench.at("80.5")
    assert [fill.reason for fill in bench.fills] == ["market", "stop"]
    assert bench.wallet == D("997.25") - 975 - FEE * 4025


def test_a_stop_that_a_gap_takes_past_the_wallet_costs_no_more_than_the_wallet() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50", stop="95")
    bench.at("79")  # 1050 of loss
    assert (bench.fills[-1].reason, bench.fills[-1].price, bench.fills[-1].fee) == ("stop", D(79), D("-52.75"))
    assert (bench.wallet, bench.state.balances["insurance"]) == (0, D("-52.75"))


def test_a_stop_beyond_the_pools_threshold_comes_too_late() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50")
    stop = order(bench.place(SELL, "50", STOP, trigger="80.8", reduce=True))
    bench.at("79")
    assert [fill.kind for fill in liquidations(bench)] == [FillKind.LIQUIDATION]
    assert bench.ended[stop.order_id].reason == "liquidation"


def test_one_symbols_stop_can_save_the_pool_from_the_other() -> None:
    for stop, dead in (("95", []), (None, ["SOLUSDT"])):
        bench = Bench.crossed(start="1000")
        bench.place(BUY, "45", stop=stop)
        bench.place(BUY, "1", symbol="BTCUSDT")
        bench.bar("94", "94", "80", "80")
        bench.at("935", "BTCUSDT")
        assert [fill.symbol for fill in liquidations(bench)] == dead
        assert bench.qty("BTCUSDT") == 1


def test_on_a_path_in_its_favour_a_pool_under_water_was_so_from_the_start() -> None:
    """Last falls towards the short's target while the mark, which was behind, has risen past the pool's threshold."""
    bench = Bench.crossed(start="1000", sol="76")
    bench.place(SELL, "50")  # dies at 95.0
    bench.bar("100", "100", "100", "100", mark=("80", "90"))
    bench.place(BUY, "50", TARGET, trigger="97", reduce=True)
    bench.bar("90", "90", "90", "90", mark=("98", "99"))
    assert [fill.kind for fill in bench.fills] == [FillKind.TRADE, FillKind.LIQUIDATION]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_liquidation_price_of_a_cross_position_holds_all_other_marks(side) -> None:
    for away, alive in ((0, True), (-1, False)):  # it is shown on the tick nearer to the market
        bench = Bench.crossed(start="1000")
        bench.place(side, "30")
        bench.place(SELL, "4", symbol="BTCUSDT")
        bench.at("1040", "BTCUSDT")
        (_, sol) = views.snapshot(bench.state).positions
        assert sol.liquidation_price is not None
        tick = D("0.01") if side is BUY else D("-0.01")
        bench.at(str(sol.liquidation_price + away * tick))
        assert (liquidations(bench) == []) == alive


def test_a_long_that_the_wallet_carries_to_zero_has_no_liquidation_price() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "9")
    assert views.snapshot(bench.state).positions[0].liquidation_price is None
    bench.place(BUY, "11")
    assert views.snapshot(bench.state).positions[0].liquidation_price is not None


def test_funding_that_takes_the_pool_under_water_liquidates_it_at_once() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50")
    bench.at("82")  # 97.25 against 41
    assert bench.qty() == 50
    bench.do(ApplyFunding(bench.state.market_ms, (("SOLUSDT", D("0.02")),)))
    assert (bench.qty(), bench.fills[-1].kind) == (0, FillKind.LIQUIDATION)
    assert books(bench.state) == 1000


def test_funding_is_paid_as_far_as_it_can_be_and_the_event_says_how_far() -> None:
    bench = Bench.crossed(start="1000")
    isolate(bench, "SOLUSDT")
    bench.place(BUY, "90")
    free = bench.wallet - 900
    bench.do(ApplyFunding(bench.state.market_ms, (("SOLUSDT", D("0.02")),)))
    position = bench.state.positions["SOLUSDT"]
    assert position.margin == 900 - (180 - free), "first the free wallet, then the margin"
    assert bench.wallet == position.margin
    bench.do(ApplyFunding(bench.state.market_ms, (("SOLUSDT", D("0.2")),)))
    paid = bench.events[-1].funding.amount
    assert (bench.state.positions["SOLUSDT"].margin, bench.wallet, paid) == (0, 0, -position.margin)
    assert bench.state.balances["funding"] == 180 + 1800
    assert books(bench.state) == 1000


def test_turning_a_cross_position_round_pays_with_what_it_made() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "90")
    bench.at("101")
    assert order(bench.place(SELL, "180", stop="110")).filled_qty == 180
    assert bench.qty() == -90
    assert bench.state.positions["SOLUSDT"].margin == 909
    bench.at("105")  # 360 are lost, and some 730 left
    assert code(bench.place(BUY, "165")) == "insufficient_margin"
    assert order(bench.place(BUY, "155")).filled_qty == 155


def test_turning_a_losing_cross_position_round_pays_for_all_that_it_lost() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "20")  # 200 of margin
    bench.at("60")  # 800 are lost, some 198 left
    assert code(bench.place(SELL, "60")) == "insufficient_margin"
    assert order(bench.place(SELL, "50")).filled_qty == 50


def test_the_pool_is_measured_at_the_marks_and_traded_at_the_worse_price() -> None:
    bench = Bench.crossed(start="1000")
    bench.place(BUY, "50")
    bench.place(SELL, "50", STOP, trigger="70", by=MARK, reduce=True)
    bench.bar("100", "100", "70", "100", mark=("85", "100"))
    assert bench.qty() == 50
    bench.bar("100", "100", "79", "100", mark=("80", "100"))
    assert (bench.fills[-1].kind, bench.fills[-1].price) == (FillKind.LIQUIDATION, D(79))
