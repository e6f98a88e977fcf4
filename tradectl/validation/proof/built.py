"""A halting book found without a search: entry after entry, each of the size that sizing gives it, the heaviest first.

It finds most of the books that there are, at once. What it does not find may still exist: `Exact` searches for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain import quantities as of
from tradectl.domain.money import ZERO
from tradectl.risk import caps
from tradectl.safety.breach import Bound
from tradectl.validation.proof import model
from tradectl.validation.proof.model import World
from tradectl.validation.proof.portfolio import Held, Portfolio
from tradectl.validation.proof.ways import SoFar, Way, entry_lines, few

STEPS_OF_PEAK = 40  # halvings in which the highest peak is found that the gates still take entries under
HIGHEST_PEAK = 100  # times the equity
# By what the next entry is chosen: margin, what a move takes, and as small as it comes where positions are counted.
CHOICES: tuple[Callable[[Held], Decimal], ...] = (
    lambda one: one.margin,
    lambda one: one.notional,
    lambda one: -one.margin,
)


@dataclass(frozen=True, slots=True)
class Found:
    """room: the share of its limit by which the book breaks it, at least."""

    portfolio: Portfolio
    room: Decimal


class Built:
    """Books over one world, each a chain of entries; every prefix of a chain is a book as well."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ways = few(sorted(world.ways, key=lambda way: way.leverage), world.account)
        self.limits = model.limits(world.account)
        self.sizes = [(gate, _cap(gate), limit) for gate, _, limit, _ in self.limits if model.is_size(gate)]
        self.chains = [tuple(self._chain(choice)) for choice in CHOICES]

    def smallest(self, bounds: Sequence[Bound], move: Decimal, rooms: Sequence[Decimal]) -> Found | None:
        """Of the fewest positions; of those, the one that breaks its limit by the most of `rooms`."""
        longest = max((len(chain) for chain in self.chains), default=0)
        for count in range(1, longest + 1):
            for room in sorted(rooms, reverse=True):
                for chain in self.chains:
                    for bound in bounds:
                        if len(chain) >= count and self._breaks(bound, chain[:count], move, room):
                            return Found(self._portfolio(bound, chain[:count]), room)
        return None

    def _chain(self, choice: Callable[[Held], Decimal]) -> Iterator[Held]:
        left, held = list(self.ways), list[Held]()
        while left:
            so_far = self._so_far(held)
            possible = [one for way in left for one in self._entries(way, so_far)]
            if not possible:
                return
            taken = max(possible, key=choice)
            held.append(taken)
            yield taken
            left = [way for way in left if way.symbol != taken.way.symbol]

    def _so_far(self, held: Sequence[Held]) -> SoFar:
        cost = sum((one.way.fee * one.notional for one in held), ZERO)
        return SoFar(
            self.world.equity,
            self.world.equity - cost,
            sum((one.margin for one in held), ZERO),
            sum((one.notional for one in held), ZERO),
            Decimal(len(held)),
        )

    def _entries(self, way: Way, so_far: SoFar) -> Iterator[Held]:
        """Of the surest signal, and of the least sure one."""
        for at in dict.fromkeys((0, len(way.scales) - 1)):
            held = self._entry(way, so_far, at)
            if held is not None:
                yield held

    def _entry(self, way: Way, so_far: SoFar, at: int) -> Held | None:
        """As sizing makes it; None where a gate refuses it, or it is not worth an order. at: which of its scales."""
        confidence, scale = way.scales[at]
        lines = entry_lines(way, scale, so_far, lambda value: value)
        sized = [(caps.rule_of(cap, "", lines, limit).most(), gate) for gate, cap, limit in self.sizes]
        notional, ended_by = min(sized)
        if notional < way.least:
            return None
        after = {name: line.after(notional) for name, line in lines.items()}
        before = self._as_it_was(so_far, so_far.left)
        for gate, one, limit, is_after in self.limits:
            if not model.is_size(gate) and not one.holds(one.term.value(after if is_after else before), limit):
                return None
        return Held(way, notional, notional / way.leverage, ended_by, confidence)

    def _as_it_was(self, so_far: SoFar, peak: Decimal) -> dict[str, Decimal]:
        return {
            of.EQUITY.name: so_far.left,
            of.PEAK_EQUITY.name: peak,
            of.DAY_START_EQUITY.name: so_far.first,
            of.DAY_LOSS.name: so_far.first - so_far.left,
            of.MAINTENANCE_MARGIN.name: ZERO,
        }

    def _breaks(self, bound: Bound, held: Sequence[Held], move: Decimal, room: Decimal) -> bool:
        so_far = self._so_far(held)
        margin = so_far.margin * (1 + move) if self.world.at_mark else so_far.margin
        values = {
            of.EQUITY.name: so_far.left - (move + self.world.funding) * so_far.notional,
            of.PEAK_EQUITY.name: self._peak(bound, held),
            of.INITIAL_MARGIN.name: margin,
            of.POSITIONS.name: so_far.count,
        }
        limit = bound.limit(self.world.account.config)
        exact = bound.inequality.term == of.POSITIONS
        return not bound.inequality.holds(bound.inequality.term.value(values), limit * (1 + (ZERO if exact else room)))

    def _peak(self, bound: Bound, held: Sequence[Held]) -> Decimal:
        """The highest that the account may have come from: the gates took the last entry under it."""
        equity = self.world.equity
        if of.PEAK_EQUITY.name not in model.speaks_of(bound.inequality):
            return equity
        so_far = self._so_far(held[:-1])

        def taken(peak: Decimal) -> bool:
            values = self._as_it_was(so_far, peak)
            return all(
                one.holds(one.term.value(values), limit) for _, one, limit, is_after in self.limits if not is_after
            )

        low, high = equity, equity * HIGHEST_PEAK
        for _ in range(STEPS_OF_PEAK):
            middle = (low + high) / 2
            low, high = (middle, high) if taken(middle) else (low, middle)
        return low

    def _portfolio(self, bound: Bound, held: Sequence[Held]) -> Portfolio:
        return Portfolio(bound, self.world.equity, self._peak(bound, held), tuple(held))


def _cap(gate: str) -> caps.Cap:
    return next(cap for cap in (caps.BY_RISK, *caps.CAPS) if cap.name == gate)
