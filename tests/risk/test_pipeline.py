"""The tables: their order, that they stop at the first refusal, and that no gate can be skipped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradectl.domain.signal import Admitted, SymbolRefusal
from tradectl.domain.system_state import Latch, LatchName
from tradectl.risk import pipeline
from tradectl.strategy.ma_cross import MaCross

D = Decimal
ORDER = (
    "enabled", "latches", "circuit_breaker", "daily_loss", "drawdown", "session_trades", "session_runtime",
    "history", "fresh", "new_candle", "confidence", "cooldown", "volatility", "spread", "occupied",
    "equity", "margin_ratio", "position_count", "liquidity", "leverage", "sizing",
    "cash_deploy", "single_margin", "aggregate_margin", "margin_budget", "available_margin", "exposure",
    "volume_share", "tier",
    "min_notional", "precision", "exit_plan", "daily_loss_room",
)  # fmt: skip


def test_an_entry_passes_every_gate_in_the_tables_order(world):
    sized = world.sized(world.ctx())
    assert tuple(verdict.gate for verdict in sized.verdicts) == ORDER
    assert all(verdict.passed and verdict.sentence for verdict in sized.verdicts)


# What makes one gate refuse, by what it changes: knobs, account, symbol context or signal.
FAULTS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "enabled": ("knobs", lambda w: {"perps.enabled": False}),
    "latches": ("account", lambda w: {"latches": (Latch(LatchName.PAUSE, "", "ann", 1, "lunch"),)}),
    "circuit_breaker": ("knobs", lambda w: {"perps.consecutive_loss_limit": 2}),
    "daily_loss": ("knobs", lambda w: {"trading.max_daily_risk": D("0.001")}),
    "drawdown": ("knobs", lambda w: {"risk_management.crisis_mode.drawdown_threshold": D("0.001")}),
    "session_trades": ("knobs", lambda w: {"perps.session_max_trades": 1}),
    "session_runtime": ("knobs", lambda w: {"perps.session_max_runtime_minutes": D(1)}),
    "history": ("ctx", lambda w: {"candles": w.candles[-20:]}),
    "fresh": ("ctx", lambda w: {"clock_skew_ms": 5000}),
    "new_candle": ("ctx", lambda w: {"processed_open_ms": w.candles[-1].open_ms}),
    "confidence": ("signal", lambda w: {"confidence": D("0.1")}),
    "cooldown": ("account", lambda w: {"signalled_ms": {w.symbol: w.now}}),
    "volatility": ("knobs", lambda w: {"risk_management.crisis_mode.volatility_multiplier": D("0.5")}),
    "spread": ("knobs", lambda w: {"market.max_spread_pct": D("0.00001")}),
    "occupied": ("ctx", lambda w: {"local_open": True}),
    "margin_ratio": ("knobs", lambda w: {"perps.max_margin_ratio": D("0.0001")}),
    "liquidity": ("knobs", lambda w: {"market.pinned": (), "market.tiers.c_min_volume_usd": D(200)}),
    "min_notional": ("knobs", lambda w: {"risk.min_notional_viable": D(1_000_000)}),
}


@settings(max_examples=150, deadline=None)
@given(faults=st.sets(st.sampled_from(sorted(FAULTS)), min_size=1))
def test_the_first_refusal_in_the_tables_order_ends_it(world, faults):
    changes: dict[str, dict[str, Any]] = {"knobs": {}, "account": {}, "ctx": {}, "signal": {}}
    for fault in faults:
        kind, change = FAULTS[fault]
        changes[kind].update(change(world))
    account = world.account(
        changes["knobs"],
        **{
            "snapshot": world.snapshot(maintenance=D(10)),
            "risk": world.risk(realised_today=D(-50), peak_equity=D(10_050), streak=2, streak_at_ms=0),
            "session_entries": 1,
            **changes["account"],
        },
    )
    ctx = replace(world.ctx(account), ticker=replace(world.ticker, quote_volume_24h=D(100)), **changes["ctx"])
    refused = world.refusal(ctx, world.signal(**changes["signal"]))
    assert refused.refused_by.gate == min(faults, key=ORDER.index)
    gates = tuple(verdict.gate for verdict in refused.verdicts)
    assert [verdict.passed for verdict in refused.verdicts] == [True] * (len(gates) - 1) + [False]
    assert gates == ORDER[: len(gates)]


def test_a_signal_is_never_admitted_past_an_earlier_refusal(world):
    ctx = world.ctx(world.account({"perps.enabled": False}))
    verdicts = pipeline.before_data(ctx.account, ctx.symbol)
    assert pipeline.refused(verdicts)
    result = pipeline.admit(ctx, world.signal(), verdicts)
    assert isinstance(result, SymbolRefusal) and result.refused_by.gate == "enabled"


def test_a_skipped_table_is_a_fault_of_ours_and_raises(world):
    ctx = world.ctx()
    with pytest.raises(ValueError, match="every gate before it"):
        pipeline.admit(ctx, world.signal(), pipeline.before_data(ctx.account, ctx.symbol))
    verdicts = pipeline.before_data(ctx.account, ctx.symbol) + pipeline.with_data(ctx)
    assert isinstance(pipeline.admit(ctx, world.signal(), verdicts), Admitted)


def test_candles_asked_for_cover_the_strategy_and_the_volatility_lookback(world):
    assert pipeline.candles_needed(world.configure(), 22) == 215
    short = world.configure({"risk_management.crisis_mode.lookback_bars": 10})
    assert pipeline.candles_needed(short, 22) == 101
    assert pipeline.candles_needed(short, 300) == 301


def test_a_symbol_without_a_signal_costs_little(world):
    account, strategy = world.account(), MaCross(9, 21)

    def once() -> float:
        begin = time.perf_counter()
        ctx = world.ctx(account)
        verdicts = pipeline.before_data(account, world.symbol) + pipeline.with_data(ctx)
        opinion = strategy.evaluate(world.symbol, ctx.candles)
        assert len(verdicts) == 10 and opinion.reasons
        return time.perf_counter() - begin

    # The budget is 100 µs on a quiet machine; the best of many, with room for a slow and busy one.
    assert min(once() for _ in range(300)) < 400e-6
