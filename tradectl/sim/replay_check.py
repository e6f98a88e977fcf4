"""What a column of bars must satisfy before an exchange trades on it; every breach with its place and its remedy.

A gap is not a breach: venues have outages. It is kept as a gap (time jumps over it) and reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from operator import lt

from tradectl.domain.candle import utc_text
from tradectl.sim.replay_read import Faults, RawTable


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing bars: none between the bar before `from_ms` (exclusive end of it) and `to_ms`."""

    symbol: str
    from_ms: int
    to_ms: int
    bars: int

    @property
    def sentence(self) -> str:
        return f"{self.symbol}: {self.bars} bar(s) missing from {utc_text(self.from_ms)} to {utc_text(self.to_ms)}"


def check_order(table: RawTable, faults: Faults) -> None:
    """Times strictly rising."""
    ts = table.ts
    if all(map(lt, ts, ts[1:])):
        return
    for row in range(1, len(ts)):
        before, now = ts[row - 1], ts[row]
        if now == before:
            faults.add(table.place(row), f"duplicate time {utc_text(now)}: the row before has it too; drop one")
        elif now < before:
            faults.add(
                table.place(row), f"wrong order: {utc_text(now)} after {utc_text(before)}; sort the rows by time"
            )


def check_bars(table: RawTable, interval_ms: int, faults: Faults) -> None:
    """Order, grid, and prices that are finite, positive and consistent; volume not negative."""
    check_order(table, faults)
    off = [row for row, at in enumerate(table.ts) if at % interval_ms]
    for row in off:
        faults.add(
            table.place(row),
            f"{utc_text(table.ts[row])} is not on the grid of {interval_ms // 1000} s bars; wrong interval?",
        )
    columns = table.columns
    volume = columns.get("volume")
    if volume is not None and not all(0.0 <= v < inf for v in volume):
        for row, value in enumerate(volume):
            if not 0.0 <= value < inf:
                faults.add(table.place(row), f"volume is {value}; expected zero or more")
    rows = zip(columns["open"], columns["high"], columns["low"], columns["close"], strict=True)
    for row, (opened, high, low, close) in enumerate(rows):
        # NaN fails every comparison, so one chain finds it together with the rest.
        if not (0.0 < low <= opened <= high < inf and low <= close <= high):
            faults.add(table.place(row), _price_fault(opened, high, low, close))


def _price_fault(opened: float, high: float, low: float, close: float) -> str:
    for name, value in (("open", opened), ("high", high), ("low", low), ("close", close)):
        if value != value or value in (inf, -inf):
            return f"{name} is {value}; expected a price"
        if value <= 0:
            return f"{name} is {value}; a price is above zero"
    if high < low:
        return f"high {high} is below low {low}; the columns may be swapped"
    name, value = ("open", opened) if not low <= opened <= high else ("close", close)
    return f"{name} {value} lies outside low {low} to high {high}"


def check_rates(table: RawTable, faults: Faults) -> None:
    """Funding: order, and rates that are finite and below 100% either way."""
    check_order(table, faults)
    for row, rate in enumerate(table.columns["rate"]):
        if not -1.0 < rate < 1.0:
            faults.add(table.place(row), f"rate is {rate}; expected a fraction per payment, such as 0.0001")


def gaps(symbol: str, opens: Sequence[int], interval_ms: int) -> tuple[Gap, ...]:
    """The holes in a checked series."""
    return tuple(
        Gap(symbol, before + interval_ms, now, (now - before) // interval_ms - 1)
        for before, now in pairwise(opens)
        if now - before > interval_ms
    )
