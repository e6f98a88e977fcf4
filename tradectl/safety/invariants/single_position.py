"""Margin of one position / equity: a finding at first, for prices move; on two cycles in a row it degrades."""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.domain.money import divide, percent
from tradectl.safety.breach import Bound, Breach, Level
from tradectl.safety.view import SafetyView

ID = "single_position"
STRIKES = 2
SHARE = of.LARGEST_MARGIN / of.EQUITY

BOUND = Bound(
    ID,
    Level.FINDING,
    Inequality(SHARE, Operator.AT_MOST, "safety.max_single_position_pct_equity"),
    "margin of the largest position",
)


def check(view: SafetyView) -> Iterator[Breach]:
    """One for each position that is too large."""
    limit, equity = BOUND.limit(view.config), view.snapshot.equity
    for position in view.snapshot.positions:
        if not position.qty:
            continue
        share = divide(position.initial_margin, equity) if equity > 0 else None
        if share is None or share > limit:
            shown = percent(share) if share is not None else "more than all"
            evidence = f"{position.symbol} holds {shown} of equity as margin (limit {percent(limit)})"
            yield Breach(ID, Level.FINDING, evidence, position.symbol, share, limit)
