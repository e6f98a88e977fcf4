"""Candle files as a market: trade bars, and the mark and funding files that lie beside them.

Files name themselves `VENUE_SYMBOL[_mark|_funding]_TF[_window].csv|parquet`, or symbol and interval are declared.
The mark price is the last price held inside the mark bar (spec simulation.md); where no mark bar covers a trade bar,
mark = last. Funding files give the rate actually paid at its time (jittered by milliseconds at the source, so times
are rounded to the minute and doubles dropped).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from tradectl.domain.candle import INTERVALS_MS, MINUTE_MS, Candle, utc_text
from tradectl.errors import ConfigError
from tradectl.sim.replay_check import Gap, check_bars, check_rates, gaps
from tradectl.sim.replay_read import Faults, RawTable, raise_faults, read_table, zeros

_NAME = re.compile(
    r"(?P<venue>[A-Z0-9]+)_(?![0-9]+[mhd][_.])(?P<symbol>[A-Z0-9]+)(?:_(?P<kind>mark|funding))?"
    r"(?:_(?P<tf>[0-9]+[mhd]))?(?:_(?P<window>[0-9]+(?:-[0-9]+)?))?\.(?:csv|parquet)",
    re.IGNORECASE,
)
_BAR = ("ts", "open", "high", "low", "close")
_OPTIONAL = ("volume",)

MarkRange = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file's name says of it."""

    venue: str
    symbol: str
    kind: str  # 'trade', 'mark' or 'funding'
    interval: str | None

    @classmethod
    def parse(cls, name: str) -> FileName | None:
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        interval = match["tf"].lower() if match["tf"] else None
        if interval is not None and interval not in INTERVALS_MS:
            return None
        kind = match["kind"].lower() if match["kind"] else "trade"
        return cls(match["venue"].upper(), match["symbol"].upper(), kind, interval)


@dataclass(frozen=True, slots=True)
class TradeSeries:
    """One symbol's bars, ready to replay. `marks[i]` is the (low, high) that the mark may take within bar i."""

    symbol: str
    interval: str
    interval_ms: int
    opens: list[int]
    candles: list[Candle]
    marks: list[MarkRange | None]
    fundings: list[tuple[int, Decimal]]  # (time rounded to the minute, rate), rising
    gaps: tuple[Gap, ...]
    files: tuple[str, ...]  # names of every file that was read for it
    digest: str  # of their contents

    @property
    def notices(self) -> tuple[str, ...]:
        """What an operator should know of it before it runs."""
        covered = sum(mark is not None for mark in self.marks)
        first = (
            f"{self.symbol}: {len(self.candles)} bars of {self.interval} from {utc_text(self.opens[0])} "
            f"to {utc_text(self.opens[-1])}; mark prices for {covered} of them; {len(self.fundings)} funding payments"
        )
        return (first, *(gap.sentence for gap in self.gaps))


def load_replay(
    paths: Sequence[Path], *, symbol: str | None = None, interval: str | None = None, beside: bool = True
) -> tuple[TradeSeries, ...]:
    """Reads trade-candle files, with what lies beside them, into one series per symbol, in name order.

    symbol, interval: declared for a file whose name does not say (both then; one file).
    Several files of one symbol are joined when their times do not overlap. Raises ConfigError with every fault found
    (ten of each file), NotAvailable for a Parquet file without pyarrow.
    """
    if not paths:
        raise ConfigError("no replay file was given", hint="--replay FILE, once for each file")
    grouped: dict[str, list[tuple[Path, FileName]]] = {}
    for path in paths:
        name = _identify(path, symbol, interval)
        grouped.setdefault(name.symbol, []).append((path, name))
    intervals = {name.interval for files in grouped.values() for _, name in files}
    if len(intervals) > 1:
        raise ConfigError(
            f"the replay files have different intervals: {', '.join(sorted(str(i) for i in intervals))}",
            hint="replay files of one interval together, the others in a run of their own",
        )
    faults: list[Faults] = []
    read = {name: _load_symbol(files, faults, beside) for name, files in sorted(grouped.items())}
    raise_faults(faults)
    return tuple(series for series in read.values() if series is not None)


def _identify(path: Path, symbol: str | None, interval: str | None) -> FileName:
    name = FileName.parse(path.name)
    if name is not None and name.kind != "trade":
        raise ConfigError(
            f"a {name.kind} file cannot be replayed by itself",
            where=str(path),
            hint="give the trade-candle file; mark and funding files beside it are found by their names",
        )
    venue = name.venue if name is not None else "FILE"
    found_symbol = (symbol or "").upper() or (name.symbol if name is not None else "")
    found_interval = interval or (name.interval if name is not None else None)
    if not found_symbol or found_interval is None:
        raise ConfigError(
            "the file's name does not say which symbol and interval it holds",
            where=str(path),
            why="expected VENUE_SYMBOL_TF[_window].csv or .parquet, such as BYBIT_SOLUSDT_5m.csv",
            hint="rename it, or add --symbol SOLUSDT --interval 5m",
        )
    if found_interval not in INTERVALS_MS:
        raise ConfigError(
            f"unknown interval {found_interval!r}", where=str(path), hint=f"one of {', '.join(INTERVALS_MS)}"
        )
    return FileName(venue, found_symbol, "trade", found_interval)


