"""Between two cycles: every position covered, every invariant judged, without market data and without entries."""

from __future__ import annotations

from tradectl import logs
from tradectl.domain.tags import Tag
from tradectl.engine import guarding, protecting, state
from tradectl.engine.bot import Bot
from tradectl.errors import Busy, EntryRefused, StoreUnwritable

_log = logs.get("engine.between")


async def look_after(bot: Bot) -> None:
    """One pass. What cannot be done now is said, and the next cycle does it; that one also counts errors of our own,
    for which it ends the bot only when they go on."""
    try:
        snapshot, _ = await state.take_in(bot, await bot.venue.snapshot())
        books = state.load_books(bot, snapshot)
        protected = await protecting.protect_all(bot, snapshot, books.open_trades)
        if protected.changed:
            snapshot, _ = await state.take_in(bot, await bot.venue.snapshot())
            books = state.load_books(bot, snapshot)
        guarding.judge(bot, snapshot, books, cycle=None)
        await guarding.sweep_if_halted(bot, snapshot)
    except EntryRefused as refusal:
        if refusal.code != "lease":  # the next cycle finds that out, and ends the bot
            _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"pass between cycles not completed: {refusal.what}", level=30)
    except (Busy, StoreUnwritable) as error:
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"pass between cycles not completed: {error.what}", level=30)
    except Exception as error:
        logs.trace("engine.between", f"pass between cycles failed: {type(error).__name__}: {error}")
