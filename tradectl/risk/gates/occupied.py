"""One position per symbol: held, ordered, or perhaps ordered, whatever the local books say (promises 3 and 4)."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.signal import Signal, Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import SymbolContext

_NONE, _ONE = Decimal(0), Decimal(1)


def check(ctx: SymbolContext, signal: Signal) -> Verdict:
    why = _occupant(ctx)
    if why is None:
        sentence = f"{ctx.symbol} is free: no position, no order that adds exposure, nothing in doubt"
        return Verdict("occupied", True, sentence, _NONE, _ONE, _ONE, "count")
    return Verdict(
        "occupied",
        False,
        f"{why}; duplicate entry prevented",
        _ONE,
        _ONE,
        _NONE,
        "count",
        Tag.SAFETY_EXPOSURE_BLOCK,
        (("symbol", ctx.symbol),),
    )


def _occupant(ctx: SymbolContext) -> str | None:
    account, symbol = ctx.account, ctx.symbol
    for position in account.snapshot.positions:
        if position.symbol == symbol and position.qty:
            return f"the venue holds a {position.side} position of {abs(position.qty)} {symbol}"
    for order in account.snapshot.orders:
        if order.symbol == symbol and order.can_add_exposure and order.status.open:
            return f"order {order.order_id} at the venue can add exposure to {symbol}"
    doubts = account.in_doubt.get(symbol, 0)
    if doubts:
        return f"the outcome of {doubts} entry order{'s' if doubts > 1 else ''} for {symbol} is not known yet"
    if symbol in account.pending_symbols:
        return f"an entry for {symbol} is pending"
    if ctx.local_open:
        return f"the ledger holds an open trade for {symbol}"
    return None
