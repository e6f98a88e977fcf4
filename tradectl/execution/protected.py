"""By what rules positions are protected, what is seen of one, and what one pass did."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tradectl.domain.order import OrderFact, TriggerBy
from tradectl.domain.position import Coverage, PositionFact, Protection, coverage, protective_stops
from tradectl.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ProtectionRules:
    stop_loss_pct: Decimal
    trigger_by: TriggerBy
    store_tag: str
    max_skew_ms: int
    unexplained: bool = True  # whether positions that nothing of ours explains are given a stop too
    strikes: int = 2  # passes in a row that a stop is refused, before that is an emergency
    grace_ms: int = 90_000  # after the start of a bot, in which it is none
    close: bool = True  # what is of ours in an emergency; False: trading is halted instead


@dataclass(frozen=True, slots=True)
class Protected:
    """What one pass did: {symbol: what happened}, for the decision records."""

    placed: dict[str, str]
    closed: dict[str, str]
    naked: dict[str, str]
    waiting: dict[str, str] = field(default_factory=dict)  # naked, and an order under way may have ended that
    gone: dict[str, str] = field(default_factory=dict)  # closed or covered by somebody else since the snapshot
    halted: dict[str, str] = field(default_factory=dict)  # naked, and trading is halted for it
    reported: dict[str, str] = field(default_factory=dict)  # naked, not ours, and nothing was tried: see `unexplained`

    @property
    def changed(self) -> bool:
        """True when something was sent, whatever came of it, or the world has moved: then it is looked at again."""
        return bool(self.placed or self.closed or self.naked or self.gone)


@dataclass(frozen=True, slots=True)
class Look:
    """One position at one moment of the venue's clock."""

    at_ms: int
    position: PositionFact
    cover: Coverage
    stops: tuple[OrderFact, ...]  # that cover some of it

    @property
    def covered(self) -> bool:
        return self.cover.protection is Protection.COVERED


def look_at(snapshot: Snapshot, position: PositionFact) -> Look:
    stops, _ = protective_stops(position, snapshot.orders)
    return Look(snapshot.at_ms, position, coverage(position, snapshot.orders), tuple(stops))


def note(said: dict[str, str], position: PositionFact, sentence: str) -> None:
    """Under its symbol; where that has several legs, beside what is said of the others."""
    before = said.get(position.symbol)
    said[position.symbol] = sentence if before is None else f"{before}; {position.side.value}: {sentence}"
