"""What was done beside the store while it could not be written, taken into it: by the bot itself or by an operator."""

from __future__ import annotations

from tradectl import logs
from tradectl.domain.tags import Tag
from tradectl.engine.bot import Bot
from tradectl.store import emergency

_log = logs.get("engine.emergency")


def import_emergency(bot: Bot) -> None:
    """One transaction, then the emergency journal is emptied; what is wrong with it is said, and stops nothing."""
    path = bot.db.path
    found = emergency.look(path)
    if not found.records and not found.troubles:
        return
    with bot.db.transaction() as conn:
        absorbed = emergency.absorb(conn, path, at_ms=bot.clock.wall_ms())
    trouble = emergency.clear(path, absorbed)
    for sentence in (*absorbed.troubles, *((trouble,) if trouble else ())):
        _log.emit(Tag.SAFETY_STATE_LOAD, sentence, level=30, path=emergency.path_of(path))
    counted = "1 record" if absorbed.new == 1 else f"{absorbed.new} records"
    _log.emit(
        Tag.SAFETY_STATE_LOAD,
        f"Imported {counted} of what was done while the store could not be written",
        shown_by="tradectl events",
    )
