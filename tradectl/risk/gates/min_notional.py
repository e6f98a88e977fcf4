"""Dust is refused after the caps: below the operator's viable minimum, the venue's, or the least margin set."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext
from tradectl.risk.terms import Terms


def least_notional(ctx: SymbolContext, terms: Terms) -> tuple[Decimal, str]:
    """The smallest notional worth an order (quote currency), and which minimum demands it."""
    risk = ctx.account.config.risk
    minimums = [
        (risk.min_notional_viable, "risk.min_notional_viable"),
        (ctx.instrument.min_notional, "the venue's minimum"),
    ]
    if risk.min_position_usd is not None:
        minimums.append((risk.min_position_usd * terms.leverage, "risk.min_position_usd"))
    return max(minimums, key=lambda minimum: minimum[0])


def check(ctx: SymbolContext, terms: Terms, qty: Decimal) -> Verdict:
    limit, whose = least_notional(ctx, terms)
    value = qty * terms.low
    currency = ctx.instrument.quote
    if value >= limit:
        sentence = f"notional {value:.2f} {currency} (at least {limit:.2f}, {whose})"
        return Verdict("min_notional", True, sentence, value, limit, value - limit, "quote")
    return Verdict(
        "min_notional",
        False,
        f"notional {value:.2f} {currency} is below the minimum {limit:.2f} ({whose}): dust, skipping entry",
        value,
        limit,
        value - limit,
        "quote",
        context=(("symbol", ctx.symbol),),
    )
