"""Isolated margin, liquidation, funding and the path of a bar at the simulated exchange."""

from __future__ import annotations

from dataclasses import replace

import pytest
from exchange_kit import BUY, LIMIT, MARK, MINUTE, SELL, STOP, Bench, D, books, code

from tradectl.domain.fill import FillKind
from tradectl.domain.order import Confirmed, OrderStatus
from tradectl.sim import views
from tradectl.sim.events import FundingPaid, LiquidationStarted
from tradectl.sim.instruments import listed, shipped, shipped_as_of
from tradectl.sim.ops import AdvanceBars, ApplyFunding, MarketBar, Transfer
from tradectl.sim.path import extremes, point_ms, prices_at


def bar(open_: str, high: str, low: str, close: str, *, symbol: str = "SOLUSDT", at: int = 0) -> MarketBar:
    return MarketBar(symbol, at, MINUTE, D(open_), D(high), D(low), D(close))


@pytest.mark.parametrize("side", [BUY, SELL])
def test_unprotected_trader_at_20x_is_liquidated_in_a_crash_and_the_books_balance(side) -> None:
    bench = Bench(leverage="20")
    bench.place(side, "200")
    after_entry = bench.wallet
    margin = bench.state.positions["SOLUSDT"].margin
    assert margin == D(1000)
    worst = "70" if side is BUY else "130"
    bench.bar("100", max("100", worst, key=D), min("100", worst, key=D), worst)
    fill = bench.fills[-1]
    bankruptcy = D(95) if side is BUY else D(105)
    assert (fill.kind, fill.reason, fill.price, fill.order_id in bench.ended) == (
        FillKind.LIQUIDATION,
        "liquidation",
        bankruptcy,
        True,
    )
    assert bench.wallet == after_entry - margin  # all of the margin, and not a cent more
    assert bench.state.balances["insurance"] == -(25 * D(200))  # what the market lost us beyond it
    assert bench.qty() == 0
    assert books(bench.state) == D(10_000)
    assert any(isinstance(event, LiquidationStarted) for event in bench.events)


def test_protected_trader_at_5x_with_a_stop_at_1_percent_is_stopped_before_liquidation() -> None:
    bench = Bench(leverage="5")
    bench.place(BUY, "50", stop="99")
    bench.bar("100", "100", "79", "80")
    fill = bench.fills[-1]
    assert (fill.kind, fill.reason, fill.side) == (FillKind.TRADE, "stop", SELL)
    assert not any(isinstance(event, LiquidationStarted) for event in bench.events)
    # The stop is worked at the low, beyond the bankruptcy price: margin is the most that a position costs.
    assert fill.price == D(80)
    assert books(bench.state) == D(10_000)


def test_stop_beyond_the_liquidation_price_comes_too_late() -> None:
    bench = Bench(leverage="20")
    bench.place(BUY, "10")
    stop = bench.place(SELL, "10", STOP, trigger="95.5", reduce=True)
    assert isinstance(stop, Confirmed)
    bench.bar("100", "100", "95", "96")
    assert bench.fills[-1].kind is FillKind.LIQUIDATION
    assert bench.ended[stop.order.order_id].reason == "liquidation"


def test_liquidation_is_measured_at_the_mark_not_at_last() -> None:
    bench = Bench(leverage="20")
    bench.place(BUY, "10")
    bench.bar("100", "100", "90", "100", mark=("98", "100"))
    assert bench.qty() == 10
    bench.bar("100", "100", "90", "100", mark=("95", "100"))
    assert bench.qty() == 0


def test_liquidation_fee_is_taken_from_what_margin_is_left() -> None:
    bench = Bench(leverage="20")
    bench.place(BUY, "10")
    before = bench.wallet
    bench.bar("100", "100", "95.9", "96")
    fill = bench.fills[-1]
    left = D(50) - (100 - fill.price) * 10
    assert fill.fee == min(fill.price * 10 * D("0.005"), left)
    assert before - bench.wallet <= D(50)
    assert bench.state.balances["insurance"] == fill.fee


