"""No entries once equity has fallen too far from its peak (transfers scale the peak: domain/risk_state.py)."""

from __future__ import annotations

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.domain.money import percent
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext
from tradectl.risk.values import values_of

LIMIT = Inequality(
    (of.PEAK_EQUITY - of.EQUITY) / of.PEAK_EQUITY,
    Operator.BELOW,
    "risk_management.crisis_mode.drawdown_threshold",
)


def check(account: AccountContext, symbol: str) -> Verdict:
    limit = LIMIT.limit_set(account.config)
    drawdown = LIMIT.term.value(values_of(account))
    if drawdown is None:
        sentence = f"Drawdown cannot be told: the peak of equity is {account.risk.peak_equity:.2f}"
        return Verdict("drawdown", False, sentence, None, limit, None, "fraction", Tag.SAFETY_DRAWDOWN)
    if LIMIT.holds(drawdown, limit):
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
