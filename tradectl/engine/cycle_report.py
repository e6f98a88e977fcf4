"""What one cycle saw and did, as the record, the log and the session report read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tradectl.domain.signal import Decision
from tradectl.domain.snapshot import Snapshot
from tradectl.execution.ingest import Ingested
from tradectl.safety.breach import Breach
from tradectl.safety.emergency_stop import Trip


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one moment was found to be. `unexplained` as in SafetyView."""

    breaches: tuple[Breach, ...]
    trips: tuple[Trip, ...]
    unexplained: Decimal | None
    changed: bool  # a latch was set or cleared


@dataclass(slots=True)
class CycleReport:
    """`signals` counts real signals, refused ones included; durations in wall ms, waits for the pace in venue ms."""

    number: int
    snapshot: Snapshot
    equity_before: Decimal  # as the cycle found it
    system_state: str = ""
    decisions: list[Decision] = field(default_factory=list)
    signals: int = 0
    ingested: list[Ingested] = field(default_factory=list)
    duration_ms: int = 0
    throttled_ms: int = 0
    judged: Judgement | None = None
