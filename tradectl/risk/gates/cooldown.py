"""After a signal was acted upon its symbol rests; after a partial close, of whatever symbol, nothing new is opened."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.candle import HOUR_MS, MINUTE_MS
from tradectl.domain.signal import Signal, Verdict
from tradectl.risk.context import SymbolContext


def check(ctx: SymbolContext, signal: Signal) -> Verdict:
    account = ctx.account
    risk = account.config.risk
    last, length = account.signalled_ms.get(ctx.symbol), int(risk.signal_cooldown_hours * HOUR_MS)
    if last is not None and account.now_ms - last < length:
        return _refusal(ctx, f"{ctx.symbol} cools down after its last signal", last, length)
    closed = max(account.partially_closed_ms.items(), key=lambda item: item[1], default=None)
    rest = risk.partial_close_cooldown_seconds * 1000
    if closed is not None and account.now_ms - closed[1] < rest:
        return _refusal(ctx, f"no new opens after the last partial close ({closed[0]})", closed[1], rest)
    if last is None:
        return Verdict("cooldown", True, "no cooldown runs", limit=_minutes(length), unit="minutes")
    value, limit = _minutes(account.now_ms - last), _minutes(length)
    sentence = f"the last signal was {value:.1f} minutes ago (cooldown {limit:.1f})"
    return Verdict("cooldown", True, sentence, value, limit, value - limit, "minutes")


def _refusal(ctx: SymbolContext, why: str, since_ms: int, length_ms: int) -> Verdict:
    value, limit = _minutes(ctx.account.now_ms - since_ms), _minutes(length_ms)
    sentence = f"{why}: {value:.1f} of {limit:.1f} minutes have passed"
    context = (("symbol", ctx.symbol),)
    return Verdict("cooldown", False, sentence, value, limit, value - limit, "minutes", context=context)


def _minutes(ms: int) -> Decimal:
    return Decimal(ms) / MINUTE_MS
