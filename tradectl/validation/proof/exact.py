"""The model of a book as it is really built: one entry after another, each of the size that sizing gives it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import z3

from tradectl.domain import quantities as of
from tradectl.safety.breach import Bound
from tradectl.validation.proof import model
from tradectl.validation.proof.model import Entry, Expr, World, number, total
from tradectl.validation.proof.portfolio import Held, Portfolio
from tradectl.validation.proof.ways import SoFar, entry_lines, few, kind_of

PATIENCE = 2  # searches without an answer, after which no more are begun


class Exact:
    """Markets in the order of their leverage, the least first: so that whatever subset is taken, the most margin is
    held before the limits of the sum end it. Costs are the fee alone, so that
    the account has at most what the model says, whatever the price between the quotes.
    """

    def __init__(self, world: World, timeout_ms: int, effort: int) -> None:
        """timeout_ms: of one search. effort: the solver's steps (its `rlimit count`), of all searches together."""
        self.world = world
        self.unanswered = 0
        self.effort = effort
        self.solver = model.patient(z3.SolverFor("QF_LRA"), timeout_ms)
        ways = sorted(world.ways, key=lambda way: way.leverage)
        self.entries = model.entries(world, "exact", few(ways, world.account), whole=True)
        self.peak = z3.Real("peak of the account")
        self.limits = model.limits(world.account)
        self.ended: list[list[tuple[str, Expr]]] = []
        self.equity = number(world.equity)
        self._build()

    @property
    def tired(self) -> bool:
        """More searches are not worth the operator's waiting."""
        return self.unanswered >= PATIENCE or self.effort <= 0

    def _build(self) -> None:
        by_symbol: dict[str, list[Expr]] = {}
        before: list[Entry] = []
        for each in self.entries:
            self._one(each, before)
            by_symbol.setdefault(each.way.symbol, []).append(each.taken)
            before.append(each)
        self.solver.add(*(z3.AtMost(*taken, 1) for taken in by_symbol.values() if len(taken) > 1))
        for alike in self._alike():  # which of them is no question
            self.solver.add(*(z3.Implies(later, one) for one, later in pairwise(alike)))
        self.equity = self._left(before)
        self.solver.add(self.peak >= number(self.world.equity))

    def _alike(self) -> list[list[Expr]]:
        kinds: dict[tuple[object, ...], list[Expr]] = {}
        for each in self.entries:
            kinds.setdefault(kind_of(each.way), []).append(each.taken)
        return list(kinds.values())

    def _left(self, before: list[Entry]) -> Expr:
        return number(self.world.equity) - total([each.cost for each in before])

    def _one(self, each: Entry, before: list[Entry]) -> None:
        way, taken, add = each.way, each.taken, self.solver.add
        add(z3.Implies(z3.Not(taken), each.notional == 0))
        add(each.notional >= 0, z3.Implies(taken, each.notional >= number(way.least)))
        add(each.cost == number(way.fee) * each.notional)
        add(each.margin == number(1 / way.leverage) * each.notional)
        values = self._values(each, before)
        sizes: list[tuple[str, Expr]] = []
        for gate, one, limit, after in self.limits:
            if not after:
                add(z3.Implies(taken, model.holds(one, limit, self._as_it_was(before))))
                continue
            add(z3.Implies(taken, model.holds(one, limit, values)))
            if model.is_size(gate):
                grows, most = model.sides(one, limit, values)
                sizes.append((gate, grows == most))
        add(z3.Implies(taken, z3.Or([at for _, at in sizes])))
        self.ended.append(sizes)

    def _values(self, each: Entry, before: list[Entry]) -> dict[str, Expr]:
        so_far = SoFar(
            number(self.world.equity),
            self._left(before),
            total([one.margin for one in before]),
            total([one.notional for one in before]),
            _counted(before),
        )
        lines = entry_lines(each.way, each.way.scale, so_far, number)
        return {name: line.at + number(line.per_unit) * each.notional for name, line in lines.items()}

    def _as_it_was(self, before: list[Entry]) -> dict[str, Expr]:
        equity = self._left(before)
        return {
            of.EQUITY.name: equity,
            of.PEAK_EQUITY.name: self.peak,
            of.DAY_START_EQUITY.name: number(self.world.equity),
            of.DAY_LOSS.name: number(self.world.equity) - equity,
            of.MAINTENANCE_MARGIN.name: number(0),  # tier steps: the replay has them
        }

    def portfolio(
        self, bound: Bound, limit: Decimal, move: Decimal, count: int, slack: Decimal, at_peak: bool
    ) -> Portfolio | None:
        """One of so many positions that breaks the invariant by this share of its limit. None: there is none; or it
        was not found in time, which `unanswered` counts. at_peak: from an account that has lost nothing."""
        self.solver.push()
        try:
            positions = _counted(self.entries)
            after = model.after_the_move(self.world, self.entries, positions, self.equity, self.peak, move)
            self.solver.add(positions == count, after.breaks(bound, limit, slack))
            if at_peak:
                self.solver.add(self.peak == number(self.world.equity))
            found = self._search()
            self.unanswered += found == z3.unknown
            return self._read(bound, self.solver.model()) if found == z3.sat else None
        finally:
            self.solver.pop()

    def _search(self) -> z3.CheckSatResult:
        if self.effort <= 0:
            return z3.unknown
        before = model.steps_of(self.solver)
        self.solver.set("rlimit", self.effort)
        found = self.solver.check()
        self.effort -= model.steps_of(self.solver) - before
        return found

    def _read(self, bound: Bound, found: z3.ModelRef) -> Portfolio:
        positions = []
        for each, sizes in zip(self.entries, self.ended, strict=True):
            if z3.is_true(found.eval(each.taken, model_completion=True)):
                ended = next(gate for gate, at in sizes if z3.is_true(found.eval(at, model_completion=True)))
                notional, margin = _value(found, each.notional), _value(found, each.margin)
                positions.append(Held(each.way, notional, margin, ended, each.way.confidence))
        return Portfolio(bound, self.world.equity, _value(found, self.peak), tuple(positions))


def _counted(taken: list[Entry]) -> Expr:
    return total([z3.If(each.taken, number(1), number(0)) for each in taken])


def _value(found: z3.ModelRef, one: Expr) -> Decimal:
    value = found.eval(one, model_completion=True)
    fraction = Fraction(value.numerator_as_long(), value.denominator_as_long())
    return Decimal(fraction.numerator) / Decimal(fraction.denominator)
