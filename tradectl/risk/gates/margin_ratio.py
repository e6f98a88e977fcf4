"""Maintenance margin / equity of the whole account. Zero on a complete read that shows flat; unreadable refuses."""

from __future__ import annotations

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.domain.money import percent
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import SymbolContext
from tradectl.risk.values import values_of

LIMIT = Inequality(of.MAINTENANCE_MARGIN / of.EQUITY, Operator.AT_MOST, "perps.max_margin_ratio")


def check(ctx: SymbolContext) -> Verdict:
    limit = LIMIT.limit_set(ctx.account.config)
    ratio = LIMIT.term.value(values_of(ctx.account)) if ctx.account.equity > 0 else None
    context = (("symbol", ctx.symbol),)
    if ratio is None:
        return Verdict(
            "margin_ratio",
            False,
            f"Margin ratio unreadable (limit {percent(limit)}), skipping entry",
            None,
            limit,
            None,
            "fraction",
            Tag.SAFETY_MARGIN_BLOCK,
            context,
        )
    if LIMIT.holds(ratio, limit):
        sentence = f"margin ratio {percent(ratio)} (limit={percent(limit)})"
        return Verdict("margin_ratio", True, sentence, ratio, limit, limit - ratio, "fraction")
    return Verdict(
        "margin_ratio",
        False,
        f"Margin ratio {percent(ratio)} exceeds limit {percent(limit)}, skipping entry",
        ratio,
        limit,
        limit - ratio,
        "fraction",
        Tag.SAFETY_MARGIN_BLOCK,
        context,
        f"Margin ratio {percent(ratio)} exceeded limit {percent(limit)}",
    )
