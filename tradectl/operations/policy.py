"""`policy show`, `set` and `history`: the profile in force, under a running bot."""

from __future__ import annotations

from dataclasses import dataclass

from tradectl.domain.policy import PROFILES, Policy, Profile
from tradectl.errors import UsageError
from tradectl.operations.opening import wall_ms
from tradectl.store import policy as rows
from tradectl.store import settings
from tradectl.store.database import Database


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


def put(db: Database, profile: Profile, *, by: str, reason: str) -> tuple[Policy, bool]:
    """(what is set, whether it was changed). Raises StoreBusy, StoreUnwritable."""
    if not reason.strip():
        raise UsageError("a change of policy needs its reason", hint="--reason TEXT")
    with db.transaction() as conn:
        now = rows.current(conn)
        if now is not None and now.profile == profile:
            return now, False
        return rows.put(conn, profile, by=by, reason=reason, at_ms=wall_ms()), True
