"""Equity does not move by itself: fills, funding and transfers move the wallet, marks move what is open.

The rest of a move has no explanation here: another trader on the account, a transfer that the venue does not list, or
numbers of the venue that are wrong. Beyond the bound it latches, until what explains it is found.
"""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.safety.breach import Bound, Breach, Level
from tradectl.safety.view import SafetyView

ID = "equity_jump"

BOUND = Bound(
    ID,
    Level.JUMP,
    Inequality(of.UNEXPLAINED_MOVE / of.EQUITY, Operator.AT_MOST, "safety.max_equity_jump_pct"),
    "move of equity that nothing explains",
)


def check(view: SafetyView) -> Iterator[Breach]:
    if view.unexplained is not None:
        yield from BOUND.check(view)
