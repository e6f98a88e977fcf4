"""No entries once equity has fallen too far from its peak (transfers scale the peak: domain/risk_state.py)."""

from __future__ import annotations

from tradectl.domain.money import percent
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext


def check(account: AccountContext, symbol: str) -> Verdict:
    limit = account.config.risk_management.crisis_mode.drawdown_threshold
    drawdown = account.risk.drawdown(account.equity)
    if drawdown < limit:
        sentence = f"drawdown {percent(drawdown)} (limit={percent(limit)})"
        return Verdict("drawdown", True, sentence, drawdown, limit, limit - drawdown, "fraction")
    return Verdict(
        "drawdown",
        False,
        f"Drawdown limit exceeded: {percent(drawdown)} (limit={percent(limit)})",
        drawdown,
        limit,
        limit - drawdown,
        "fraction",
        Tag.SAFETY_DRAWDOWN,
        (("symbol", symbol), ("peak_equity", f"{account.risk.peak_equity:.2f}"), ("equity", f"{account.equity:.2f}")),
        f"Drawdown {percent(drawdown)} exceeded limit {percent(limit)}",
    )
