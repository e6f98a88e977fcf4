"""What was asked, and what was found: plain values, for whoever prints or replays them. No solver is needed here."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.safety.breach import Bound
from tradectl.validation.proof.ways import Way


@dataclass(frozen=True, slots=True)
class Held:
    """One position of a portfolio, as the model sized it. `ended_by`: the limit that ended its size.

    confidence: of the signal that it comes from.
    """

    way: Way
    notional: Decimal
    margin: Decimal
    ended_by: str
    confidence: Decimal


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What the gates admit and `halts` does not survive. Money in quote currency, before the move."""

    halts: Bound
    equity: Decimal
    peak: Decimal
    positions: tuple[Held, ...]


class Proved(StrEnum):
    SAFE = "safe"
    HALTS = "halts"
    OPEN = "open"  # neither proved nor shown; `why` says what is missing


@dataclass(frozen=True, slots=True)
class Answer:
    """move: the adverse move that was asked for, as far as the stops let it come. wanted: as it was asked.

    safest: the largest move for which safety is proved; None where it is not even without any.
    reach: the move at which the stops end positions; nothing is said of more. degraded: reachable, as is meant.
    """

    proved: Proved
    move: Decimal
    wanted: Decimal
    reach: Decimal
    funding: Decimal
    equity: Decimal
    markets: int
    positions: int
    safest: Decimal | None = None
    portfolio: Portfolio | None = None
    degraded: tuple[Bound, ...] = ()
    why: str = ""
