"""live_limited trades on a green preflight: a new session does not begin without one, and one that goes on after a
restart only protects and manages until there is one again."""

from __future__ import annotations

from tradectl import logs
from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.system_state import Latch, LatchName
from tradectl.domain.tags import Tag
from tradectl.engine.bot import Bot
from tradectl.engine.state import Books
from tradectl.errors import Refused
from tradectl.store import latches, outbox, preflights
from tradectl.store.connection import Connection

_log = logs.get("engine.preflight")
_BOT = "bot"


def at_start(conn: Connection, *, mode: str, config_digest: str, resumed: bool, wall_ms: int, venue_ms: int) -> None:
    """In the transaction that begins or resumes the session. Raises Refused for a new session without a green one."""
    why = preflights.refusal(conn, config_digest, wall_ms) if mode == LIVE_LIMITED else ""
    stands = latches.get(conn, LatchName.PREFLIGHT)
    if not why:
        if stands is not None:
            _clear(conn, "the preflight holds" if mode == LIVE_LIMITED else f"mode {mode} asks for none", wall_ms)
        return
    if not resumed:
        raise Refused(
            f"a new {LIVE_LIMITED} session needs a green preflight: {why}",
            where=f"configuration {config_digest[:12]}",
            hint="this build has no preflight command yet, so none can be made: tradectl run --mode paper needs none",
        )
    sentence = f"the session goes on, and only protects and manages: {why}"
    _log.emit(Tag.SAFETY_LIMITED_REFUSED, sentence)
    if stands is None:
        latches.set_latch(conn, Latch(LatchName.PREFLIGHT, "", _BOT, wall_ms, sentence))
        outbox.put(
            conn, at_ms=venue_ms, type=Tag.SAFETY_LIMITED_REFUSED.value.lower(), symbol="", urgent=True, text=sentence,
            context={"mode": mode},
        )  # fmt: skip


def lift(bot: Bot, books: Books) -> bool:
    """Clears the latch once a green preflight of this configuration is on record. True when it did."""
    if not any(latch.name is LatchName.PREFLIGHT for latch in books.latches):
        return False
    wall_ms = bot.clock.wall_ms()
    with bot.db.transaction() as conn:
        if preflights.refusal(conn, bot.config_digest, wall_ms):
            return False
        _clear(conn, "a green preflight is on record", wall_ms)
    _log.emit(Tag.SAFETY_RECOVERED, "a green preflight is on record: entries are permitted as far as it goes")
    return True


def _clear(conn: Connection, why: str, wall_ms: int) -> None:
    latches.clear(conn, LatchName.PREFLIGHT, "", by=_BOT, reason=why, at_ms=wall_ms)
