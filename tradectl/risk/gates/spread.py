"""A spread wider than the bound refuses. A quote it cannot judge passes and says so: this gate guards against
extremes, other gates guard the account (the background system's choice)."""

from __future__ import annotations

from tradectl.domain.money import divide, percent
from tradectl.domain.signal import Signal, Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import SymbolContext


def check(ctx: SymbolContext, signal: Signal) -> Verdict:
    limit = ctx.account.config.market.max_spread_pct
    bid, ask = ctx.ticker.bid, ctx.ticker.ask
    if bid <= 0 or ask < bid:
        sentence = f"spread not judged: bid {bid} and ask {ask} make no quote; passing"
        return Verdict("spread", True, sentence, limit=limit, unit="fraction")
    value = divide((ask - bid) * 2, ask + bid)
    if value <= limit:
        sentence = f"spread {percent(value, 3)} (limit={percent(limit)})"
        return Verdict("spread", True, sentence, value, limit, limit - value, "fraction")
    return Verdict(
        "spread",
        False,
        f"spread {percent(value, 3)} exceeds limit {percent(limit)}",
        value,
        limit,
        limit - value,
        "fraction",
        Tag.SIGNAL_REJECTED_SPREAD,
        (("symbol", ctx.symbol), ("bid", str(bid)), ("ask", str(ask))),
    )
