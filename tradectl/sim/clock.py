"""The two clocks of the simulated exchange (spec simulation.md).

Stepped: venue time is the exchange's server time, moved by whoever steps the market; nobody steps it, it stands.
Wall: venue time is wall time. Both take the wall as an injected function.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tradectl.sim.host import Host
from tradectl.sim.ops import SetServerTime

WallMs = Callable[[], int]


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class SteppedClock:
    """Server time of the exchange plus what this process has slept since.

    A sleep costs no wall time. The bot's sleeps stay in its process and reach the exchange with its next operation
    (`at_ms`), which keeps idle cycles free of commits. With `commit_sleeps` (operator commands) each sleep moves the
    exchange's server time at once: a drain must expire the requests of another, frozen process (promise 2).
    """

    def __init__(self, host: Host, wall_ms: WallMs, *, commit_sleeps: bool = False) -> None:
        self._host = host
        self._wall_ms = wall_ms
        self._commit_sleeps = commit_sleeps
        self._floor_ms = 0

    def now_ms(self) -> int:
        return max(self._host.state.server_ms, self._floor_ms)

    def wall_ms(self) -> int:
        return self._wall_ms()

    def monotonic_ms(self) -> int:
        return self.now_ms()

    def skew_ms(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        self._floor_ms = self.now_ms() + round(max(seconds, 0.0) * 1000)
        if self._commit_sleeps:
            self._host.execute(SetServerTime(self._floor_ms))
        await asyncio.sleep(0)


class WallClock:
    """Real time, for real-time paper."""

    def __init__(self, wall_ms: WallMs, monotonic_ms: Callable[[], int] = monotonic_ms) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms

    def now_ms(self) -> int:
        return self._wall_ms()

    def wall_ms(self) -> int:
        return self._wall_ms()

    def monotonic_ms(self) -> int:
        return self._monotonic_ms()

    def skew_ms(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))
