"""(peak − equity) / peak, transfers scaled out of the peak (domain/risk_state.py)."""

from __future__ import annotations

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.safety.breach import Bound, Level

ID = "equity_drawdown"
DRAWDOWN = (of.PEAK_EQUITY - of.EQUITY) / of.PEAK_EQUITY

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
