"""Protection as the bot does it: with the instruments that the venue lists now."""

from __future__ import annotations

from collections.abc import Mapping

from tradectl.domain.ledger import OpenTrade
from tradectl.domain.snapshot import Snapshot
from tradectl.engine.bot import Bot
from tradectl.engine.listing import Listed
from tradectl.execution.protect import Protected, protect


async def protect_all(
    bot: Bot, snapshot: Snapshot, trades: Mapping[str, OpenTrade], *, counts: bool = True
) -> Protected:
    """One pass. counts: what it comes to is remembered, and may be an emergency; once a cycle, so that passes in a row
    are apart.

    Raises as `protect` does, an error of our own on one symbol only after the others have been seen to."""
    await learn(bot, snapshot)
    return await protect(
        bot.db,
        bot.door,
        snapshot,
        trades,
        bot.instruments,
        bot.protection,
        bot.clock.now_ms(),
        strikes=bot.memory.strikes if counts else None,
        wall_ms=bot.clock.wall_ms(),
    )


async def learn(bot: Bot, snapshot: Snapshot) -> None:
    """What is held in a contract that the bot does not know: listed since it started, perhaps."""
    if isinstance(bot.instruments, Listed):
        await bot.instruments.learn((position.symbol for position in snapshot.positions), bot.venue, bot.clock)
