"""The policy as the running bot goes by it: a new version from its next cycle on."""

from __future__ import annotations

from tradectl import logs
from tradectl.domain.policy import PROFILES, Policy
from tradectl.domain.tags import Tag
from tradectl.engine.bot import Bot
from tradectl.store import policy
from tradectl.store.connection import Connection

_log = logs.get("engine.policies")


def look(bot: Bot, conn: Connection) -> Policy:
    """The policy in force. Read anew when its version has changed, and when the last look is `refresh_seconds` old."""
    memory, now_ms = bot.memory, bot.clock.now_ms()
    version = policy.version(conn)
    known = memory.policy
    old = now_ms - memory.policy_ms >= bot.config.policy.refresh_seconds * 1000
    if known is not None and known.version == version and not old:
        return known
    found = policy.current(conn) or Policy(0, PROFILES[bot.config.policy.profile])
    if known is None or known.version != found.version:
        who = f" set by {found.by}: {found.reason}" if found.version else " (the configuration's)"
        _log.emit(
            Tag.SAFETY_POLICY,
            f"policy in force: {found.profile.name}{f' version {found.version}' if found.version else ''}{who}",
            version=found.version,
        )
    memory.policy, memory.policy_ms = found, now_ms
    return found
