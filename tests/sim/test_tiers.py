"""Leverage and maintenance follow the tier of the notional, at the price that each rule is about."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from exchange_kit import BUY, INSTRUMENTS, LIMIT, SELL, STOP, Begin, Bench, D, code, contract, order
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from tradectl.domain.fill import FillKind
from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.position import Lot
from tradectl.sim import views
from tradectl.sim.margin import liquidation_price, maintenance
from tradectl.sim.ops import SetLeverage, SetMarginMode
from tradectl.sim.state import CROSS

STEEP = (
    Tier(D(10_000), D(50), D("0.01")),
    Tier(D(100_000), D(20), D("0.025"), D(150)),
    Tier(D(1_000_000), D(10), D("0.05"), D(2650)),
)


def tiered(leverage: str, *, cross: bool = False, start: int = 1_000_000) -> Bench:
    """SOL in three tiers, BTC beside it; both at 100 and 1000."""
    bench = Bench(rules=Begin(start_balance=D(start)))
    bench.state = replace(
        bench.state, instruments={**INSTRUMENTS, "SOLUSDT": replace(INSTRUMENTS["SOLUSDT"], tiers=STEEP)}
    )
    bench.at("1000", "BTCUSDT")
    for symbol in INSTRUMENTS:
        assert bench.do(SetLeverage(symbol, D(leverage))) is None
        if cross:
            assert bench.do(SetMarginMode(symbol, CROSS)) is None
    return bench


@st.composite
def tables(draw: st.DrawFn) -> tuple[Tier, ...]:
    """Rising caps and rates; with amounts that make maintenance continuous, or with none, so that it jumps."""
    caps = sorted(draw(st.sets(st.integers(5, 4000), min_size=1, max_size=5)))
    rates = sorted(draw(st.sets(st.integers(1, 50), min_size=len(caps), max_size=len(caps))))
    smooth = draw(st.booleans())
    tiers: list[Tier] = []
    for cap, percent in zip(caps, rates, strict=True):
        rate, amount = D(percent) / 100, D(0)
        if smooth and tiers:
            amount = tiers[-1].maintenance_amount + tiers[-1].notional_cap * (rate - tiers[-1].maintenance_rate)
        tiers.append(Tier(D(cap), D(10), rate, amount))
    return tuple(tiers)


@settings(max_examples=500, deadline=None)
@given(tiers=tables(), qty=st.sampled_from([-12, -3, -1, 1, 2, 10]), near=st.integers(20, 300), share=st.data())
def test_the_liquidation_price_is_the_first_price_under_water_on_the_way(
    tiers: tuple[Tier, ...], qty: int, near: int, share: st.DataObject
) -> None:
    """Against a walk over whole prices and both sides of every cap, halved down where it first goes under."""
    instrument = contract("XUSDT", "0.1", "0.1", *tiers)
    lot = Lot(D(qty), D(qty) * share.draw(st.integers(20, 300)))
    backing = D(share.draw(st.integers(-2000, 4000)))

    def under(price: Decimal) -> bool:
        return backing + lot.unrealised(price) <= maintenance(instrument, lot, price)

    assume(not under(D(near)))
    found = liquidation_price(instrument, lot, backing, near=D(near))
    just = D("1E-9")
    edges = [tier.notional_cap / abs(qty) for tier in tiers]
    walk = {D(whole) for whole in range(1, 2000)} | set(edges) | {edge + just for edge in edges}
    ahead = sorted((p for p in walk if (p - near) * qty < 0), reverse=qty > 0)
    safe = D(near)
    for price in ahead:
        if under(price):
            while abs(price - safe) > just:
                middle = (price + safe) / 2
                safe, price = (safe, middle) if under(middle) else (middle, price)
            assert abs(found - price) <= 2 * just
            return
        safe = price
    assert found < safe if qty > 0 else found > safe


@settings(max_examples=200, deadline=None)
@given(tiers=tables(), qty=st.sampled_from([-12, -3, 2, 10]), near=st.integers(20, 300), share=st.data())
def test_under_water_already_the_threshold_lies_back_towards_the_market(
    tiers: tuple[Tier, ...], qty: int, near: int, share: st.DataObject
) -> None:
    instrument = contract("XUSDT", "0.1", "0.1", *tiers)
    lot = Lot(D(qty), D(qty) * share.draw(st.integers(20, 300)))
    backing = D(share.draw(st.integers(-500, 1000)))

    def under(price: Decimal) -> bool:
        return backing + lot.unrealised(price) <= maintenance(instrument, lot, price)

    assume(under(D(near)))
    found = liquidation_price(instrument, lot, backing, near=D(near))
    towards = 1 if qty > 0 else -1
    assert (found - near) * towards >= 0
    if found > D("0.001"):  # a short that no price saves has none above zero
        assert under(found - towards * D("1E-9")) != under(found + towards * D("1E-9"))


@pytest.mark.parametrize("cross", [False, True])
@settings(max_examples=60, deadline=None)
@given(
    side=st.sampled_from([BUY, SELL]),
    qty=st.integers(1, 1000),
    beside=st.sampled_from([0, -9, 9]),
    moved=st.integers(-15, 15),
)
def test_a_position_dies_at_the_price_that_was_shown_and_not_a_tick_before(cross, side, qty, beside, moved) -> None:
    bench = tiered("10", cross=cross, start=60_000)
    if beside:
        bench.place(BUY if beside > 0 else SELL, str(abs(beside)), symbol="BTCUSDT")
    assert order(bench.place(side, str(qty))).filled_qty == qty
    bench.at(str(1000 + 10 * moved), "BTCUSDT")
    position = views.snapshot(bench.state).position("SOLUSDT")
    shown = position.liquidation_price if position is not None else None
    if shown is None:
        reject()
    alive = bench.state
    tick = D("0.01") * side.sign
    bench.at(str(shown + tick))
    assert bench.qty() == qty * side.sign
    bench.state = alive
    bench.at(str(shown - tick))  # shown on the tick nearer to the market, which may be the very threshold
    assert any(fill.kind is FillKind.LIQUIDATION for fill in bench.fills)


@pytest.mark.parametrize("cross", [False, True])
def test_maintenance_is_that_of_the_tier_at_the_mark(cross: bool) -> None:
    bench = tiered("10", cross=cross)
    bench.place(BUY, "90")
    for price, expected in (("100", D(90)), ("111", D("99.9")), ("120", D("10800") * D("0.025") - 150)):
        bench.at(price)
        seen = views.snapshot(bench.state)
        assert seen.positions[0].maintenance_margin == seen.account.maintenance_margin == expected


@pytest.mark.parametrize("cross", [False, True])
def test_leverage_above_what_the_tier_of_the_position_allows_is_refused(cross: bool) -> None:
    bench = tiered("50", cross=cross)
    assert order(bench.place(BUY, "90")).filled_qty == 90
    assert code(bench.place(BUY, "90")) == "leverage_too_high"
    assert code(bench.place(BUY, "12", STOP, trigger="110")) == "leverage_too_high", "at the price it would trade at"
    assert order(bench.place(BUY, "12", LIMIT, price="90")).price == 90
    assert order(bench.place(SELL, "180")).filled_qty == 180, "turned round it is 90 again"


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize(("type_", "more"), [(LIMIT, {"price": "99.5"}), (STOP, {"trigger": "100.5"})])
def test_a_resting_order_that_would_outgrow_its_tier_when_it_fills_is_cancelled(cross: bool, type_, more) -> None:
    bench = tiered("50", cross=cross)
    resting = order(bench.place(BUY, "60", type_, **more))
    bench.place(BUY, "60")
    bench.bar("100", "100.6", "99.4", "100")
    assert (bench.qty(), bench.ended[resting.order_id].reason) == (60, "leverage_too_high")
    assert all(one.reserved == 0 for one in bench.state.orders.values())


def test_an_order_that_reduces_asks_for_no_tier() -> None:
    bench = tiered("20")
    bench.place(BUY, "90")
    bench.at("2000")  # far beyond what 20× allows
    assert order(bench.place(SELL, "50", reduce=True)).filled_qty == 50
    assert order(bench.place(SELL, "40")).filled_qty == 40


def test_shipped_tables_have_one_liquidation_price_each() -> None:
    """Continuous maintenance: where the search begins makes no difference."""
    from tradectl.sim.instruments import shipped

    def at(instrument: Instrument, near: str) -> Decimal:
        return liquidation_price(instrument, Lot(D(1000), D(1000) * 60_000), D(6_000_000), near=D(near))

    for instrument in shipped().values():
        assert at(instrument, "60000") == at(instrument, "1") == at(instrument, "900000")
