"""The leverage an entry uses: the least of the operator's, the limits of account and liquidity tier, and the
instrument's first tier.

It is one number per symbol, whatever the size, because it is set once at the venue before the first order; where a
larger notional would need less, the tier cap shrinks the size instead (risk/caps.py).
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.liquidity import least_liquid
from tradectl.domain.money import ONE, ZERO
from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext
from tradectl.risk.liquidity import liquidity_of


def leverage_for(ctx: SymbolContext) -> Decimal:
    """The leverage used for the symbol; zero when the instrument lists no tier."""
    return min(ctx.account.config.perps.leverage, leverage_limit(ctx)[0]) if ctx.instrument.tiers else ZERO


def leverage_limit(ctx: SymbolContext) -> tuple[Decimal, str]:
    """The largest leverage allowed, and whose limit that is; the instrument lists a tier."""
    risk = ctx.account.config.risk
    limits = [
        (risk.max_leverage, "risk.max_leverage"),
        (ctx.instrument.tiers[0].max_leverage, "the venue's"),
    ]
    found = liquidity_of(ctx)
    of_tier = least_liquid(found.limits_of, risk.max_leverage_by_tier)
    if of_tier is not None:
        limits.append((of_tier, f"{found.sentence} {ctx.instrument.quote}"))
    return min(limits, key=lambda limit: limit[0])


def check(ctx: SymbolContext) -> Verdict:
    used = leverage_for(ctx)
    context = (("symbol", ctx.symbol),)
    if used < ONE:
        sentence = f"the venue's leverage tiers of {ctx.symbol} are not known: no entry"
        return Verdict("leverage", False, sentence, used, ONE, used - ONE, "leverage", context=context)
    limit, whose = leverage_limit(ctx)
    wanted = ctx.account.config.perps.leverage
    sentence = f"leverage {used}x (limit={limit}x)"
    if used < wanted:
        sentence = f"leverage {used}x, lowered from the {wanted}x configured (limit={limit}x: {whose})"
    return Verdict("leverage", True, sentence, used, limit, limit - used, "leverage")
