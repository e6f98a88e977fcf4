"""Every invariant, in one table, and what they say together of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tradectl.safety.breach import Bound, Breach, Level
from tradectl.safety.invariants import (
    clock,
    equity_drawdown,
    equity_jump,
    known_orders,
    ledger_agrees,
    margin_utilisation,
    no_flip,
    position_count,
    protection,
    single_position,
)
from tradectl.safety.view import SafetyView

# The inequalities, the halting ones before the degrading ones of the same invariant.
BOUNDS: tuple[Bound, ...] = (
    *margin_utilisation.BOUNDS,
    *equity_drawdown.BOUNDS,
    *position_count.BOUNDS,
    single_position.BOUND,
    equity_jump.BOUND,
)
_CHECKS: tuple[Callable[[SafetyView], Iterable[Breach]], ...] = (
    *(bound.check for bound in BOUNDS if bound not in (single_position.BOUND, equity_jump.BOUND)),
    single_position.check,
    protection.check,
    no_flip.check,
    ledger_agrees.check,
    known_orders.check,
    clock.check,
    equity_jump.check,
)
INVARIANTS = tuple(
    module.ID
    for module in (
        margin_utilisation,
        equity_drawdown,
        single_position,
        position_count,
        protection,
        no_flip,
        ledger_agrees,
        known_orders,
        clock,
        equity_jump,
    )
)


def check(view: SafetyView) -> tuple[Breach, ...]:
    """What does not hold, the worst first; an invariant that halts does not degrade as well."""
    found = [breach for one in _CHECKS for breach in one(view)]
    halted = {breach.invariant for breach in found if breach.level is Level.HALT}
    kept = [one for one in found if one.level is Level.HALT or one.invariant not in halted]
    return tuple(sorted(kept, key=lambda one: (-one.level, INVARIANTS.index(one.invariant), one.symbol)))
