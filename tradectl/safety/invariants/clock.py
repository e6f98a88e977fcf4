"""Our clock and the venue's are close enough that a request expires when it should: the fence depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradectl.safety.breach import Breach, Level
from tradectl.safety.view import SafetyView

ID = "clock"


def check(view: SafetyView) -> Iterator[Breach]:
    limit = view.config.venue.max_clock_skew_ms
    if view.clock_skew_ms is not None and abs(view.clock_skew_ms) > limit:
        evidence = f"the venue's clock is {view.clock_skew_ms} ms from ours (limit {limit} ms)"
        yield Breach(ID, Level.NO_ENTRIES, evidence, value=Decimal(abs(view.clock_skew_ms)), limit=Decimal(limit))
