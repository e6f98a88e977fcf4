"""What the checker holds a world to, out of the configuration that the bot runs with: in this one place."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.config.schema import Config
from tradectl.scenarios.chaos.watch import Limits

_RETRIES_S = 75  # longer than any retry of a single fault, beside the grace that the configuration gives
_RESTARTS = 4  # of one position's life without a stop: each begins its grace and its strikes anew
_USUAL_STRIKES = 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """`naked_s`: of one bot that runs, with venue and store there, how long a position may be without a stop.
    `hard_s`: the same whatever the faults, and however often the bot was restarted. `report_only`: positions that
    nothing of ours explains are not protected. `halts`: ours that takes no stop is not closed, but halts and is said.
    `recoveries`: halts of `reasons` that may clear themselves, in a day."""

    limits: Limits
    start_balance: Decimal
    naked_s: int
    hard_s: int
    report_only: bool
    halts: bool
    recoveries: int
    reasons: tuple[str, ...]
    cooldown_minutes: int


def bounds(config: Config) -> Bounds:
    """A policy or a mode can only be stricter than these: the strictest of them holds."""
    risk, protection, recovery = config.risk, config.safety.protection, config.safety.auto_recovery
    extra = (protection.strikes - _USUAL_STRIKES) * float(config.engine.protection_seconds)
    emergency_s = protection.grace_seconds + max(0, round(extra))
    return Bounds(
        limits=Limits(
            risk.max_concurrent_positions,
            risk.max_exposure_pct,
            min(risk.auction_max_margin_util, risk.max_aggregate_margin_pct_equity),
        ),
        start_balance=config.sim.start_balance,
        naked_s=_RETRIES_S + emergency_s,
        hard_s=_RETRIES_S + 105 + _RESTARTS * emergency_s,
        report_only=protection.unexplained == "report",
        halts=protection.on_unprotectable == "halt",
        recoveries=recovery.max_per_day,
        reasons=recovery.reasons,
        cooldown_minutes=config.ess.cooldown_minutes,
    )
