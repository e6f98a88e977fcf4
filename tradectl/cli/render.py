"""How an answer looks, decided once: JSON with a versioned schema, tables on a terminal, plain lines otherwise.

`answer(inv, "state show", body, draw)` prints `body` as JSON under `tradectl/state-show/1`, or lets `draw` put it on
a `Screen`. A screen is width-aware: columns that do not fit are wrapped, and when that would make them unreadable,
each row becomes a block of `name: value` lines. Rich is imported only for a coloured terminal.
"""

import dataclasses
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from tradectl.cli.context import Invocation, is_terminal
from tradectl.domain.money import text as money_text

GAP = "  "
NARROWEST_COLUMN = 14  # wrapping below this many characters is harder to read than a block of lines
UNBOUNDED = 100_000  # a pipe has no width: lines stay whole for grep
STYLES = {"good": "green", "warn": "yellow", "bad": "bold red", "dim": "dim", "": ""}
_FIGURE = re.compile(r"[+−-]?\d[\d,]*(\.\d+)?%?")
_CONTROL = dict.fromkeys((*range(32), 127, *range(128, 160)), "�") | {ord(white): " " for white in "\n\r\t"}


class Cell(NamedTuple):
    """A value with a tone: 'good', 'warn', 'bad', 'dim' or ''. The tone is colour only; the text must say it too."""

    value: object
    tone: str = ""


def plain(value: object) -> Any:
    """`value` as JSON types: Decimals as canonical text, enums by value, dataclasses and named tuples by field."""
    if value is None or (isinstance(value, bool | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Decimal):
        return money_text(value) if value.is_finite() else str(value)
    if isinstance(value, float):
        return value if value - value == 0 else None  # JSON has no infinities and no NaN
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(part) for key, part in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(part) for part in value), key=str)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(part) for part in value]
    raise TypeError(f"no JSON form for {type(value).__name__}")


def shown(value: object) -> str:
    """`value` for a person, on one line and free of control characters."""
    if isinstance(value, Cell):
        value = value.value
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Decimal):
        return money_text(value) if value.is_finite() else str(value)
    if isinstance(value, tuple | list | set | frozenset):
        return ", ".join(
            shown(part) for part in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)
        )
    return str(value).translate(_CONTROL)


def schema(command: str, version: int = 1) -> str:
    return f"tradectl/{command.replace(' ', '-')}/{version}"


def document(inv: Invocation, command: str, body: object, *, version: int = 1, lines: bool = False) -> None:
    """Prints one JSON document. `lines`: on a single line, for commands that print one document after another."""
    import json

    converted = plain(body)
    fields = converted if isinstance(converted, dict) else {"items": converted}
    whole = {"schema": schema(command, version), **fields}
    print(json.dumps(whole, ensure_ascii=False, indent=None if lines else 2), file=inv.stdout)


def answer(
    inv: Invocation, command: str, body: object, draw: Callable[["Screen"], object], *, version: int = 1
) -> None:
    """The one decision between JSON and text. `body`: a mapping or dataclass (a sequence goes under "items")."""
    if inv.json:
        document(inv, command, body, version=version)
    else:
        draw(Screen(inv))


