"""No decision on old data, nor across clocks that disagree.

A candle that opened at t closes at t + interval, and its successor is expected at t + 2 × interval: the data is late
by what has passed since then. Ticker and snapshot are late by their age. The greatest lateness is the value shown.
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext


def check(ctx: SymbolContext) -> Verdict:
    account = ctx.account
    config, now = account.config, account.now_ms
    skew, max_skew = abs(ctx.clock_skew_ms), config.venue.max_clock_skew_ms
    if skew > max_skew:
        sentence = f"clock skew {ctx.clock_skew_ms} ms is beyond the bound of {max_skew} ms"
        return _refusal(ctx, sentence, skew, max_skew)
    limit = int(config.safety.max_data_age_seconds * 1000)
    if not ctx.candles:
        return _refusal(ctx, "there is no closed candle", limit + 1, limit)
    candle_late = now - (ctx.candles[-1].open_ms + 2 * ctx.interval_ms)
    ticker_age = now - ctx.ticker.at_ms
    snapshot_age = now - account.snapshot.at_ms
    youngest = min(ticker_age, snapshot_age)
    if youngest < -max_skew:
        sentence = f"data from the future: {-youngest} ms ahead of the clock (bound {max_skew} ms)"
        return _refusal(ctx, sentence, -youngest, max_skew)
    age = max(candle_late, ticker_age, snapshot_age, 0)
    if age > limit:
        what = "last candle" if age == candle_late else "ticker" if age == ticker_age else "account snapshot"
        return _refusal(ctx, f"the {what} is {age / 1000:.1f} s late (limit={limit / 1000:.0f} s)", age, limit)
    sentence = f"data is {age / 1000:.1f} s late at most (limit={limit / 1000:.0f} s)"
    value, bound = Decimal(age), Decimal(limit)
    return Verdict("fresh", True, sentence, value, bound, bound - value, "ms")


def _refusal(ctx: SymbolContext, sentence: str, value: int, limit: int) -> Verdict:
    context = (("symbol", ctx.symbol),)
    return Verdict(
        "fresh", False, sentence, Decimal(value), Decimal(limit), Decimal(limit - value), "ms", context=context
    )
