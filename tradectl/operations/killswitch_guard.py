"""The sweep where nothing can be fenced: others trade this account, and what was cancelled is placed again (a guard
session). So it goes on until nothing new has come up for twice the receive window, within a bound."""

from __future__ import annotations

from dataclasses import dataclass

from tradectl.domain.ports import Clock, Venue
from tradectl.execution.sweep import Hands, Swept, sweep

CLEAN_WINDOWS = 2
LONGEST_WINDOWS = 24  # of looks; two minutes of the default window: whoever places that long does not stop by itself
_LOOK_MS = 500


@dataclass(slots=True)
class Watch:
    """How a sweep goes that is not followed by a fence. Times on the venue's clock.

    came_up: orders that were placed after its first look.
    """

    need_ms: int
    clean_ms: int = 0
    waited_ms: int = 0
    came_up: int = 0

    @property
    def clean(self) -> bool:
        return self.clean_ms >= self.need_ms


async def sweep_until_clean(
    hands: Hands, venue: Venue, clock: Clock, watch: Watch, latest: dict[str, Swept], *, window_ms: int, reason: str
) -> None:
    """Sweeps, looks again and sweeps what has come up. `latest` and `watch` are filled as it goes.

    Raises VenueUnreachable; what was done until then is in both.
    """
    started_ms = clean_since_ms = clock.now_ms()
    first = True
    # Counted in looks, not by the clock: a stepped market moves that by minutes at once.
    for _ in range(LONGEST_WINDOWS * window_ms // _LOOK_MS):
        done = await sweep(hands, await venue.snapshot(), reason=reason, tried=frozenset(latest))
        latest.update((one.order.order_id, one) for one in done)
        gone = sum(one.result != "kept" for one in done)
        now_ms = clock.now_ms()
        if gone:
            clean_since_ms = now_ms
        if not first:
            watch.came_up += gone
        first = False
        watch.clean_ms, watch.waited_ms = now_ms - clean_since_ms, now_ms - started_ms
        if watch.clean:
            return
        await clock.sleep(min(_LOOK_MS, max(watch.need_ms - watch.clean_ms, 1)) / 1000)
