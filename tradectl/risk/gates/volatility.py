"""No entries while the market is wilder than its own habit: current ATR% against a multiple of its median.

ATR is Wilder's over `atr_period`; ATR% is ATR / close. The median is taken over the last `lookback_bars` values of
ATR%, the current one included. With less history than that the median is taken over what there is, from
`atr_period` + 35 candles on; with less still there is no habit to compare with, and the gate passes and says so: it
guards against extremes, other gates guard the account.
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.config.schema import Config
from tradectl.domain import indicators
from tradectl.domain.signal import Signal, Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import SymbolContext
from tradectl.risk.gates.history import MIN_CANDLES

_QUANTUM = Decimal("0.0001")  # indicators are floats; the limit is compared at four decimals


def needs(config: Config) -> int:
    """Closed candles for a full lookback: the first ATR needs `atr_period` true ranges, and those one close more."""
    crisis = config.risk_management.crisis_mode
    return int(crisis.atr_period + crisis.lookback_bars)


def check(ctx: SymbolContext, signal: Signal) -> Verdict:
    crisis = ctx.account.config.risk_management.crisis_mode
    limit = crisis.volatility_multiplier
    enough = crisis.atr_period + MIN_CANDLES
    if len(ctx.candles) < enough:
        sentence = f"volatility not judged: {len(ctx.candles)} closed candles, {enough} are needed"
        return Verdict("volatility", True, sentence, limit=limit, unit="multiple")
    candles = ctx.candles[-needs(ctx.account.config) :]
    shares = indicators.atr_percent(candles, crisis.atr_period)
    habit = indicators.median(shares)
    if habit <= 0:
        return Verdict(
            "volatility", True, "volatility not judged: the market has not moved", limit=limit, unit="multiple"
        )
    value = Decimal(shares[-1] / habit).quantize(_QUANTUM)
    if value <= limit:
        sentence = f"ATR {shares[-1]:.2%} is {value:.2f}× its median {habit:.2%} (limit={limit:.2f}×)"
        return Verdict("volatility", True, sentence, value, limit, limit - value, "multiple")
    return Verdict(
        "volatility",
        False,
        f"ATR {shares[-1]:.2%} is {value:.2f}× its median {habit:.2%}, above limit {limit:.2f}×",
        value,
        limit,
        limit - value,
        "multiple",
        Tag.SAFETY_VOLATILITY,
        (("symbol", ctx.symbol), ("bars", str(len(shares)))),
        f"Volatility {value:.2f}× its median exceeded limit {limit:.2f}×",
    )
