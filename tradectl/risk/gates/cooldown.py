"""After a signal was acted upon its symbol rests, and after a partial close no new position is opened at once."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.candle import HOUR_MS, MINUTE_MS
from tradectl.domain.signal import Signal, Verdict
from tradectl.risk.context import SymbolContext


def check(ctx: SymbolContext, signal: Signal) -> Verdict:
    account = ctx.account
    risk = account.config.risk
    waits = (
        ("signal", account.signalled_ms.get(ctx.symbol), int(risk.signal_cooldown_hours * HOUR_MS)),
        (
            "partial close",
            account.partially_closed_ms.get(ctx.symbol),
            int(risk.partial_close_cooldown_seconds * 1000),
        ),
    )
    for what, since, length in waits:
        if since is None or account.now_ms - since >= length:
            continue
        value, limit = _minutes(account.now_ms - since), _minutes(length)
        return Verdict(
            "cooldown",
            False,
            f"{ctx.symbol} cools down after its last {what}: {value:.1f} of {limit:.1f} minutes have passed",
            value,
            limit,
            value - limit,
            "minutes",
            context=(("symbol", ctx.symbol),),
        )
    last, length = waits[0][1], waits[0][2]
    if last is None:
        return Verdict("cooldown", True, "no cooldown runs", limit=_minutes(length), unit="minutes")
    value, limit = _minutes(account.now_ms - last), _minutes(length)
    sentence = f"the last signal was {value:.1f} minutes ago (cooldown {limit:.1f})"
    return Verdict("cooldown", True, sentence, value, limit, value - limit, "minutes")


def _minutes(ms: int) -> Decimal:
    return Decimal(ms) / MINUTE_MS
