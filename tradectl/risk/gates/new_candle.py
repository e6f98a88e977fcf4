"""A candle is decided upon once, also across a restart: the newest one processed is kept in the store."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.candle import utc_text
from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext


def check(ctx: SymbolContext) -> Verdict:
    if not ctx.candles:
        return Verdict("new_candle", False, "there is no closed candle", context=(("symbol", ctx.symbol),))
    newest = ctx.candles[-1].open_ms
    processed = ctx.processed_open_ms
    if processed is None:
        return Verdict("new_candle", True, "the first candle decided upon", Decimal(newest), unit="ms")
    value, limit = Decimal(newest), Decimal(processed)
    if newest > processed:
        return Verdict("new_candle", True, "a new candle has closed", value, limit, value - limit, "ms")
    return Verdict(
        "new_candle",
        False,
        f"the candle of {utc_text(newest)} was already processed",
        value,
        limit,
        value - limit,
        "ms",
        context=(("symbol", ctx.symbol),),
    )
