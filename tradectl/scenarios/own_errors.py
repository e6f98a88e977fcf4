"""Errors of the bot's own code, provoked: what it has in memory is made incomplete, and its code stumbles over it.

Nothing of the code is replaced. A limit that reads an attribute that is not there, and a summary that computes with a
time that is none, are what the incidents were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tradectl.engine.bot import Bot
from tradectl.engine.listing import Listed
from tradectl.scenarios.stage import Stage

LACKS = "min_notional"  # of an instrument; sizing reads it, and nothing that protects does
_NOBODY = "UNLISTED"  # a symbol that no gate asks about


class _Incomplete:
    """An instrument as a listing gave it that has one field less than the code believes."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        if name == LACKS:
            raise AttributeError(f"the instrument has no {LACKS}")
        return getattr(self._whole, name)


def begin(stage: Stage, bot: Bot, where: str) -> Callable[[], None]:
    """From now on the running bot fails there; returns what ends it."""
    if where == "summary":
        times = bot.memory.signalled_ms
        times[_NOBODY] = None  # type: ignore[assignment]

        def forget() -> None:
            del times[_NOBODY]

        return forget
    listed = bot.instruments
    assert isinstance(listed, Listed)
    whole = listed[stage.first]
    listed._known[stage.first] = _Incomplete(whole)  # type: ignore[assignment]
    stage.provoked.add(LACKS)

    def mend() -> None:
        listed._known[stage.first] = whole

    return mend


async def mend_after(mend: Callable[[], None], after_ms: int) -> None:
    await asyncio.sleep(after_ms / 1000)
    mend()
