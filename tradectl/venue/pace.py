"""The client-side pace: at most N requests in any second and M in any minute; the stricter waits.

It runs beside a venue's own weight bucket. Windows are rolling: a burst across a minute's edge does not get through.
They are measured by a clock that is never set: a venue's first answer sets our idea of its time, by hours where this
machine's clock is wrong, and nobody waits that long.
"""

from __future__ import annotations

import asyncio
from collections import deque

from tradectl import logs
from tradectl.domain.ports import Clock
from tradectl.domain.tags import Tag

SECOND_MS = 1_000
MINUTE_MS = 60_000

_log = logs.get("venue.pace")


class Pace:
    """Counts requests and makes the caller wait its turn. `throttled_ms` grows with every wait until it is taken."""

    def __init__(self, per_second: int, per_minute: int, clock: Clock) -> None:
        self.per_second = per_second
        self.per_minute = per_minute
        self._clock = clock
        self._sent: deque[int] = deque(maxlen=max(per_second, per_minute))
        self._turn = asyncio.Lock()
        self._throttled_ms = 0
        self._held_until_ms = 0

    def hold(self, wait_ms: int) -> None:
        """The venue asks to be left alone for so long (429, 418): nobody's turn comes before that."""
        self._held_until_ms = max(self._held_until_ms, self._clock.monotonic_ms() + wait_ms)

    async def turn(self, *, urgent: bool = False) -> None:
        """Waits until one more request is allowed, then counts it. Urgent requests are counted but never wait:
        protection is not kept waiting by the reads before it."""
        async with self._turn:
            while not urgent:
                wait_ms, rule = self._wait_ms(self._clock.monotonic_ms())
                if wait_ms <= 0:
                    break
                _log.emit(Tag.SAFETY_RATE_LIMIT, f"Sleeping {wait_ms / 1000:.3f}s to respect {rule}")
                self._throttled_ms += wait_ms
                await self._clock.sleep(wait_ms / 1000)
            self._sent.append(self._clock.monotonic_ms())

    def take_throttled_ms(self) -> int:
        """The time waited since the last call, in ms."""
        waited, self._throttled_ms = self._throttled_ms, 0
        return waited

    def _wait_ms(self, now_ms: int) -> tuple[int, str]:
        if now_ms < self._held_until_ms:
            return self._held_until_ms - now_ms, "the venue's retry-after"
        in_second = sum(1 for at in self._sent if at > now_ms - SECOND_MS)
        second = self._until_free(self.per_second, SECOND_MS, now_ms)
        minute = self._until_free(self.per_minute, MINUTE_MS, now_ms)
        if minute > second:
            return minute, f"per-minute limit (min={self.per_minute})"
        return second, f"per-second limit (sec={in_second})"

    def _until_free(self, limit: int, window_ms: int, now_ms: int) -> int:
        """How long until the `limit`-th last request has left the window."""
        if len(self._sent) < limit:
            return 0
        return max(self._sent[-limit] + window_ms - now_ms, 0)
