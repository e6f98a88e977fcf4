"""Initial margin of positions and open orders / equity: degraded at its first bound, MARGIN_CRITICAL at its second."""

from __future__ import annotations

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.domain.system_state import MARGIN_CRITICAL
from tradectl.safety.breach import Bound, Level

ID = "margin_utilisation"
UTILISATION = of.INITIAL_MARGIN / of.EQUITY

BOUNDS = (
    Bound(
        ID,
        Level.HALT,
        Inequality(UTILISATION, Operator.BELOW, "safety.max_margin_utilization_pct"),
        "margin utilisation",
        code=MARGIN_CRITICAL,
    ),
    Bound(
        ID,
        Level.DEGRADE,
        Inequality(UTILISATION, Operator.BELOW, "safety.degraded_margin_utilization_pct"),
        "margin utilisation",
    ),
)
