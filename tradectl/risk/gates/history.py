"""Averages of too few candles are opinions about nothing: 35 closed ones at least, and what the strategy needs more
it says itself."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext

MIN_CANDLES = 35
_LIMIT = Decimal(MIN_CANDLES)


def check(ctx: SymbolContext) -> Verdict:
    count = len(ctx.candles)
    value = Decimal(count)
    if count >= MIN_CANDLES:
        sentence = f"{count} closed candles (at least {MIN_CANDLES})"
        return Verdict("history", True, sentence, value, _LIMIT, value - _LIMIT, "count")
    return Verdict(
        "history",
        False,
        f"Insufficient klines data: {count} closed candles (at least {MIN_CANDLES})",
        value,
        _LIMIT,
        value - _LIMIT,
        "count",
        context=(("symbol", ctx.symbol),),
    )
