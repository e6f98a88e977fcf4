"""The questions, in order: is a halt within reach of the move; which book reaches it, the smallest; how far is safe."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal

from tradectl.domain.money import ZERO
from tradectl.safety.breach import Bound, Level
from tradectl.safety.check import BOUNDS
from tradectl.validation.facts import Facts
from tradectl.validation.proof import MOVE
from tradectl.validation.proof.built import Built
from tradectl.validation.proof.exact import Exact
from tradectl.validation.proof.model import World
from tradectl.validation.proof.portfolio import Answer, Portfolio, Proved
from tradectl.validation.proof.ways import account_of, stop_reach, ways
from tradectl.validation.proof.wide import Wide

TIMEOUT_MS = 20_000  # of one question to the solver
# The search for a book ends, so that an operator need not wait: what is not found is not shown, and safety is not
# claimed either. EFFORT is the solver's own count of its steps, about a second's worth, in all searches of one proof.
SEARCH_MS = 500  # of one search
EFFORT = 700_000
STEP = Decimal("0.0001")  # how finely the largest safe move is told
# How far beyond its limit a book is rather wanted, and whether of an account that has lost nothing: more than steps of
# quantity and price take off.
ROOMS = (Decimal("0.01"), Decimal("0.002"))
SURER = tuple((room, at_peak) for room in ROOMS for at_peak in (True, False))
ASKED = tuple(bound for bound in BOUNDS if bound.level is Level.HALT)


def ask(facts: Facts, equity: Decimal, wanted: Decimal = MOVE) -> Answer:
    """`facts` know the instruments and prices of what is traded. equity: of the account, quote currency."""
    found = tuple(ways(facts, equity))
    reach = stop_reach(facts, found)
    move, funding = min(wanted, reach), abs(facts.market.funding or ZERO)
    symbols = len({way.symbol for way in found})
    count = min(symbols, facts.limits.risk.max_concurrent_positions)

    def answer(proved: Proved, **more: object) -> Answer:
        return Answer(proved, move, wanted, reach, funding, equity, symbols, count, **more)  # type: ignore[arg-type]

    unknown = [one for one in facts.symbols if one not in facts.market.instruments or one not in facts.market.prices]
    if not found and not unknown:
        return answer(Proved.SAFE, safest=reach, why="no market can be entered at all: every entry is refused")
    if not found:
        return answer(Proved.OPEN, why=_of_unknown(unknown))
    world = World(account_of(facts, equity), equity, found, funding, at_mark=facts.venue.name != "sim")
    wide = Wide(world, TIMEOUT_MS)
    degraded = tuple(_reachable(facts, wide, move))
    halting = [(bound, wide.reaches(bound, bound.limit(facts.limits), move)) for bound in ASKED]
    if any(one is None for _, one in halting):
        return answer(Proved.OPEN, degraded=degraded, why=f"the solver gave no answer within {TIMEOUT_MS // 1000} s")
    within = [bound for bound, one in halting if one]
    if not within and unknown:
        return answer(Proved.OPEN, degraded=degraded, why=_of_unknown(unknown))
    if not within:
        beyond = [bound for bound in ASKED if not _excluded(facts, wide, bound, reach)]
        return answer(Proved.SAFE, safest=_safest(facts, wide, beyond, move, reach), degraded=degraded)
    standing = all(_excluded(facts, wide, bound, ZERO) for bound in within)
    safest = _safest(facts, wide, within, ZERO, move) if standing else None
    exact = Exact(world, SEARCH_MS, EFFORT)
    portfolio = _smallest(facts, world, wide, exact, within, move, symbols)
    if portfolio is not None:
        return answer(Proved.HALTS, safest=safest, portfolio=portfolio, degraded=degraded)
    names = ", ".join(bound.invariant for bound in within)
    searched = "none was found in the time there is" if exact.unanswered else "no book that sizing makes does"
    why = f"taken by themselves the gates let in what breaks the limit of {names}; {searched}"
    return answer(Proved.OPEN, safest=safest, degraded=degraded, why=why)


def _of_unknown(symbols: list[str]) -> str:
    return f"of {', '.join(symbols)} neither steps nor tiers are known here: nothing is proved of a book with it"


def _reachable(facts: Facts, wide: Wide, move: Decimal) -> Iterator[Bound]:
    for bound in BOUNDS:
        if bound.level is Level.DEGRADE and wide.reaches(bound, bound.limit(facts.limits), move):
            yield bound


def _smallest(
    facts: Facts, world: World, wide: Wide, exact: Exact, within: list[Bound], move: Decimal, count: int
) -> Portfolio | None:
    """Of the fewest positions; one that just breaks its limit only where none is well beyond it, for steps of quantity
    and price may save the account from that. What is built at once ends the search for what is no smaller."""
    built = Built(world).smallest(within, move, (*ROOMS, ZERO))
    ready = built.portfolio if built is not None else None
    marginal: Portfolio | None = None
    for positions in range(1, count + 1):
        here = ready is not None and len(ready.positions) <= positions
        if built is not None and here and built.room > 0:
            return built.portfolio
        for bound in within:
            limit = bound.limit(facts.limits)
            if not wide.reaches(bound, limit, move, positions, ZERO):
                continue
            found = ready if here else exact.portfolio(bound, limit, move, positions, ZERO, at_peak=False)
            if exact.tired:
                return found or marginal or ready
            if found is None:
                continue
            for room, at_peak in SURER:
                surer = exact.portfolio(bound, limit, move, positions, room, at_peak)
                if surer is not None:
                    return surer
            marginal = marginal or found
    return marginal or ready


def _excluded(facts: Facts, wide: Wide, bound: Bound, move: Decimal) -> bool:
    return wide.reaches(bound, bound.limit(facts.limits), move) is False


def _safest(facts: Facts, wide: Wide, beyond: list[Bound], low: Decimal, high: Decimal) -> Decimal:
    """The largest move, to a hundredth of a per cent, within which no halt is reached.

    low: safe. beyond: the bounds that are not excluded at `high`; none of the others is reached on the way there.
    """
    if not beyond:
        return high
    first, last = 0, int(((high - low) / STEP).to_integral_value(rounding=ROUND_FLOOR)) + 1
    while last - first > 1:
        middle = (first + last) // 2
        safe = all(_excluded(facts, wide, bound, low + middle * STEP) for bound in beyond)
        first, last = (middle, last) if safe else (first, middle)
    return low + first * STEP
