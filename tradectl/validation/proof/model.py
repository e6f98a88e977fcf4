"""Gates, entries, a move and a halt, as one model for z3.

Two models of the same inequalities (risk/limits, safety/check). `Wide` lets in every book that the gates could let in,
and more: where it has no halting portfolio there is none. `Exact` sizes each entry as sizing does, one after another:
what it finds can be built. Everything is linear, but for the choice of what is entered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import z3

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator, Sign, Term
from tradectl.domain.money import ZERO
from tradectl.risk import caps
from tradectl.risk.context import AccountContext
from tradectl.risk.limits import gate_limits
from tradectl.safety.breach import Bound
from tradectl.validation.proof.ways import Way

Expr = Any  # a real or boolean expression of z3, which ships no types
Names = Mapping[str, Expr]

_SHORT = Context(prec=9)  # digits of a coefficient: exact fractions of 60 digits would be most of the work
SLACK = Decimal("1E-7")  # by which Wide widens every gate: far more than those digits leave out
_OF_ENTRY = frozenset(
    one.name for one in (of.ENTRY_NOTIONAL, of.ENTRY_MARGIN, of.ENTRY_RISK, of.ENTRY_LOSS, of.AVAILABLE_USED)
)


@dataclass(frozen=True, slots=True)
class World:
    """What is asked about. equity: before the first entry. at_mark: the venue may reckon margin at the mark.

    funding: of the notional, paid once by every position.
    """

    account: AccountContext
    equity: Decimal
    ways: tuple[Way, ...]
    funding: Decimal
    at_mark: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One way that may be taken, with what it then is. Money in quote currency."""

    way: Way
    taken: Expr
    notional: Expr
    margin: Expr
    cost: Expr


@dataclass(frozen=True, slots=True)
class After:
    """The account after the move."""

    values: Names

    def breaks(self, bound: Bound, limit: Decimal, slack: Decimal = ZERO) -> Expr:
        """The invariant does not hold, by this share of its limit at least. What cannot be measured breaks it too."""
        if bound.inequality.term == of.POSITIONS:
            slack = ZERO  # a count is exact
        grows, share_of = bound.inequality.term.share()
        found = term(grows, self.values)
        most = number(limit * (1 + slack)) * (term(share_of, self.values) if share_of is not None else number(1))
        beyond = found >= most if bound.inequality.operator is Operator.BELOW else found > most
        return z3.Or(term(share_of, self.values) <= 0, beyond) if share_of is not None else beyond


def patient(solver: z3.Solver, timeout_ms: int) -> z3.Solver:
    """With an end to each question. Ctrl-C is Python's and the operator's: the solver would take it for "unknown"."""
    solver.set("timeout", timeout_ms)
    solver.set("ctrl_c", False)
    return solver


def steps_of(solver: z3.Solver) -> int:
    """What the solver counts of its own work, the same on every machine."""
    return int(solver.statistics().get_key_value("rlimit count"))


def number(value: Decimal | int) -> Expr:
    return z3.RealVal(str(_SHORT.plus(Decimal(value))))


def term(one: Term, values: Names) -> Expr:
    """The same tree, in z3's expressions."""
    if one.sign is None:
        return values[one.name]
    assert one.left is not None and one.right is not None
    left, right = term(one.left, values), term(one.right, values)
    if one.sign is Sign.PLUS:
        return left + right
    if one.sign is Sign.MINUS:
        return left - right
    return left * right if one.sign is Sign.TIMES else left / right


def holds(one: Inequality, limit: Decimal, values: Names, wider: Decimal = ZERO, part: Expr = 1) -> Expr:
    """The gate's inequality, the share written as a product: what it is a share of is above zero where it is asked.

    part: of the entry that is meant, where it is taken in part.
    """
    grows, most = sides(one, limit * (1 + (ZERO if one.term == of.POSITIONS else wider)), values, part)
    return grows < most if one.operator is Operator.BELOW and not wider else grows <= most


def sides(one: Inequality, limit: Decimal, values: Names, part: Expr = 1) -> tuple[Expr, Expr]:
    """(what grows, the most that it may be)."""
    grows, share_of = one.term.share()
    most = number(limit) * (term(share_of, values) if share_of is not None else part)
    return term(grows, values), most


def limits(account: AccountContext) -> list[tuple[str, Inequality, Decimal, bool]]:
    """(gate, inequality, its limit in force, whether it is of the account after the trade); none that is not set."""
    sized = {cap.name: cap for cap in caps.CAPS}
    found = []
    for each in gate_limits():
        limit = (
            caps.limit_of(sized[each.gate], account) if each.gate in sized else each.inequality.limit(account.config)
        )
        if limit is not None:
            found.append((each.gate, each.inequality, limit, each.after))
    return found


def speaks_of(one: Inequality) -> set[str]:
    def names(each: Term | None) -> set[str]:
        if each is None:
            return set()
        return {each.name} if each.sign is None else names(each.left) | names(each.right)

    return names(one.term)


def of_entry(one: Inequality) -> bool:
    return bool(speaks_of(one) & _OF_ENTRY)


def is_size(gate: str) -> bool:
    return gate in {cap.name for cap in (caps.BY_RISK, *caps.CAPS)}


def entries(world: World, name: str, ways: Sequence[Way], *, whole: bool) -> list[Entry]:
    """whole: each is taken or not; else `taken` is the part that is."""
    make = z3.Bool if whole else z3.Real
    return [
        Entry(
            way,
            make(f"{name}{at}.taken"),
            z3.Real(f"{name}{at}.notional"),
            z3.Real(f"{name}{at}.margin"),
            z3.Real(f"{name}{at}.cost"),
        )
        for at, way in enumerate(ways)
    ]


def costs(way: Way) -> Decimal:
    """The most that entering takes off equity, of the notional."""
    return -way.lines[of.EQUITY.name].per_unit


def of_this_entry(each: Entry) -> dict[str, Expr]:
    """What it is itself, at the worst price of its quotes."""
    way = each.way
    names = (of.ENTRY_NOTIONAL.name, of.ENTRY_MARGIN.name, of.AVAILABLE_USED.name)
    return {
        **{name: number(way.lines[name].per_unit) * each.notional for name in names},
        of.ENTRY_RISK.name: number(way.risk) * each.notional,
        of.ENTRY_LOSS.name: number(way.loss) * each.notional,
    }


def total(of_them: Sequence[Expr]) -> Expr:
    return z3.Sum(of_them) if of_them else number(0)


def after_the_move(
    world: World, every: Sequence[Entry], positions: Expr, equity: Expr, peak: Expr, move: Decimal
) -> After:
    notional = total([each.notional for each in every])
    margin = total([each.margin for each in every])
    left = equity - number(move + world.funding) * notional
    return After(
        {
            of.EQUITY.name: left,
            of.PEAK_EQUITY.name: peak,
            of.INITIAL_MARGIN.name: margin * number(1 + move) if world.at_mark else margin,
            of.POSITIONS.name: positions,
        }
    )
