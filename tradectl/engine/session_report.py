"""What a session came to: the last thing `run` says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.ledger import ClosedTrade
from tradectl.domain.position import PositionFact, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import Latch


@dataclass(frozen=True, slots=True)
class HeldPosition:
    position: PositionFact
    protection: str
    stop_price: Decimal | None


@dataclass(frozen=True, slots=True)
class SessionReport:
    """Money in quote currency; the counts are of this run of the process, the trades of its session."""

    mode: str
    end_reason: str
    cycles: int
    failed_cycles: int
    venue_from_ms: int
    venue_to_ms: int
    currency: str
    equity_start: Decimal
    equity_end: Decimal
    entries: int
    signals: int
    trades: tuple[ClosedTrade, ...]
    refusals: tuple[tuple[str, int], ...]  # (gate, real signals it refused)
    held_back: tuple[tuple[str, int], ...]  # (gate, decisions it ended before any signal)
    held: tuple[HeldPosition, ...]
    latches: tuple[Latch, ...]
    in_doubt: int
    state_path: str
    log_path: str
    unwritten: tuple[str, ...] = ()  # what of the end itself could not be written to the store
    guard: bool = False  # the trades are then of whoever traded

    @property
    def wins(self) -> int:
        return sum(1 for trade in self.trades if trade.net >= 0)

    @property
    def net(self) -> Decimal:
        return sum((trade.net for trade in self.trades), Decimal(0))

    @property
    def fees(self) -> Decimal:
        return sum((trade.fees for trade in self.trades), Decimal(0))

    @property
    def funding(self) -> Decimal:
        return sum((trade.funding for trade in self.trades), Decimal(0))


def held_positions(snapshot: Snapshot) -> tuple[HeldPosition, ...]:
    found = []
    for position in snapshot.positions:
        cover = coverage(position, snapshot.orders)
        found.append(HeldPosition(position, cover.protection.value, cover.stop_price))
    return tuple(found)
