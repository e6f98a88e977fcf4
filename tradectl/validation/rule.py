"""What a rule is, and what it answers: a sentence, the arithmetic with the operator's numbers, what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from tradectl.validation.facts import Facts


class Severity(StrEnum):
    ERROR = "error"  # `run` refuses the configuration
    WARNING = "warning"  # `validate-config --strict` exits 1
    NOTE = "note"  # worth knowing; nothing follows from it

    @property
    def rank(self) -> int:
        """The worst first."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule has to say. `knobs`: dotted snake_case paths of every knob in the arithmetic."""

    severity: Severity
    says: str
    arithmetic: str
    knobs: tuple[str, ...]
    change: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """id: stable. severity: the worst that it answers. why: what went wrong where it did not hold."""

    id: str
    title: str
    severity: Severity
    why: str
    change: str
    check: Callable[[Facts], Iterator[Finding]]


def error(says: str, arithmetic: str, *knobs: str, change: str) -> Finding:
    return Finding(Severity.ERROR, says, arithmetic, knobs, change)


def warning(says: str, arithmetic: str, *knobs: str, change: str) -> Finding:
    return Finding(Severity.WARNING, says, arithmetic, knobs, change)


def note(says: str, arithmetic: str, *knobs: str, change: str = "") -> Finding:
    return Finding(Severity.NOTE, says, arithmetic, knobs, change)


def unchecked(why: str, *knobs: str) -> Finding:
    """What this rule needs to know and nobody has told it: said, never guessed."""
    return Finding(Severity.NOTE, f"not checked: {why}", "", knobs)
