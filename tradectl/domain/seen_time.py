"""Time that was seen to pass, added up in the store: what waits and limits per day are counted in.

Clocks are set, jump and go back, and a restart knows nothing of the time before it. So each completed cycle adds what
has passed since the last one as far as every clock agrees on it; where they differ the smallest step counts, and none
runs back. A wait can become longer by that, and never shorter (promise 9).
"""

from __future__ import annotations

from dataclasses import dataclass, replace


def passed_ms(venue_ms: int, wall_ms: int, process_ms: int | None, *, stepped: bool) -> int:
    """What has passed by the venue's clock, this machine's, and the one of this process that nobody sets (None: it has
    just started).

    stepped: the market's clock moves by itself and the wall's says nothing of it.
    """
    steps = [venue_ms] if stepped else [venue_ms, wall_ms]
    return max(min(steps if process_ms is None else [*steps, process_ms]), 0)


@dataclass(frozen=True, slots=True)
class SeenTime:
    """venue_ms, wall_ms: the clocks when it was last added to. halted_ms: the total when the newest halt of the bot's
    own was seen to stand; None: that halt is newer than the last addition, or there was none."""

    total_ms: int = 0
    venue_ms: int = 0
    wall_ms: int = 0
    halted_ms: int | None = None

    def later(self, venue_ms: int, wall_ms: int, process_ms: int | None, *, stepped: bool) -> SeenTime:
        step = passed_ms(venue_ms - self.venue_ms, wall_ms - self.wall_ms, process_ms, stepped=stepped)
        return replace(self, total_ms=self.total_ms + step, venue_ms=venue_ms, wall_ms=wall_ms)
