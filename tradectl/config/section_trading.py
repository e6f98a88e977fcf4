"""The knobs that decide an entry, its size and its exit: perps, trading, risk_management, risk, exits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Literal

from tradectl.config.knob import Section, group, knob

Interval = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"]
D = Decimal
SYMBOL = r"[A-Z0-9]*[A-Z][A-Z0-9]*"
SYMBOL_SAYS = "capital letters and digits, like BTCUSDT"

_perps = partial(knob, camel=True)
_mtf = partial(knob, step="strategy mtf_atr", available=False)


class MtfAtr(Section):
    trend_interval: Interval = _mtf("1h", "choice", "candles on which the trend is read")
    trend_ema_period: int = _mtf(200, "bars", "average whose side is the trend", low=2, high=1000)
    entry_ema_period: int = _mtf(21, "bars", "average that an entry crosses", low=2, high=1000)
    atr_period: int = _mtf(14, "bars", "period of the average true range", low=2, high=500)
    stop_atr_multiple: Decimal = _mtf(D("1.5"), "multiple", "stop distance in ATRs", above=0, high=20)
    target_atr_multiple: Decimal = _mtf(D("3"), "multiple", "target distance in ATRs", above=0, high=50)


class Perps(Section):
    enabled: bool = _perps(
        True,
        "switch",
        "whether entries are placed; if not, the bot starts, says so and protects",
        step="cycle: enabled",
    )
    use_testnet: bool = _perps(
        True,
        "switch",
        "must be true in testnet mode and false in live modes",
        step="mode check of testnet and live",
        available=False,
    )
    symbol: str = _perps(
        "SOLUSDT",
        "name",
        "the market traded when market.candidate_symbols is empty",
        step="cycle",
        pattern=SYMBOL,
        says=SYMBOL_SAYS,
    )
    interval: Interval = _perps("5m", "choice", "length of the candles the strategy reads", step="cycle: candles")
    position_idx: int = _perps(
        0, "choice", "0 is one-way mode; hedge mode is 1 and 2", step="venue orders", low=0, high=2, available=False
    )
    margin_mode: Literal["isolated", "cross"] = _perps(
        "isolated",
        "choice",
        "margin of its own per position, or one pool for the account",
        step="execution: confirmed per symbol before the first order",
        unavailable_values=("cross",),
    )
    leverage: Decimal = _perps(
        D(5),
        "leverage",
        "set once per symbol before its first order, never while it holds a position",
        step="sizing; execution: confirmed per symbol before the first order",
        low=1,
        high=125,
    )
    risk_pct: Decimal = _perps(
        D("0.005"), "fraction", "equity at risk per trade; size = risk / stop distance", step="sizing", above=0, high=1
    )
    stop_loss_pct: Decimal = _perps(
        D("0.01"), "fraction", "distance of the stop from the entry", step="exit_plan", above=0, high="0.5"
    )
    take_profit_pct: Decimal = _perps(
        D("0.02"), "fraction", "distance of the target from the entry", step="exit_plan", above=0, high=1
    )
    cash_deploy_cap: Decimal = _perps(
        D("0.50"),
        "fraction",
        "notional of one trade at most this share of equity",
        step="sizing caps",
        above=0,
        high=4,
    )
    trigger_by: Literal["LastPrice", "MarkPrice", "IndexPrice"] = _perps(
        "LastPrice",
        "choice",
        "price that triggers stop and target",
        step="exit orders",
    )
    fast_period: int = _perps(9, "bars", "fast average of ma_cross", step="strategy ma_cross", low=1, high=1000)
    slow_period: int = _perps(21, "bars", "slow average of ma_cross", step="strategy ma_cross", low=2, high=1000)
    early_exit_on_cross: bool = _perps(
        False, "switch", "leave when the fast average crosses under the slow one", step="cycle: early exit"
    )
    consecutive_loss_limit: int | None = _perps(
        None,
        "count",
        "no entries after this many losing trades in a row",
        step="gate circuit_breaker",
        low=1,
        high=1000,
    )
    consecutive_loss_cooldown_hours: Decimal | None = _perps(
        None,
        "hours",
        "the streak ends by itself after this long; without it only `state reset --scope streak` ends it",
        step="gate circuit_breaker",
        above=0,
        high=8760,
    )
    max_margin_ratio: Decimal = _perps(
        D("0.80"),
        "fraction",
        "no entry while maintenance margin / equity is above it",
        step="gate margin_ratio",
        above=0,
        high=1,
    )
    max_requests_per_second: int = _perps(
        5, "count", "requests to the venue in any second", step="venue pace", low=1, high=1000
    )
    max_requests_per_minute: int = _perps(
        60, "count", "requests to the venue in any minute", step="venue pace", low=1, high=60000
    )
    session_max_trades: int | None = _perps(
        None, "count", "no new entries after this many in the session", step="gate session_trades", low=1, high=1000000
    )
    session_max_runtime_minutes: Decimal | None = _perps(
        None,
        "minutes",
        "no new entries after the session ran this long",
        step="gate session_runtime",
        above=0,
        high=525600,
    )
    use_multi_tf_atr_strategy: bool = _perps(
        False, "switch", "trade mtf_atr instead of ma_cross", step="strategy choice", available=False
    )
    mtf_atr: MtfAtr = group(MtfAtr)


class Trading(Section):
    max_daily_risk: Decimal = knob(
        D("0.05"),
        "fraction",
        "largest loss of a UTC day, of the equity it began with; warned of at 70% of it",
        step="gate daily_loss",
        above=0,
        high=1,
    )


class CrisisMode(Section):
    drawdown_threshold: Decimal = knob(
        D("0.10"),
        "fraction",
        "no entry at or beyond this fall from the peak equity",
        step="gate drawdown",
        above=0,
        high=1,
    )
    volatility_multiplier: Decimal = knob(
        D("3.0"),
        "multiple",
        "no entry while ATR% exceeds this multiple of its own median",
        step="gate volatility",
        above=0,
        high=1000,
    )
    atr_period: int = knob(14, "bars", "period of the average true range", step="gate volatility", low=2, high=500)
    lookback_bars: int = knob(200, "bars", "how far back the median looks", step="gate volatility", low=10, high=5000)


class RiskManagement(Section):
    crisis_mode: CrisisMode = group(CrisisMode)


class Confidence(Section):
    floor: Decimal = knob(D("0.45"), "fraction", "signals below it are refused", step="gate confidence", low=0, high=1)
    high: Decimal = knob(
        D("0.85"), "fraction", "from here on the size is scaled by high_scale", step="sizing", low=0, high=1
    )
    high_scale: Decimal = knob(D("1.5"), "multiple", "size of a confident signal", step="sizing", low=1, high=3)
    low: Decimal = knob(D("0.60"), "fraction", "below it the size is scaled by low_scale", step="sizing", low=0, high=1)
    low_scale: Decimal = knob(D("0.5"), "multiple", "size of a doubtful signal", step="sizing", above=0, high=1)


class SizeByTier(Section):
    """Sizes of the less liquid tiers, of what tier A would have; also where the 24 h volume is not known (tier C)."""

    a: Decimal = knob(D(1), "multiple", "size in a market of tier A", step="sizing", above=0, high=1)
    b: Decimal = knob(D("0.5"), "multiple", "size in a market of tier B", step="sizing", above=0, high=1)
    c: Decimal = knob(D("0.25"), "multiple", "size in a market of tier C", step="sizing", above=0, high=1)


class Risk(Section):
    auction_max_margin_util: Decimal = knob(
        D("0.90"),
        "fraction",
        "initial margin of the whole book after an entry, of equity",
        step="sizing caps",
        above=0,
        high=1,
    )
    max_single_position_margin_pct_equity: Decimal = knob(
        D("0.25"), "fraction", "margin of one position, of equity", step="sizing caps", above=0, high=1
    )
    max_aggregate_margin_pct_equity: Decimal = knob(
        D("0.90"), "fraction", "margin of all positions together, of equity", step="sizing caps", above=0, high=1
    )
    max_exposure_pct: Decimal = knob(
        D("2.00"),
        "fraction",
        "notional of all positions together, of equity (2 is 200%)",
        step="sizing caps",
        above=0,
        high=20,
    )
    max_concurrent_positions: int = knob(
        10, "count", "positions and pending entries at one time", step="gate position_count", low=1, high=1000
    )
    min_notional_viable: Decimal = knob(
        D(10), "quote", "smaller trades are refused as dust, after the caps", step="sizing: min_notional", low=0
    )
    max_leverage: Decimal = knob(
        D(30), "leverage", "leverage used at most, whatever perps.leverage says", step="sizing caps", low=1, high=125
    )
    max_leverage_by_tier: Mapping[str, Decimal] = knob(
        {},
        "table",
        "leverage used at most, per liquidity tier; a less liquid one never has more",
        step="sizing: leverage",
        low=1,
        high=125,
        pattern="[ABC]",
        says="A, B or C",
    )
    size_by_tier: SizeByTier = group(SizeByTier)
    max_volume_share: Decimal = knob(
        D("0.01"),
        "fraction",
        "notional of one position, of what its market trades in 24 h",
        step="sizing caps",
        above=0,
        high=1,
    )
    max_position_usd: Decimal | None = knob(
        None, "usd", "margin of one position at most, in dollars", step="sizing caps", above=0
    )
    min_position_usd: Decimal | None = knob(
        None, "usd", "margin of one position at least, in dollars", step="sizing caps", above=0
    )
    confidence: Confidence = group(Confidence)
    signal_cooldown_hours: Decimal = knob(
        D(4), "hours", "pause of a symbol after a signal", step="gate cooldown", low=0, high=8760
    )
    partial_close_cooldown_seconds: int = knob(
        0,
        "seconds",
        "no new opens, of any symbol, for this long after a partial close",
        step="gate cooldown",
        low=0,
        high=604800,
    )


class Target(Section):
    distance_r: Decimal = knob(
        D(1), "R", "distance from the entry in stop distances", step="exit orders", above=0, high=100
    )
    fraction: Decimal = knob(
        D(1), "fraction", "share of the position closed there", step="exit orders", above=0, high=1
    )


class Exits(Section):
    targets: tuple[Target, ...] = knob(
        (),
        "list",
        "targets in order, the nearest first, two at most; none is one target at perps.takeProfitPct",
        step="exit_plan",
    )
    break_even_after_tp1: bool = knob(
        True,
        "switch",
        "after the first of several targets the stop moves to entry with fees",
        step="position management",
    )
    trailing_activation_atr_min: Decimal = knob(
        D(0),
        "fraction",
        "ATR, of the price, from which the stop trails once the first target is hit; 0 is off",
        step="position management",
        low=0,
        high=1,
    )
    trailing_atr_multiple: Decimal = knob(
        D("2.0"),
        "multiple",
        "distance of the trailing stop in ATRs",
        step="position management",
        above=0,
        high=100,
    )
