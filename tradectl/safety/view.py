"""What the invariants look at: one moment of the account, the books beside it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tradectl.config.schema import Config
from tradectl.domain import quantities as of
from tradectl.domain.inequality import Values
from tradectl.domain.money import ZERO
from tradectl.domain.risk_state import RiskState
from tradectl.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SafetyView:
    """Money in quote currency, times on the venue's clock.

    risk:          the counters after this snapshot
    ours:          ids of the orders with our tag, and of those attached to orders of ours
    entries:       ids of the orders that are admitted entries, or slices of one
    recorded:      ids of the orders that are not ours and on record
    managed:       symbols in which a position of ours lives
    disagreements: symbol → where books and venue differ after ingestion
    unexplained:   what equity moved by since books and venue last agreed, and neither fills, funding and transfers nor
                   the marks of the positions account for; None: it cannot be told now
    clock_skew_ms: the venue's clock less ours; None: not measured
    guard:         a guard session: others trade here, and what they place is no breach
    """

    config: Config
    snapshot: Snapshot
    risk: RiskState
    ours: frozenset[str] = frozenset()
    entries: frozenset[str] = frozenset()
    recorded: frozenset[str] = frozenset()
    managed: frozenset[str] = frozenset()
    disagreements: Mapping[str, str] | None = None
    unexplained: Decimal | None = None
    clock_skew_ms: int | None = None
    guard: bool = False

    def values(self) -> Values:
        """The quantities that the inequalities of the invariants speak of."""
        move = abs(self.unexplained) if self.unexplained is not None else ZERO
        return {**values_of(self.snapshot, self.risk), of.UNEXPLAINED_MOVE.name: move}


def values_of(snapshot: Snapshot, risk: RiskState | None) -> Values:
    """Those of them that one picture and the counters tell."""
    held = [position for position in snapshot.positions if position.qty]
    return {
        of.EQUITY.name: snapshot.equity,
        of.PEAK_EQUITY.name: max(risk.peak_equity, snapshot.equity) if risk is not None else snapshot.equity,
        of.INITIAL_MARGIN.name: snapshot.account.initial_margin,
        of.LARGEST_MARGIN.name: max((position.initial_margin for position in held), default=ZERO),
        of.POSITIONS.name: Decimal(len({position.symbol for position in held})),
    }
