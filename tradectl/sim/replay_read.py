"""Reading a table of numbers from a CSV or Parquet file, with the place of every value.

CSV: header in any case, common spellings accepted, or no header and the order of exchange dumps (time, open, high,
low, close, volume). Times: epoch seconds, milliseconds or microseconds (told apart by size, per file) or ISO 8601
(UTC where no zone is given). Parquet: the extra `parquet`; pyarrow is imported only when such a file is met.
All faults of a file are collected, ten are shown.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from pathlib import Path
from typing import Any

from tradectl.errors import ConfigError, NotAvailable

SHOWN_FAULTS = 10

_SPELLINGS: dict[str, frozenset[str]] = {
    "ts": frozenset(
        ("ts", "timestamp", "time", "date", "datetime", "open_time", "opentime", "open_ms", "start", "unix")
    ),
    "open": frozenset(("open", "o", "open_price")),
    "high": frozenset(("high", "h", "high_price")),
    "low": frozenset(("low", "l", "low_price")),
    "close": frozenset(("close", "c", "close_price")),
    "volume": frozenset(("volume", "vol", "v", "base_volume")),
    "rate": frozenset(("rate", "funding_rate", "fundingrate", "last_funding_rate")),
}
_SECONDS_BELOW = 100_000_000_000
_MS_BELOW = 100_000_000_000_000
_MICROS_BELOW = 100_000_000_000_000_000


@dataclass(slots=True)
class Faults:
    """The faults of one file; every one is counted, the first ten are kept."""

    path: Path
    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, place: str, sentence: str) -> None:
        self.count += 1
        if len(self.shown) < SHOWN_FAULTS:
            self.shown.append(f"{place}: {sentence}")

    def found(self) -> bool:
        return self.count > 0


@dataclass(frozen=True, slots=True)
class RawTable:
    """Columns of equal length. `texts` are the cells as written (CSV), from which Decimals are made exactly."""

    path: Path
    ts: list[int]
    columns: dict[str, list[float]]
    texts: dict[str, list[str]]
    lines: list[int] | None  # line of each row in a CSV; None for Parquet, whose rows are numbered from 1

    def place(self, row: int) -> str:
        return f"{self.path.name}:{self.lines[row]}" if self.lines is not None else f"{self.path.name} row {row + 1}"

    def decimals(self, name: str) -> list[Decimal]:
        """A column as Decimals: from its text, or from the shortest text that reads back as the same float."""
        if name in self.texts:
            return list(map(Decimal, self.texts[name]))
        return list(map(Decimal, map(repr, self.columns[name])))


def raise_faults(faults: Sequence[Faults]) -> None:
    """Raises ConfigError with everything found, or returns when nothing was."""
    bad = [found for found in faults if found.count]
    if not bad:
        return
    lines: list[str] = []
    for found in bad:
        lines += found.shown
        if found.count > len(found.shown):
            lines.append(f"{found.path.name}: and {found.count - len(found.shown)} more faults")
    names = ", ".join(str(found.path) for found in bad)
    raise ConfigError(
        f"{sum(found.count for found in bad)} fault(s) in the replay data",
        where=names,
        hint="correct or drop the rows named below, or fetch the file again",
        faults=tuple(lines),
    )


def read_table(path: Path, wanted: Sequence[str], optional: Sequence[str], faults: Faults) -> RawTable | None:
    """The wanted columns of a file; None when faults were found. Missing optional columns are left out.

    Raises NotAvailable when the file is Parquet and pyarrow is not installed.
    """
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, wanted, optional, faults)
    return _read_csv(path, wanted, optional, faults)


def _columns(
    header: Sequence[str], wanted: Sequence[str], optional: Sequence[str], place: str, faults: Faults
) -> dict[str, int]:
    found: dict[str, int] = {}
    cleaned = [name.strip().lower().replace(" ", "_") for name in header]
    for name in (*wanted, *optional):
        places = [at for at, cell in enumerate(cleaned) if cell in _SPELLINGS[name]]
        if not places:
            if name not in optional:
                spellings = ", ".join(sorted(_SPELLINGS[name]))
                faults.add(place, f"no column {name!r} (read as: {spellings}); the file has: {', '.join(header)}")
        elif len(places) > 1:
            faults.add(place, f"two columns for {name!r}: {', '.join(header[at] for at in places)}; keep one")
        else:
            found[name] = places[0]
    return found


def _read_csv(path: Path, wanted: Sequence[str], optional: Sequence[str], faults: Faults) -> RawTable | None:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        faults.add(path.name, f"cannot be read as text: {error}; is it a CSV file in UTF-8?")
        return None
    delimiter = ";" if ";" in content[:400] and "," not in content[:400] else ","
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        faults.add(f"{path.name}:{reader.line_num}", f"not CSV: {error}")
        return None
    if not rows:
        faults.add(path.name, "the file is empty; expected a header and one row per bar")
        return None
    places = _header(rows, lines, wanted, optional, path, faults)
    if faults.found():
        return None
    if not rows:
        faults.add(path.name, "there is a header but no row")
        return None
    width = max(places.values()) + 1
    for at, row in enumerate(rows):
        if len(row) < width:
            faults.add(f"{path.name}:{lines[at]}", f"{len(row)} cells where at least {width} are needed")
    if faults.found():
        return None
    texts = {name: [row[at] for row in rows] for name, at in places.items()}
    times = _times(texts.pop("ts"), lambda at: f"{path.name}:{lines[at]}", faults)
    columns: dict[str, list[float]] = {}
    for name, cells in texts.items():
        try:
            columns[name] = list(map(float, cells))
        except ValueError:
            _name_bad_cells(name, cells, path, lines, faults)
    if faults.found():
        return None
    return RawTable(path, times, columns, texts, lines)


def _header(
    rows: list[list[str]],
    lines: list[int],
    wanted: Sequence[str],
    optional: Sequence[str],
    path: Path,
    faults: Faults,
) -> dict[str, int]:
    """Takes the header row off `rows` and says which column is which; without one, the wanted order is assumed."""
    if rows[0][0].strip().isdecimal():
        order = (*wanted, *optional)
        if len(rows[0]) >= len(wanted):
            return dict(zip(order, range(min(len(order), len(rows[0]))), strict=False))
        faults.add(
            f"{path.name}:{lines[0]}",
            f"no header, and {len(rows[0])} columns where {', '.join(order)} are expected in this order",
        )
        return {}
    header = rows.pop(0)
    return _columns(header, wanted, optional, f"{path.name}:{lines.pop(0)}", faults)


def _name_bad_cells(name: str, cells: Sequence[str], path: Path, lines: Sequence[int], faults: Faults) -> None:
    for at, cell in enumerate(cells):
        try:
            float(cell)
        except ValueError:
            faults.add(f"{path.name}:{lines[at]}", f"{name} is not a number: {cell!r}")


def _times(cells: Sequence[str], place: Callable[[int], str], faults: Faults) -> list[int]:
    """Epoch milliseconds of a column of times, all in the unit that the first one is in."""
    first = cells[0].strip()
    if first.replace(".", "", 1).isdecimal():
        try:
            return _scaled(list(map(_whole, cells)), place, faults)
        except ValueError:
            for at, cell in enumerate(cells):
                if not cell.strip().replace(".", "", 1).isdecimal():
                    faults.add(place(at), f"not a time: {cell!r} (the first row has epoch numbers)")
            return []
    times: list[int] = []
    for at, cell in enumerate(cells):
        try:
            moment = datetime.fromisoformat(cell.strip())
        except ValueError:
            faults.add(place(at), f"not a time: {cell!r}; epoch seconds or milliseconds, or ISO 8601 in UTC")
            continue
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        times.append(round(moment.timestamp() * 1000))
    return times


def _whole(cell: str) -> int:
    return int(cell) if "." not in cell else int(Decimal(cell))


def _scaled(values: list[int], place: Callable[[int], str], faults: Faults) -> list[int]:
    def unit(value: int) -> str:
        return "s" if value < _SECONDS_BELOW else "ms" if value < _MS_BELOW else "µs"

    kind = unit(values[0])
    if max(values) >= _MICROS_BELOW or unit(max(values)) != kind or unit(max(min(values), 0)) != kind:
        for at, value in enumerate(values):
            if value >= _MICROS_BELOW or unit(value) != kind:
                faults.add(place(at), f"time {value} is not in the unit of the first row ({kind})")
        return []
    return [v * 1000 for v in values] if kind == "s" else [v // 1000 for v in values] if kind == "µs" else values


def _read_parquet(path: Path, wanted: Sequence[str], optional: Sequence[str], faults: Faults) -> RawTable | None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise NotAvailable(
            "Parquet files need pyarrow, which is not installed",
            where=str(path),
            hint="pip install 'tradectl[parquet]', or convert the file to CSV",
        ) from error
    try:
        table: Any = pq.read_table(path, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        faults.add(path.name, f"cannot be read as Parquet: {str(error).splitlines()[0]}")
        return None
    places = _columns(table.schema.names, wanted, optional, path.name, faults)
    if faults.found():
        return None
    if not table.num_rows:
        faults.add(path.name, "the file has no rows")
        return None
    columns: dict[str, list[float]] = {}
    times: list[int] = []

    def place(row: int) -> str:
        return f"{path.name} row {row + 1}"

    for name, at in places.items():
        column = table.column(at)
        if column.null_count:
            empty = [row for row, value in enumerate(column.to_pylist()) if value is None]
            for row in empty:
                faults.add(place(row), f"{name} is empty")
            continue
        if name == "ts":
            if pa.types.is_timestamp(column.type):
                times = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_pylist()
            elif pa.types.is_integer(column.type):
                times = _scaled(column.to_pylist(), place, faults)
            else:
                faults.add(path.name, f"column ts is {column.type}; expected int64 (epoch) or a timestamp")
        elif pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
            columns[name] = list(map(float, column.to_pylist()))
        else:
            faults.add(path.name, f"column {name} is {column.type}; expected numbers")
    return None if faults.found() else RawTable(path, times, columns, {}, None)


def zeros(count: int) -> list[Decimal]:
    """A volume column where a file has none."""
    return list(repeat(Decimal(0), count))
