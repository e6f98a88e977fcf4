"""Profiles of risk: named sets of limits that an operator sets under a running bot. Fractions of equity."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

RISK, DAILY, LEVERAGE, FLOOR = "risk_per_trade", "daily_loss", "leverage", "confidence_floor"


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    max_risk_per_trade: Decimal
    max_daily_loss: Decimal
    max_leverage: Decimal
    confidence_floor: Decimal


_D = Decimal

# From the strictest to the loosest.
PROFILES: dict[str, Profile] = {
    one.name: one
    for one in (
        Profile("DEFENSIVE", _D("0.01"), _D("0.03"), _D(10), _D("0.60")),
        Profile("NORMAL", _D("0.02"), _D("0.05"), _D(30), _D("0.45")),
        Profile("AGGRESSIVE", _D("0.03"), _D("0.08"), _D(50), _D("0.45")),
    )
}


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of what is set. `version` 0: nobody has set one, the configuration's holds."""

    version: int
    profile: Profile
    by: str = ""
    reason: str = ""
    at_ms: int = 0  # wall clock
