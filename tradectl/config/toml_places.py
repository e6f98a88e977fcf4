"""Line and column of every key in a TOML file that tomllib has already accepted (tomllib itself tells no positions).

Because the text is known to be valid, this only has to find where keys, strings and brackets begin and end. A test
holds that the paths found are exactly those of tomllib.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
_LONG_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{1,2}(?!"))?', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''.*?'''(?:'{1,2}(?!'))?", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}\n#]*")


def locate(text: str) -> dict[Path, tuple[int, int]]:
    """path → (line, column) from 1; list elements and tables in arrays have an int in their path."""
    finder = _Finder(text)
    finder.document()
    return finder.places


class _Finder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.places: dict[Path, tuple[int, int]] = {}
        self.arrays: dict[Path, int] = {}  # array of tables → elements so far

    def document(self) -> None:
        here: Path = ()
        while True:
            self._skip(_BLANK)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                here = self._header()
            else:
                self._pair(here)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError("cannot be located")
        self.at = match.end()
        return match.group()

    def _note(self, path: Path, position: int) -> None:
        line = bisect_right(self.starts, position)
        self.places.setdefault(path, (line, position - self.starts[line - 1] + 1))

    def _header(self) -> Path:
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        here: Path = ()
        parts = self._key()
        for number, (part, position) in enumerate(parts, 1):
            here = (*here, part)
            self._note(here, position)
            if double and number == len(parts):
                self.arrays[here] = self.arrays.get(here, 0) + 1
            if here in self.arrays:
                here = (*here, self.arrays[here] - 1)
                self._note(here, position)
        self._skip(_SPACE)
        self.at += 2 if double else 1
        return here

    def _pair(self, here: Path) -> None:
        for part, position in self._key():
            here = (*here, part)
            self._note(here, position)
        self._skip(_SPACE)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(here)

    def _key(self) -> list[tuple[str, int]]:
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_SPACE)
            position = self.at
            if self.text[position] in "\"'":
                raw = self._skip(_BASIC if self.text[position] == '"' else _LITERAL)
                parts.append((str(tomllib.loads(f"k = {raw}")["k"]), position))
            else:
                parts.append((self._skip(_BARE_KEY), position))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _value(self, path: Path) -> None:
        opening = self.text[self.at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline(path)
        elif self.text.startswith('"""', self.at):
            self._skip(_LONG_BASIC)
        elif self.text.startswith("'''", self.at):
            self._skip(_LONG_LITERAL)
        elif opening == '"':
            self._skip(_BASIC)
        elif opening == "'":
            self._skip(_LITERAL)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        number = 0
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == "]":
                self.at += 1
                return
            self._note((*path, number), self.at)
            self._value((*path, number))
            number += 1
            self._skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        while True:
            self._skip(_SPACE)
            if self.text[self.at] == "}":
                self.at += 1
                return
            self._pair(path)
            self._skip(_SPACE)
            if self.text[self.at] == ",":
                self.at += 1
