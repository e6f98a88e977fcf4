"""`policy show`, `set` and `history`: the profile in force, under a running bot."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.money import dec
from tradectl.domain.policy import DAILY, FLOOR, LEVERAGE, PROFILES, RISK, Policy, Profile
from tradectl.errors import UsageError
from tradectl.operations.opening import wall_ms
from tradectl.store import policy as rows
from tradectl.store import settings
from tradectl.store.database import Database


@dataclass(frozen=True, slots=True)
class Effect:
    """One limit. without: what holds without a policy; None before the first run. allows: the policy.

    A fraction of equity, a leverage, or a confidence; of a confidence the higher one is the stricter.
    """

    limit: str
    without: Decimal | None
    allows: Decimal

    @property
    def binds(self) -> bool:
        """The policy is the stricter."""
        if self.without is None:
            return False
        return self.allows > self.without if self.limit == FLOOR else self.allows < self.without

    @property
    def in_force(self) -> Decimal | None:
        return self.allows if self.binds else self.without


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """current None: nobody has set one. configured: the profile of the bot's configuration, '' before the first run.

    bound: {limit: whose it is} of the last cycle, where it is not the configuration's own
    """

    current: Policy | None
    configured: str
    bound: dict[str, str]
    history: tuple[Policy, ...]


def show(db: Database, last: int = 1) -> PolicyPage:
    with db.read() as conn:
        found = settings.load(conn)
        bound = dict(part.split(": ", 1) for part in found.get("policy.bound", "").split("; ") if part)
        return PolicyPage(rows.current(conn), found.get("policy.profile", ""), bound, tuple(rows.history(conn, last)))


def choose(typed: str) -> Profile:
    """Raises UsageError."""
    found = PROFILES.get(typed.strip().upper())
    if found is None:
        raise UsageError(f"there is no profile '{typed}'", hint=f"one of: {', '.join(PROFILES)}")
    return found


def effects(db: Database, profile: Profile) -> tuple[Effect, ...]:
    """What it makes of the limits of the bot that ran last."""
    with db.read() as conn:
        found = settings.load(conn)
    allowed = {
        RISK: profile.max_risk_per_trade,
        DAILY: profile.max_daily_loss,
        LEVERAGE: profile.max_leverage,
        FLOOR: profile.confidence_floor,
    }
    own = {name: found.get(f"policy.without.{name}") for name in allowed}
    return tuple(
        Effect(name, dec(known) if (known := own[name]) is not None else None, value) for name, value in allowed.items()
    )


def put(db: Database, profile: Profile, *, by: str, reason: str) -> tuple[Policy, bool]:
    """(what is set, whether it was changed). Raises StoreBusy, StoreUnwritable."""
    if not reason.strip():
        raise UsageError("a change of policy needs its reason", hint="--reason TEXT")
    with db.transaction() as conn:
        now = rows.current(conn)
        if now is not None and now.profile == profile:
            return now, False
        return rows.put(conn, profile, by=by, reason=reason, at_ms=wall_ms()), True
