"""Limits are fractions of equity (promise 8): without equity there is nothing to measure against."""

from __future__ import annotations

from tradectl.domain.money import ZERO
from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext


def check(ctx: SymbolContext) -> Verdict:
    value = ctx.account.equity
    currency = ctx.account.snapshot.account.currency
    if value > 0:
        return Verdict("equity", True, f"equity {value:.2f} {currency}", value, ZERO, value, "quote")
    return Verdict(
        "equity",
        False,
        f"Wallet equity unavailable: {value:.2f} {currency}, skipping entry",
        value,
        ZERO,
        value,
        "quote",
        context=(("symbol", ctx.symbol),),
    )
