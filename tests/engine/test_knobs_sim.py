"""The knobs of the simulated exchange: its prices, costs, contracts and clock."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from bot_kit import FIVE_MS, SOL, WALL_MS, D, configure, rig
from knob_kit import QUIET, Proofs, bot_process, closes, folder, market, place, refused_by_this_build

from tradectl.config.schema import SimInstrument
from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.fill import Fill
from tradectl.domain.order import OrderSide, OrderType
from tradectl.sim.embedded import Embedded, open_embedded
from tradectl.store import ledger

proves = Proofs()


def fill_price(exchange: Embedded) -> Decimal:
    price = place(exchange, OrderSide.BUY, "1").average_price
    assert price is not None
    return price


@proves("sim.source")
def source_replay_wants_a_file_and_live_is_refused(tmp_path: Path) -> None:
    assert refused_by_this_build(tmp_path, 'sim = { source = "live" }') == ["sim.source"]
    ran = bot_process(tmp_path, 'sim = { source = "replay" }')
    assert ran.returncode == 3 and "no file is named" in ran.stderr


@proves("sim.seed")
def the_seed_decides_the_prices_and_nothing_else_does(tmp_path: Path) -> None:
    assert closes(market(sim__seed=7)) == closes(market(sim__seed=7))
    assert closes(market(sim__seed=7)) != closes(market(sim__seed=8))


@proves("sim.start_balance")
def start_balance_is_the_first_equity(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, {"sim.start_balance": 2500}) as desk:
        assert desk.cycle().snapshot.equity == 2500


@proves("sim.taker_fee", "sim.slippage_bps")
def taker_fee_and_slippage_are_what_a_market_order_costs(tmp_path: Path) -> None:
    def cost(**knobs: object) -> tuple[Decimal, Decimal]:
        exchange = market(**knobs)
        last = exchange.host.state.prices[SOL].last
        price = fill_price(exchange)
        return price - last, (10_000 - exchange.host.state.balances["trader"]) / price

    assert cost(sim__slippage_bps=0, sim__taker_fee=D("0.001")) == (0, D("0.001"))
    assert cost(sim__slippage_bps=0, sim__taker_fee=D("0.002")) == (0, D("0.002"))
    worse, _ = cost(sim__slippage_bps=50)
    assert D("0.7") < worse < D("0.8"), "half a percent of about 149"


@proves("sim.maker_fee")
def maker_fee_is_what_a_resting_order_pays(tmp_path: Path) -> None:
    paid = {}
    for fee in (D("0.0002"), D("-0.0001")):
        exchange = market(sim__maker_fee=fee)
        price = exchange.host.state.prices[SOL].last - D("0.05")
        place(exchange, OrderSide.BUY, "1", OrderType.LIMIT, price=price)
        for _ in range(40):
            exchange.step()
        (fill,) = exchange.host.account_events(0, 1)
        assert isinstance(fill, Fill) and fill.maker
        paid[fee] = fill.fee / fill.price
    assert paid == {fee: fee for fee in paid}


@proves("sim.funding_rate")
def funding_rate_is_paid_by_longs_every_eight_hours(tmp_path: Path) -> None:
    paid = {}
    for rate in (D(0), D("0.001")):
        with rig(folder(tmp_path, rate), None, {"sim.funding_rate": rate, "perps.enabled": False}) as desk:
            place(desk.embedded, OrderSide.BUY, "1")
            desk.step(97)  # eight hours of five-minute candles
            desk.cycle()
            paid[rate] = desk.read(ledger.totals).funding
    assert paid[D(0)] == 0 and paid[D("0.001")] < 0


@proves(*(f"sim.instruments.*.{name}" for name in SimInstrument.model_fields), "sim.instruments")
def a_declared_contract_is_listed_with_everything_that_was_declared(tmp_path: Path) -> None:
    declared = {
        "base": "MY", "quote": "USDT", "tick_size": "0.05", "qty_step": "0.2", "min_qty": "0.4", "min_notional": "7",
        "max_market_qty": "80", "max_leverage": "12", "maintenance_rate": "0.03", "start_price": "250",
    }  # fmt: skip
    exchange = market(sim__instruments={"MYCOINUSDT": declared}, perps__symbol="MYCOINUSDT", sim__seed=1)
    instrument = exchange.host.state.instruments["MYCOINUSDT"]
    assert (instrument.base, instrument.quote) == ("MY", "USDT")
    assert (instrument.tick_size, instrument.qty_step) == (D("0.05"), D("0.2"))
    assert (instrument.min_qty, instrument.min_notional, instrument.max_market_qty) == (D("0.4"), 7, 80)
    (tier,) = instrument.tiers
    assert (tier.max_leverage, tier.maintenance_rate) == (12, D("0.03"))
    assert set(declared) == set(SimInstrument.model_fields)
    other = market(sim__instruments={"MYCOINUSDT": {**declared, "start_price": "500"}}, perps__symbol="MYCOINUSDT")
    assert closes(exchange)[0] < 350 < closes(other)[0]


@proves("sim.clock")
def the_clock_says_who_moves_the_market(tmp_path: Path) -> None:
    now = [WALL_MS]
    config = configure({"sim.clock": "wall"})
    exchange = open_embedded(config, None, wall_ms=lambda: now[0])
    before = exchange.host.state.market_ms
    now[0] += 5 * MINUTE_MS
    exchange.step()
    assert exchange.clock.now_ms() == now[0] and exchange.host.state.market_ms - before >= 4 * MINUTE_MS
    stepped = market()
    assert stepped.clock.now_ms() != WALL_MS
    moved = stepped.host.state.market_ms
    stepped.step()
    assert stepped.host.state.market_ms == moved + FIVE_MS


test_the_knob_changes_what_it_says = proves.tested()
