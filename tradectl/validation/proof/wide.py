"""The model that lets in too much rather than too little: what it excludes is excluded."""

from __future__ import annotations

from decimal import Decimal

import z3

from tradectl.domain import quantities as of
from tradectl.domain.money import ZERO
from tradectl.safety.breach import Bound
from tradectl.validation.proof import model
from tradectl.validation.proof.model import Entry, Expr, World, number, total
from tradectl.validation.proof.ways import most


class Wide:
    """Every entry is held against the limits that speak of itself at the equity before the first one, and all of them
    together against those of the account after the last. Whatever the order and the moments, each real book fits.

    An entry may be taken in part, in several ways at once: as a share between nothing and all of it, so that no choice
    is left in the model, and the solver answers at once. Left out, which only lets more in: maintenance margin, the
    losses of the day, and what earlier entries hold of the balance.
    """

    def __init__(self, world: World, timeout_ms: int) -> None:
        self.world = world
        self.solver = model.patient(z3.SimpleSolver(), timeout_ms)
        self.entries = model.entries(world, "wide", world.ways, whole=False)
        self.peak = z3.Real("peak")
        self.equity = number(world.equity) - total([each.cost for each in self.entries])
        self._build()

    def _build(self) -> None:
        add, account = self.solver.add, self.world.account
        limits = model.limits(account)
        own = [(one, limit) for _, one, limit, after in limits if after and model.of_entry(one)]
        by_symbol: dict[str, list[Expr]] = {}
        for each in self.entries:
            add(each.taken >= 0, each.notional >= 0, each.cost >= 0, each.margin >= 0)
            add(each.cost <= number(model.costs(each.way)) * each.notional)
            add(each.margin <= number(each.way.lines[of.ENTRY_MARGIN.name].per_unit) * each.notional)
            add(*(model.holds(one, limit, self._of_one(each), model.SLACK, each.taken) for one, limit in own))
            by_symbol.setdefault(each.way.symbol, []).append(each.taken)
        add(*(total(taken) <= 1 for taken in by_symbol.values()))
        together, before_last = self._of_all(), self._before_the_last()
        for _, one, limit, after in limits:
            if after and not model.of_entry(one):
                add(model.holds(one, limit, together, model.SLACK))
            elif not after:
                add(model.holds(one, limit, before_last, model.SLACK))
        add(self.equity > 0, self.peak >= number(self.world.equity))

    def _of_one(self, each: Entry) -> dict[str, Expr]:
        """One entry on the account as it was at first: no real one had more equity, or more of it left. Everything in
        proportion to the part that is taken of it."""
        way, equity = each.way, number(self.world.equity) * each.taken
        return {
            of.EQUITY.name: equity - number(model.costs(way)) * each.notional,
            of.SCALED_EQUITY.name: equity * number(way.scale),
            of.DAY_START_EQUITY.name: equity,
            of.DAY_LOSS.name: number(0),
            of.PENDING_LOSS.name: number(0),
            of.AVAILABLE.name: equity,
            of.TRADED.name: number(way.lines[of.TRADED.name].at) * each.taken,
            of.TIER_NOTIONAL.name: number(way.lines[of.TIER_NOTIONAL.name].at) * each.taken,
            **model.of_this_entry(each),
        }

    def _of_all(self) -> dict[str, Expr]:
        margin = total([each.margin for each in self.entries])
        return {
            of.EQUITY.name: self.equity,
            of.INITIAL_MARGIN.name: margin,
            of.POSITIONS_MARGIN.name: margin,
            of.NOTIONAL.name: total([each.notional for each in self.entries]),
            of.POSITIONS.name: total([each.taken for each in self.entries]),
        }

    def _before_the_last(self) -> dict[str, Expr]:
        """Equity as the last entry found it: after all the others, and before what it cost itself."""
        last = z3.Real("cost of the last")
        dearest = max(
            (model.costs(way) * most(self.world.account, self.world.equity, way) for way in self.world.ways),
            default=ZERO,
        )
        self.solver.add(last >= 0, last <= number(dearest), last <= total([each.cost for each in self.entries]))
        return {
            of.EQUITY.name: self.equity + last,
            of.PEAK_EQUITY.name: self.peak,
            of.DAY_START_EQUITY.name: number(self.world.equity),
            of.DAY_LOSS.name: number(0),
            of.MAINTENANCE_MARGIN.name: number(0),
        }

    def reaches(
        self, bound: Bound, limit: Decimal, move: Decimal, count: int | None = None, room: Decimal = -model.SLACK
    ) -> bool | None:
        """Whether some book that fits breaks the invariant within the move. None: no answer in time.

        count: of at most so many positions. room: by this share of the limit.
        """
        self.solver.push()
        try:
            positions = total([each.taken for each in self.entries])
            after = model.after_the_move(self.world, self.entries, positions, self.equity, self.peak, move)
            self.solver.add(after.breaks(bound, limit, room))
            if count is not None:
                self.solver.add(positions <= count)
            found = self.solver.check()
            return None if found == z3.unknown else bool(found == z3.sat)
        finally:
            self.solver.pop()