class Screen:
    """Text output of one command. On a coloured terminal it draws with rich, everywhere else with plain lines."""

    def __init__(self, inv: Invocation, *, width: int | None = None) -> None:
        self._inv = inv
        self.width = width if width is not None else _width(inv)
        self._console: Any = None

    def text(self, line: str, tone: str = "") -> None:
        """A sentence; wrapped on a terminal, whole in a pipe."""
        for part in textwrap.wrap(shown(line), self.width, break_on_hyphens=False) or [""]:
            self._put(part, tone)

    def command(self, line: str, tone: str = "") -> None:
        """A command to copy: never broken by us, whatever the width; a terminal folds it without a line end."""
        self._put(f"  {shown(line)}", tone)

    def verbatim(self, line: str) -> None:
        """A line of a file, with its own spaces; never broken by us."""
        self._put(line.translate(_CONTROL), "")

    def title(self, line: str) -> None:
        self._put(shown(line), "title")

    def blank(self) -> None:
        self._put("", "")

    def facts(self, rows: Iterable[tuple[str, object]] | Mapping[str, object], *, title: str = "") -> None:
        """`name  value` lines, values aligned and wrapped beneath themselves."""
        pairs = list(rows.items() if isinstance(rows, Mapping) else rows)
        if title:
            self.title(title)
        name_width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            room = max(self.width - name_width - len(GAP), NARROWEST_COLUMN)
            parts = textwrap.wrap(shown(value), room, break_on_hyphens=False) or ["-"]
            for index, part in enumerate(parts):
                self._put(f"{name if index == 0 else '':<{name_width}}{GAP}{part}", _tone(value))

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        title: str = "",
        empty: str = "none",
    ) -> None:
        """A table; numbers align right. `empty` is printed when there are no rows."""
        body = [tuple(row) for row in rows]
        if title:
            self.title(title)
        if not body:
            self._put(empty, "dim")
            return
        cells = [[shown(value) for value in row] for row in body]
        widths = fit(columns, cells, self.width)
        if widths is None:
            self._blocks(columns, body)
            return
        right = [all(_numeric(row[index]) for row in body) for index in range(len(columns))]
        self._put(_join([[name] for name in columns], widths, right)[0], "head")
        for row, texts in zip(body, cells, strict=True):
            wrapped = [
                textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
                for cell, width in zip(texts, widths, strict=True)
            ]
            tones = [_tone(value) for value in row]
            self._row(_join(wrapped, widths, right), widths, tones)

    def _blocks(self, columns: Sequence[str], body: Sequence[Sequence[object]]) -> None:
        for index, row in enumerate(body):
            if index:
                self.blank()
            self.facts(list(zip(columns, row, strict=True)))

    def _row(self, lines: Sequence[str], widths: Sequence[int], tones: Sequence[str]) -> None:
        if not self._inv.color or not any(tones):
            for line in lines:
                self._put(line, "")
            return
        from rich.text import Text

        for line in lines:
            styled = Text(line)
            start = 0
            for width, tone in zip(widths, tones, strict=True):
                styled.stylize(STYLES[tone], start, start + width)
                start += width + len(GAP)
            self._rich().print(styled, soft_wrap=True)

    def _put(self, line: str, tone: str) -> None:
        if not self._inv.color:
            print(line, file=self._inv.stdout)
            return
        from rich.text import Text

        style = {"title": "bold", "head": "bold cyan"}.get(tone) or STYLES.get(tone, "")
        self._rich().print(Text(line, style=style), soft_wrap=True)

    def _rich(self) -> Any:
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self._inv.stdout, highlight=False, markup=False, emoji=False)
        return self._console


def fit(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Column widths that fit into `width`, the widest columns shrunk first; None when they would get too narrow."""
    widths = [max(len(name), *(len(row[index]) for row in cells)) for index, name in enumerate(columns)]
    # A column may shrink only as far as its longest word and its heading: numbers and names are never broken.
    floors = [
        max(len(name), *(_longest_word(row[index]) for row in cells), min(widths[index], NARROWEST_COLUMN))
        for index, name in enumerate(columns)
    ]
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while excess > 0:
        index = max(range(len(widths)), key=lambda at: (widths[at] > floors[at], widths[at]))
        if widths[index] <= floors[index]:
            return None
        widths[index] -= 1
        excess -= 1
    return widths


def _longest_word(cell: str) -> int:
    return max((len(word) for word in cell.split()), default=0)


def _join(wrapped: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    height = max(len(cell) for cell in wrapped)
    lines = []
    for at in range(height):
        parts = [cell[at] if at < len(cell) else "" for cell in wrapped]
        lines.append(
            GAP.join(
                f"{part:>{width}}" if to_right else f"{part:<{width}}"
                for part, width, to_right in zip(parts, widths, right, strict=True)
            ).rstrip()
        )
    return lines


def _numeric(value: object) -> bool:
    """A number, a figure that was made of one ('4,210.00', '−0.8%'), or nothing."""
    inner = value.value if isinstance(value, Cell) else value
    if isinstance(inner, str) and not isinstance(inner, Enum):
        return inner in ("", "-") or _FIGURE.fullmatch(inner) is not None
    return inner is None or (isinstance(inner, int | float | Decimal) and not isinstance(inner, bool))


def _tone(value: object) -> str:
    return value.tone if isinstance(value, Cell) else ""


def _width(inv: Invocation) -> int:
    if not is_terminal(inv.stdout):
        return UNBOUNDED
    return shutil.get_terminal_size().columns
