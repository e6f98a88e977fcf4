"""Symbols that hold a position: one more than the bound halts; the gate counts those to come as well."""

from __future__ import annotations

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.safety.breach import Bound, Level

ID = "position_count"

BOUNDS = (
    Bound(
        ID,
        Level.HALT,
        Inequality(of.POSITIONS, Operator.AT_MOST, "safety.max_concurrent_positions"),
        "positions",
        unit="count",
        code="TOO_MANY_POSITIONS",
    ),
)
