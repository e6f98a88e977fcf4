"""(peak − equity) / peak, transfers scaled out of the peak (domain/risk_state.py)."""

from __future__ import annotations

from tradectl.domain.inequality import Inequality, Operator, quantity
from tradectl.safety.breach import Bound, Level

ID = "equity_drawdown"
DRAWDOWN = (quantity("peak_equity") - quantity("equity")) / quantity("peak_equity")

BOUNDS = (
    Bound(
        ID,
        Level.HALT,
        Inequality(DRAWDOWN, Operator.BELOW, "safety.max_equity_drawdown_pct"),
        "drawdown",
        code="DRAWDOWN_CRITICAL",
    ),
    Bound(
        ID,
        Level.DEGRADE,
        Inequality(DRAWDOWN, Operator.BELOW, "safety.degraded_equity_drawdown_pct"),
        "drawdown",
    ),
)
