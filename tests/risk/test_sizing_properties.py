"""Promise 8: whatever is admitted, the account after the trade is within the limits that admitted it, in the same
definitions a Snapshot has, wherever between its worst and best price the venue fills and marks it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.money import is_multiple
from tradectl.domain.position import PositionFact, Side
from tradectl.domain.signal import Sized, SymbolRefusal
from tradectl.domain.snapshot import Snapshot, Ticker
from tradectl.risk.context import Costs, with_pending
from tradectl.risk.liquidity import liquidity_of

D = Decimal


def decimals(low: str, high: str, places: int = 4):
    return st.decimals(D(low), D(high), places=places, allow_nan=False, allow_infinity=False)


@st.composite
def knobs(draw):
    return {
        "perps.risk_pct": draw(decimals("0.0005", "0.2")),
        "perps.stop_loss_pct": draw(decimals("0.002", "0.1")),
        "perps.cash_deploy_cap": draw(decimals("0.05", "4")),
        "perps.leverage": D(draw(st.integers(1, 50))),
        "risk.max_leverage": D(draw(st.integers(1, 50))),
        "risk.max_single_position_margin_pct_equity": draw(decimals("0.05", "1")),
        "risk.max_aggregate_margin_pct_equity": draw(decimals("0.3", "1")),
        "risk.auction_max_margin_util": draw(decimals("0.3", "1")),
        "risk.max_exposure_pct": draw(decimals("0.5", "20")),
        "risk.max_concurrent_positions": draw(st.sampled_from([5, 6, 7, 8, 2])),
        "trading.max_daily_risk": D(1),
        "market.max_spread_pct": D(1),
        "market.pinned": draw(st.sampled_from([("SOL",), ()])),
        "risk.max_leverage_by_tier": draw(st.dictionaries(st.sampled_from("ABC"), st.integers(1, 50).map(D))),
        "risk.max_volume_share": draw(decimals("0.001", "1")),
    }


@st.composite
def markets(draw):
    price = draw(st.sampled_from([D(100), D(3000), D(7), D(60_000)])) * draw(decimals("0.5", "1.5"))
    tick = D("0.01")
    price = (price / tick).to_integral_value() * tick
    spread = tick * draw(st.integers(0, 3))
    mark = price * draw(decimals("0.998", "1.002"))
    step = draw(st.sampled_from([D("0.001"), D("0.01"), D("0.1"), D("0.03")]))
    instrument = Instrument(
        "SOLUSDT", "SOL", "USDT", tick, step, step * draw(st.integers(1, 5)), draw(decimals("0", "20", 0)),
        step * draw(st.sampled_from([5000, 700, 90, 40, 7])),
        (
            Tier(draw(decimals("500", "50000", 0)), D(50), D("0.005")),
            Tier(D(10_000_000), D(10), D("0.02"), D(300)),
        ),
    )  # fmt: skip
    volume = draw(st.none() | st.sampled_from([D(10**5), D(10**6), D(10**7), D(10**9)]))
    return instrument, Ticker("SOLUSDT", price, price + spread, price, mark, 0, volume)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    knobs=knobs(),
    market=markets(),
    side=st.sampled_from(list(Side)),
    confidence=decimals("0.45", "1", 2),
    equity=st.sampled_from([D(10_000), D(500), D(300_000)]).flatmap(
        lambda e: decimals("0.5", "2").map(lambda f: e * f)
    ),
    held=st.lists(st.tuples(decimals("0.01", "0.4"), st.integers(1, 10)), max_size=3),
    pending=decimals("0", "0.3"),
    where=st.tuples(st.sampled_from([D(0), D("0.4"), D(1)]), st.sampled_from([D(0), D("0.7"), D(1)])),
    costs=st.tuples(decimals("-0.0001", "0.002"), decimals("0", "0.003")),
)
def test_an_admitted_entry_leaves_the_account_within_every_limit(
    world, knobs, market, side, confidence, equity, held, pending, where, costs
):
    instrument, ticker = market
    positions = tuple(
        world.position(f"X{i}USDT", notional=equity * share, margin=equity * share / leverage)
        for i, (share, leverage) in enumerate(held)
    )
    before = world.snapshot(equity, positions)
    account = world.account(
        knobs,
        snapshot=before,
        risk=world.risk(day_start_equity=equity, peak_equity=equity),
        costs=Costs(*costs),
        pending_margin=equity * pending / 5,
        pending_notional=equity * pending,
        pending_symbols=frozenset({"PENDING"}) if pending else frozenset(),
    )
    ctx = world.ctx(account, instrument=instrument, ticker=replace(ticker, at_ms=world.now))
    signal = world.signal(side=side, confidence=confidence)
    result = world.size(ctx, signal)
    if isinstance(result, SymbolRefusal):
        assert not result.refused_by.passed and all(verdict.passed for verdict in result.verdicts[:-1])
        return
    assert isinstance(result, Sized) and all(verdict.passed for verdict in result.verdicts)
    config = account.config

    # The quantity itself.
    assert result.qty >= instrument.min_qty and is_multiple(result.qty, instrument.qty_step)
    assert sum(result.slices) == result.qty
    for part in result.slices:
        assert instrument.min_qty <= part <= instrument.max_market_qty and is_multiple(part, instrument.qty_step)
    assert result.risk_amount <= equity * config.perps.risk_pct * config.risk.confidence.high_scale
    assert (result.reference_price - result.stop_price) * side.sign > 0
    assert result.leverage <= min(config.perps.leverage, config.risk.max_leverage)
    traded = liquidity_of(ctx)
    assert traded.tier is not None and result.leverage <= config.risk.max_leverage_by_tier.get(traded.tier, D(125))
    assert result.leverage <= instrument.tier_for(result.notional).max_leverage

    # The account once it is filled and marked somewhere between the worst and the best price.
    after, position = fill(before, result, ctx, where)
    risk = config.risk
    assert position.initial_margin <= risk.max_single_position_margin_pct_equity * after.equity
    utilisation = (after.account.initial_margin + account.pending_margin) / after.equity
    assert utilisation <= risk.auction_max_margin_util
    total = sum(p.initial_margin for p in after.positions) + account.pending_margin
    assert total <= risk.max_aggregate_margin_pct_equity * after.equity
    assert after.notional + account.pending_notional <= risk.max_exposure_pct * after.equity
    assert position.notional <= config.perps.cash_deploy_cap * after.equity
    assert max(position.notional, result.notional) <= risk.max_volume_share * traded.volume
    assert len({p.symbol for p in after.positions} | account.pending_symbols) <= risk.max_concurrent_positions
    assert after.margin_utilisation is not None and after.margin_utilisation <= risk.auction_max_margin_util
    assert after.exposure is not None and after.exposure <= risk.max_exposure_pct


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    knobs=knobs(),
    market=markets(),
    costs=st.tuples(decimals("0", "0.002"), decimals("0", "0.003")),
    where=st.tuples(st.sampled_from([D(0), D(1)]), st.sampled_from([D(0), D(1)])),
)
def test_two_entries_of_one_cycle_are_within_the_limits_together(world, knobs, market, costs, where):
    instrument, ticker = market
    ticker = replace(ticker, ask=ticker.bid, last=ticker.bid, mark=ticker.bid, at_ms=world.now)
    account = world.account({**knobs, "risk.max_concurrent_positions": 2}, costs=Costs(*costs))
    first_ctx = world.ctx(account, instrument=instrument, ticker=ticker)
    first = world.size(first_ctx, world.signal())
    if not isinstance(first, Sized):
        return
    other = replace(first_ctx, account=with_pending(account, first), symbol="BTCUSDT")
    second = world.size(other, world.signal(symbol="BTCUSDT"))
    if not isinstance(second, Sized):
        return
    after, _ = fill(account.snapshot, first, first_ctx, where)
    after, _ = fill(after, second, other, where)
    risk = account.config.risk
    assert after.margin_utilisation is not None and after.margin_utilisation <= risk.auction_max_margin_util
    assert sum(p.initial_margin for p in after.positions) <= risk.max_aggregate_margin_pct_equity * after.equity
    assert after.exposure is not None and after.exposure <= risk.max_exposure_pct
    assert len(after.positions) == 2


def fill(before: Snapshot, sized: Sized, ctx, where) -> tuple[Snapshot, PositionFact]:
    costs, ticker = ctx.account.costs, ctx.ticker
    quotes = (ticker.bid, ticker.ask, ticker.last, ticker.mark)
    low, high = min(quotes) * (1 - costs.slippage), max(quotes) * (1 + costs.slippage)
    price, mark = (low + (high - low) * share for share in where)
    margin = sized.qty * price / sized.leverage
    gain = sized.qty * (mark - price) * sized.side.sign
    fee = sized.qty * price * max(costs.taker_fee, D(0))
    signed = sized.qty * sized.side.sign
    position = PositionFact(
        ctx.symbol, signed, price, mark, gain, margin, D(0), sized.leverage, "isolated", None, before.at_ms
    )
    account = replace(
        before.account,
        wallet_balance=before.account.wallet_balance - fee,
        unrealised=before.account.unrealised + gain,
        initial_margin=before.account.initial_margin + margin,
    )
    return replace(before, account=account, positions=(*before.positions, position)), position
