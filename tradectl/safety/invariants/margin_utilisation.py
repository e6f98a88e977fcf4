"""Initial margin of positions and open orders / equity: degraded at its first bound, MARGIN_CRITICAL at its second."""

from __future__ import annotations

from tradectl.domain.inequality import Inequality, Operator, quantity
from tradectl.domain.system_state import MARGIN_CRITICAL
from tradectl.safety.breach import Bound, Level

ID = "margin_utilisation"
UTILISATION = quantity("initial_margin") / quantity("equity")

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
