"""What trips the emergency stop, and how it cools down.

DISABLED → ARMED → TRIPPED → COOLING_DOWN → ARMED. The cooldown is time that was seen to pass, added up in the store: a
restart or a clock that jumps cannot shorten it, and where clocks differ the smallest step counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.config.section_safety import Ess
from tradectl.domain.emergency_stop import Emergency
from tradectl.domain.money import ZERO, divide, percent
from tradectl.domain.risk_state import RiskState
from tradectl.domain.seen_time import passed_ms
from tradectl.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Trip:
    evaluator: str
    value: Decimal
    limit: Decimal
    evidence: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Where an evaluator stands. value, limit: of equity, or a count. It trips beyond `limit`; a count, at it."""

    evaluator: str
    value: Decimal
    limit: Decimal


def evaluate(rules: Ess, risk: RiskState, snapshot: Snapshot, now: Emergency) -> tuple[Trip, ...]:
    """What would trip it now, by the numbers: a day's total loss, the loss that is open, errors in a row."""
    return (*_losses(losses(rules, risk, snapshot)), *execution_errors(rules, now))


def execution_errors(rules: Ess, now: Emergency) -> tuple[Trip, ...]:
    """The evaluator that needs no look at the venue: also where the venue cannot be read at all."""
    count, limit = now.errors + now.aborted, rules.max_execution_errors
    if count < limit:
        return ()
    said = f"{now.errors} orders refused or unknown and {now.aborted} cycles aborted in a row (limit {limit})"
    return (Trip("execution_errors", Decimal(count), Decimal(limit), said),)


def losses(rules: Ess, risk: RiskState, snapshot: Snapshot) -> tuple[Reading, Reading]:
    """The loss of the day, of its first equity; and the loss that is open, gains not set against it, of equity now."""
    day = ZERO
    if risk.day_start_equity > 0:
        day = max(divide(risk.day_start_equity - snapshot.equity, risk.day_start_equity), ZERO)
    loss = sum((-position.unrealised for position in snapshot.positions if position.unrealised < 0), ZERO)
    share = divide(loss, snapshot.equity) if snapshot.equity > 0 else (Decimal(1) if loss else ZERO)
    return (
        Reading("daily_drawdown", day, rules.max_daily_drawdown_pct),
        Reading("open_loss", share, rules.max_open_loss_pct),
    )


def _losses(readings: tuple[Reading, ...]) -> list[Trip]:
    says = {"daily_drawdown": "the day has lost", "open_loss": "open losses are"}
    return [
        Trip(
            one.evaluator,
            one.value,
            one.limit,
            f"{says[one.evaluator]} {percent(one.value)} (limit {percent(one.limit)})",
        )
        for one in readings
        if one.value > one.limit
    ]


def cool(now: Emergency, venue_ms: int, wall_ms: int, process_ms: int | None = None, *, stepped: bool) -> Emergency:
    """Time that has passed since it was last looked at, as far as all clocks agree on it (domain/seen_time.py)."""
    step = passed_ms(venue_ms - now.venue_ms, wall_ms - now.wall_ms, process_ms, stepped=stepped)
    return replace(now, cooled_ms=now.cooled_ms + step, venue_ms=venue_ms, wall_ms=wall_ms)


def left_ms(now: Emergency, rules: Ess) -> int:
    """What is left of the cooldown."""
    return max(rules.cooldown_minutes * 60_000 - now.cooled_ms, 0)
