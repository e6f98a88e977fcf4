"""A market that trades too little to be left again in a hurry is not entered; pinned ones always are."""

from __future__ import annotations

from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext
from tradectl.risk.liquidity import liquidity_of


def check(ctx: SymbolContext) -> Verdict:
    found, currency = liquidity_of(ctx), ctx.instrument.quote
    limit = ctx.account.config.market.tiers.c_min_volume_usd
    headroom = found.volume - limit
    if found.tier is not None:
        sentence = f"{found.sentence} {currency} (lowest tier from {limit:.0f})"
        return Verdict("liquidity", True, sentence, found.volume, limit, headroom, "quote")
    return Verdict(
        "liquidity",
        False,
        f"24 h volume {found.volume:.0f} {currency} is below the lowest tier ({limit:.0f}), skipping entry",
        found.volume,
        limit,
        headroom,
        "quote",
        context=(("symbol", ctx.symbol),),
    )