def test_liquidation_cancels_every_order_of_the_symbol() -> None:
    bench = Bench(leverage="20")
    bench.place(BUY, "10", target="120")
    bench.place(BUY, "1", LIMIT, price="50")
    bench.bar("100", "100", "90", "90")
    assert bench.open == []
    assert {fact.reason for fact in bench.ended.values() if fact.status is OrderStatus.CANCELED} == {"liquidation"}


def test_the_snapshot_shows_margin_maintenance_liquidation_price_and_what_is_free() -> None:
    bench = Bench(leverage="5")
    bench.place(BUY, "10", stop="95")
    bench.bar("100", "102", "100", "102")
    seen = views.snapshot(bench.state)
    position = seen.positions[0]
    assert (position.initial_margin, position.maintenance_margin, position.unrealised) == (D(200), D("10.2"), D(20))
    assert position.liquidation_price == D("80.81")  # (1000 − 200) / (10 × 0.99), on the tick nearer to the market
    assert seen.account.available == bench.wallet - 200
    assert seen.account.equity == bench.wallet + 20
    assert (seen.event_seq, len(seen.orders)) == (bench.state.next_seq - 1, 1)


@pytest.mark.parametrize(("side", "sign"), [(BUY, -1), (SELL, 1)])
def test_funding_is_the_exact_product_and_longs_pay_a_positive_rate(side, sign: int) -> None:
    bench = Bench()
    bench.place(side, "1.3")
    before = bench.wallet
    bench.do(ApplyFunding(bench.state.market_ms, (("BTCUSDT", D(1)), ("SOLUSDT", D("0.000123456789")))))
    amount = sign * D("1.3") * 100 * D("0.000123456789")
    assert bench.wallet - before == amount
    assert bench.state.balances["funding"] == -amount
    event = bench.events[-1]
    assert isinstance(event, FundingPaid)
    assert (event.funding.amount, event.funding.seq, event.funding.symbol) == (amount, event.seq, "SOLUSDT")


def test_a_transfer_comes_from_outside_and_never_takes_what_is_in_use() -> None:
    bench = Bench()
    bench.place(BUY, "50")
    assert bench.do(Transfer(D(500), bench.state.server_ms)) is None
    assert bench.state.balances["transfers"] == D(-500)
    assert code(bench.do(Transfer(D(-9000), bench.state.server_ms))) == "insufficient_available"
    assert books(bench.state) == 10_000


def test_path_goes_to_the_nearer_extreme_first_and_on_a_tie_to_the_one_that_hurts() -> None:
    assert extremes(bar("100", "101", "97", "98"), D(0), None) == (D(101), D(97))
    assert extremes(bar("100", "104", "98", "98"), D(0), None) == (D(98), D(104))
    tie = bar("100", "102", "98", "100")
    assert [extremes(tie, D(held), None)[0] for held in (1, 0, -1)] == [D(98), D(98), D(102)]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_bar_split_by_funding_takes_the_same_path_as_a_whole_one(cut: int) -> None:
    tie = ("100", "102", "98", "100")
    ends = []
    for pieces in ([(0, 1, 2, 3)], [tuple(range(cut)), tuple(range(cut, 4))]):
        bench = Bench(leverage="5")
        bench.place(SELL, "1", stop="102")
        bench.place(BUY, "1", LIMIT, price="98.5")
        start = bench.state.market_ms
        for phases in pieces:
            bench.do(AdvanceBars((bar(*tie, at=start),), phases))
        ends.append((bench.state, bench.fills))
    assert ends[0] == ends[1]
    assert [fill.reason for fill in ends[0][1]] == ["market", "stop", "limit"]