def _load_symbol(files: list[tuple[Path, FileName]], faults: list[Faults], beside: bool) -> TradeSeries | None:
    interval = files[0][1].interval or ""
    interval_ms = INTERVALS_MS[interval]
    tables = [table for path, _ in files if (table := _bars(path, interval_ms, faults)) is not None]
    if len(tables) != len(files):
        return None
    tables.sort(key=lambda table: table.ts[0])
    for before, after in pairwise(tables):
        if after.ts[0] <= before.ts[-1]:
            found = Faults(after.path)
            found.add(
                after.place(0),
                f"starts at {utc_text(after.ts[0])}, before {before.path.name} ends ({utc_text(before.ts[-1])}); "
                "replay one of the two",
            )
            faults.append(found)
    name = files[0][1]
    used = [table.path for table in tables]
    opens = [at for table in tables for at in table.ts]
    neighbours = _beside(files, name) if beside else {}
    marks = _marks(neighbours.get("mark", []), opens, interval_ms, used, faults)
    fundings = _fundings(neighbours.get("funding", []), opens[0], opens[-1] + interval_ms, used, faults)
    if any(found.count for found in faults):
        return None
    return TradeSeries(
        symbol=name.symbol,
        interval=interval,
        interval_ms=interval_ms,
        opens=opens,
        candles=[candle for table in tables for candle in _candles(table)],
        marks=marks,
        fundings=fundings,
        gaps=gaps(name.symbol, opens, interval_ms),
        files=tuple(path.name for path in used),
        digest=_digest(used),
    )


def _bars(path: Path, interval_ms: int, faults: list[Faults]) -> RawTable | None:
    found = Faults(path)
    faults.append(found)
    table = read_table(path, _BAR, _OPTIONAL, found)
    if table is not None:
        check_bars(table, interval_ms, found)
    return None if found.count else table


def _candles(table: RawTable) -> Iterable[Candle]:
    volume = table.decimals("volume") if "volume" in table.columns else zeros(len(table.ts))
    return map(Candle, table.ts, *(table.decimals(name) for name in _BAR[1:]), volume)


def _beside(files: list[tuple[Path, FileName]], name: FileName) -> dict[str, list[tuple[Path, FileName]]]:
    """Mark and funding files of the same venue and symbol in the folders of the trade files, in name order."""
    found: dict[str, list[tuple[Path, FileName]]] = {}
    for folder in sorted({path.parent for path, _ in files}):
        for path in sorted(folder.glob("*_*")):
            other = FileName.parse(path.name)
            if other is not None and other.kind != "trade" and (other.venue, other.symbol) == (name.venue, name.symbol):
                found.setdefault(other.kind, []).append((path, other))
    return found


def _marks(
    files: list[tuple[Path, FileName]], opens: list[int], interval_ms: int, used: list[Path], faults: list[Faults]
) -> list[MarkRange | None]:
    """For each trade bar the range of the mark bars that overlap it; the finest mark timeframe that covers it wins."""
    marks: list[MarkRange | None] = [None] * len(opens)
    for path, name in sorted(files, key=lambda item: INTERVALS_MS[item[1].interval or "1d"]):
        if name.interval is None:
            continue
        width = INTERVALS_MS[name.interval]
        table = _bars(path, width, faults)
        if table is None or table.ts[-1] + width <= opens[0] or table.ts[0] > opens[-1]:
            continue
        row_of = {at: row for row, at in enumerate(table.ts)}
        lows, highs = table.decimals("low"), table.decimals("high")
        hit = False
        for bar, opened in enumerate(opens):
            if marks[bar] is not None:
                continue
            rows = [row_of.get(at) for at in range(opened - opened % width, opened + interval_ms, width)]
            held = [row for row in rows if row is not None]
            if held and len(held) == len(rows):
                hit = True
                marks[bar] = (min(lows[row] for row in held), max(highs[row] for row in held))
        if hit:
            used.append(path)
    return marks


def _fundings(
    files: list[tuple[Path, FileName]], start_ms: int, end_ms: int, used: list[Path], faults: list[Faults]
) -> list[tuple[int, Decimal]]:
    rates: dict[int, Decimal] = {}
    for path, _ in files:
        found = Faults(path)
        faults.append(found)
        table = read_table(path, ("ts", "rate"), (), found)
        if table is None:
            continue
        check_rates(table, found)
        hit = False
        for at, rate in zip(table.ts, table.decimals("rate"), strict=True):
            minute = (at + MINUTE_MS // 2) // MINUTE_MS * MINUTE_MS
            if start_ms <= minute < end_ms:
                hit = True
                rates.setdefault(minute, rate)  # windows of one venue overlap; their rates agree
        if hit:
            used.append(path)
    return sorted(rates.items())


def _digest(paths: Sequence[Path]) -> str:
    """One digest of the files' contents, so that a resumed exchange is not fed another market."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:32]
