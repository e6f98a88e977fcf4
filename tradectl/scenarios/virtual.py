"""An event loop whose time passes only when everybody waits: an hour takes as long as what happens in it.

No sockets, no threads, no processes: whatever runs on it is a coroutine, and the same coroutines with the same random
numbers run in the same order every time (promise 15).
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
TURN_SECONDS = 1e-6


class Deadlock(RuntimeError):
    """Everybody waits, and nothing will ever happen."""


class _Skip(selectors.SelectSelector):
    """Never waits for a file: it moves the clock to the next timer instead. Each turn of the loop takes a moment, as
    it does in life: code that waits for a remainder smaller than a timer's resolution comes to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("every task waits for another")
        self.now += max(timeout, TURN_SECONDS)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 0 and is in seconds."""

    def __init__(self) -> None:
        self._skip = _Skip()
        super().__init__(self._skip)

    def time(self) -> float:
        return self._skip.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in virtual time; what it left running is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def milliseconds(loop: asyncio.AbstractEventLoop) -> int:
    """The loop's time in whole milliseconds, rounded to the nearest: timers are floats."""
    return round(loop.time() * 1000)