def test_points_lie_at_the_open_a_quarter_half_and_the_last_millisecond() -> None:
    one = bar("1", "1", "1", "1", at=60_000)
    assert [point_ms(one, phase) for phase in range(4)] == [60_000, 75_000, 90_000, 119_999]


def test_symbols_take_turns_phase_by_phase_in_sorted_order() -> None:
    bench = Bench()
    bench.bar("1000", "1000", "1000", "1000", symbol="BTCUSDT")
    bench.place(BUY, "0.1", LIMIT, price="999", symbol="BTCUSDT")
    bench.place(BUY, "1", LIMIT, price="99")
    bench.place(BUY, "1", LIMIT, price="94")
    at = bench.state.market_ms
    bars = (bar("98", "99", "90", "95", at=at), bar("1000", "1020", "995", "1000", symbol="BTCUSDT", at=at))
    bench.do(AdvanceBars(bars))
    assert [(fill.symbol, fill.price) for fill in bench.fills] == [
        ("SOLUSDT", D(99)),  # at the open
        ("BTCUSDT", D(999)),  # at its nearer extreme
        ("SOLUSDT", D(94)),  # at its farther one
    ]
    assert bench.state.market_ms == at + MINUTE
    assert bench.state.prices["BTCUSDT"].last == D(1000)


def test_the_mark_is_held_in_its_range_and_the_index_in_its_own_or_at_the_mark() -> None:
    plain = bar("100", "110", "90", "100")
    marked = replace(plain, mark_low=D(95), mark_high=D(105))
    both = replace(marked, index_low=D(99), index_high=D(101))
    seen = [[prices_at(one, D(last)) for last in (90, 100, 110)] for one in (plain, marked, both)]
    assert [[(p.last, p.mark, p.index) for p in row] for row in seen] == [
        [(90, 90, 90), (100, 100, 100), (110, 110, 110)],
        [(90, 95, 95), (100, 100, 100), (110, 105, 105)],
        [(90, 95, 99), (100, 100, 100), (110, 105, 101)],
    ]
    half = replace(plain, index_high=D(101))
    assert [prices_at(half, D(last)).index for last in (90, 110)] == [90, 101]
    wide = replace(marked, index_low=D(80), index_high=D(120))
    assert [prices_at(wide, D(last)).index for last in (90, 110)] == [90, 110], "it follows last, not the mark"


def test_the_stop_of_a_short_watching_the_mark_is_not_fired_by_the_mark_of_another_bar() -> None:
    bench = Bench()
    bench.place(SELL, "1")
    bench.place(BUY, "1", STOP, trigger="103", by=MARK, reduce=True)
    bench.bar("100", "110", "100", "101", mark=("99", "102.9"))
    assert bench.qty() == -1


def test_shipped_contracts_are_dated_and_consistent() -> None:
    table = shipped()
    assert len(table) == 14
    assert shipped_as_of() == "2025-10-01"
    for symbol, one in table.items():
        assert one.base + one.quote == symbol
        assert one.min_qty % one.qty_step == 0
        for lower, upper in zip(one.tiers, one.tiers[1:], strict=False):
            assert lower.notional_cap < upper.notional_cap
            # Continuous at the cap: no cliff in maintenance margin.
            at = lower.notional_cap
            assert at * lower.maintenance_rate - lower.maintenance_amount == (
                at * upper.maintenance_rate - upper.maintenance_amount
            )


def test_a_declared_contract_replaces_the_shipped_one() -> None:
    from tradectl.config.section_machine import SimInstrument

    declared = SimInstrument(tick_size=D("0.5"), max_leverage=D(3))
    table = listed({"SOLUSDT": declared, "NEWUSDT": declared})
    assert (table["SOLUSDT"].tick_size, table["NEWUSDT"].base) == (D("0.5"), "NEW")
    assert table["NEWUSDT"].tiers[0].max_leverage == 3
    assert table["BTCUSDT"] == shipped()["BTCUSDT"]
