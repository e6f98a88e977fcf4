"""Where a value was written, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """file:line:column, both counted from 1. Line 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: what, why, and what to do about it. `place` is None where a default or a mode is at fault."""

    place: Place | None
    what: str
    why: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return (
            (f"{self.place}: " if self.place else "")
            + self.what
            + (f" ({self.why})" if self.why else "")
            + (f" → {self.hint}" if self.hint else "")
        )
