"""The venue's time between two of its answers, from a clock that nobody can set.

Every answer with a server time in it is a lower bound of the venue's time: the server wrote it before it arrived here.
The best of the recent bounds, carried on by the machine's monotonic clock, is what `now_ms` gives. So it is never
ahead of the venue's true time, whatever happens to the machine's own clock: a request dated by it can expire early,
never late (promise 2).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

KEPT_MS = 600_000  # two oscillators drift apart by some 10 ms in that time; older bounds are forgotten
_KEPT = 64


class SyncedClock:
    """A Clock for a venue on the wire. Before its first answer, the machine's own UTC time stands in."""

    def __init__(self, *, monotonic_ms: Callable[[], int], wall_ms: Callable[[], int]) -> None:
        self._monotonic_ms = monotonic_ms
        self._wall_ms = wall_ms
        self._bounds: deque[tuple[int, int]] = deque(maxlen=_KEPT)  # (received, server time − received), monotonic

    def observe(self, server_ms: int) -> None:
        """Takes in the server time of an answer that has just arrived."""
        received = self._monotonic_ms()
        while self._bounds and self._bounds[0][0] < received - KEPT_MS:
            self._bounds.popleft()
        self._bounds.append((received, server_ms - received))

    def now_ms(self) -> int:
        if not self._bounds:
            return self._wall_ms()
        return self._monotonic_ms() + max(offset for _, offset in self._bounds)

    def wall_ms(self) -> int:
        return self._wall_ms()

    def monotonic_ms(self) -> int:
        return self._monotonic_ms()

    def skew_ms(self) -> int:
        return self._wall_ms() - self.now_ms() if self._bounds else 0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))
