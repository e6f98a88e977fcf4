"""Thresholds of one kind against each other: degraded before halt, and a gate in front of every halt."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator, Term
from tradectl.domain.money import percent, text
from tradectl.risk.limits import gate_limits
from tradectl.safety.breach import Bound, Level
from tradectl.safety.check import BOUNDS
from tradectl.safety.invariants import margin_utilisation
from tradectl.validation.book import book_of
from tradectl.validation.facts import Facts
from tradectl.validation.rule import Finding, error, note, warning

DRAWDOWN = "risk_management.crisis_mode.drawdown_threshold"


def gates() -> dict[str, Inequality]:
    """{invariant: the gate that bounds the same quantity before the trade}. What an entry holds is one position."""
    same = {str(_of_position(each.inequality.term)): each.inequality for each in gate_limits()}
    return {bound.invariant: same[str(bound.inequality.term)] for bound in BOUNDS if str(bound.inequality.term) in same}


def _of_position(term: Term) -> Term:
    return of.LARGEST_MARGIN / of.EQUITY if term == of.ENTRY_MARGIN / of.EQUITY else term


def _value(facts: Facts, inequality: Inequality) -> Decimal:
    return inequality.limit_set(facts.limits)


def _shown(bound: Bound, value: Decimal) -> str:
    return percent(value) if bound.unit == "fraction" else text(value)


def tc04(facts: Facts) -> Iterator[Finding]:
    for halt in BOUNDS:
        for degraded in BOUNDS:
            if halt.invariant != degraded.invariant or (halt.level, degraded.level) != (Level.HALT, Level.DEGRADE):
                continue
            low, high = _value(facts, degraded.inequality), _value(facts, halt.inequality)
            if low >= high:
                yield error(
                    f"{halt.label}: the halt comes no later than its warning",
                    f"{_shown(halt, low)} < {_shown(halt, high)} does not hold",
                    degraded.inequality.bound,
                    halt.inequality.bound,
                    change=f"{degraded.inequality.bound} below {text(high)}",
                )


def tc05(facts: Facts) -> Iterator[Finding]:
    yield from gates_before(facts, BOUNDS, gates())


def gates_before(facts: Facts, bounds: tuple[Bound, ...], named: dict[str, Inequality]) -> Iterator[Finding]:
    """A finding for each bound that what its gate admits could violate at once, or that has no gate."""
    for bound in bounds:
        if bound.level not in (Level.HALT, Level.DEGRADE, Level.FINDING):
            continue  # what no entry can cause: a jump of equity
        after = bound.inequality
        gate = named.get(bound.invariant)
        if gate is None:
            if bound.level is Level.HALT:
                yield error(
                    f"no gate before the trade holds what {bound.invariant} halts on",
                    f"{after} halts where it does not hold, and no gate bounds {bound.label}",
                    after.bound,
                    change=f"a gate in front of {bound.invariant} is missing: it is a fault of this build, report it",
                )
            continue
        admitted, limit = _value(facts, gate), _value(facts, after)
        held = after.holds(admitted, limit) or (gate.operator is Operator.BELOW and admitted == limit)
        if held:
            continue
        sums = (
            f"the gate admits {bound.label} {gate.operator.value} {_shown(bound, admitted)}, the invariant wants "
            f"{after.operator.value} {_shown(bound, limit)}"
        )
        if bound.level is Level.HALT:
            yield error(
                f"{bound.invariant}: an entry that its gate admits is halted on at once",
                sums,
                gate.bound,
                after.bound,
                change=f"{gate.bound} {'below' if after.operator is Operator.BELOW else 'at most'} {text(limit)}",
            )
        elif bound.level is Level.FINDING:
            yield warning(
                f"{bound.invariant}: an entry that its gate admits is a finding at once",
                sums,
                gate.bound,
                after.bound,
                change=f"{gate.bound} at most {text(limit)}",
            )
        elif bound.invariant != margin_utilisation.ID or book_of(facts).margin >= limit:
            yield note(f"{bound.invariant}: entries can reach DEGRADED, as is meant", sums, gate.bound, after.bound)


def tc17(facts: Facts) -> Iterator[Finding]:
    gate, safety = facts.config.risk_management.crisis_mode.drawdown_threshold, facts.config.safety
    degraded, halt = safety.degraded_equity_drawdown_pct, safety.max_equity_drawdown_pct
    if not gate <= degraded < halt:
        yield error(
            "drawdown does not restrict in order: entries end, then degraded, then the halt",
            f"{percent(gate)} ≤ {percent(degraded)} < {percent(halt)} does not hold",
            DRAWDOWN,
            "safety.degraded_equity_drawdown_pct",
            "safety.max_equity_drawdown_pct",
            change="put the three in this order: 0.10, 0.10, 0.15 by default",
        )
