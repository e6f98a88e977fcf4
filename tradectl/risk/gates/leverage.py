"""The leverage an entry uses: the least of the operator's, the limit, and the instrument's first tier.

It is one number per symbol, whatever the size, because it is set once at the venue before the first order; where a
larger notional would need less, the tier cap shrinks the size instead (risk/caps.py).
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.money import ONE, ZERO
from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext


def leverage_for(ctx: SymbolContext) -> Decimal:
    """The leverage used for the symbol; zero when the instrument lists no tier."""
    config, tiers = ctx.account.config, ctx.instrument.tiers
    return min(config.perps.leverage, config.risk.max_leverage, tiers[0].max_leverage) if tiers else ZERO


def check(ctx: SymbolContext) -> Verdict:
    config = ctx.account.config
    used = leverage_for(ctx)
    context = (("symbol", ctx.symbol),)
    if used < ONE:
        sentence = f"the venue's leverage tiers of {ctx.symbol} are not known: no entry"
        return Verdict("leverage", False, sentence, used, ONE, used - ONE, "leverage", context=context)
    limit = min(config.risk.max_leverage, ctx.instrument.tiers[0].max_leverage)
    wanted = config.perps.leverage
    sentence = f"leverage {used}x (limit={limit}x)"
    if used < wanted:
        sentence = f"leverage {used}x, lowered from the {wanted}x configured (limit={limit}x)"
    return Verdict("leverage", True, sentence, used, limit, limit - used, "leverage")
