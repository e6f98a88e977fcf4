"""`config diff A B`: what a changed configuration changes of the risk, and what the rules say of both."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path

from tradectl.config.available import refuse_unavailable
from tradectl.config.compare import Change, changes
from tradectl.config.load import Resolved, check, refusal
from tradectl.config.place import Fault
from tradectl.config.stake import Word
from tradectl.errors import ConfigError, ExitCode, UsageError
from tradectl.operations.validate_config import market_of
from tradectl.validation.facts import evident_mode, facts_of
from tradectl.validation.figures import Figure, figures
from tradectl.validation.judge import Judged, Verdict, judge

_STANDS = {"error": 3, "warning": 2, "note": 1}
_BUILT = "paper"  # what the mode itself lacks is not the file's fault
_BROKEN = 2  # from here on it is a fault, not a note


class Turn(StrEnum):
    """The worst first."""

    NEW = "new"
    WORSE = "worse"
    BETTER = "better"
    GONE = "gone"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a rule says of A, of B, or of both about the same knobs. None: nothing."""

    turn: Turn
    rule: str
    a: Judged | None
    b: Judged | None

    @property
    def fault(self) -> bool:
        """An error or a warning that counts, in one of them."""
        return max(_standing(self.a), _standing(self.b)) >= _BROKEN


@dataclass(frozen=True, slots=True)
class Figured:
    """A figure that is not the same in both."""

    id: str
    name: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its file, digest, notices, and what the rules make of it alone."""

    file: str
    digest: str
    mode: str
    errors: int
    warnings: int
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """base: files beneath both. changes: what changes risk, the loosest first. no_risk: what differs besides.

    unavailable: knobs of B whose step is not built yet, each located: `run` refuses them, whatever the rules say.
    """

    a: Side
    b: Side
    base: tuple[str, ...]
    changes: tuple[Change, ...]
    no_risk: tuple[Change, ...]
    figures: tuple[Figured, ...]
    rules: tuple[Ruled, ...]
    unavailable: tuple[str, ...] = ()

    def count(self, word: Word) -> int:
        return sum(1 for one in self.changes if one.word is word)

    @property
    def breaks(self) -> int:
        """Rules, not findings: an error or a warning in B, and neither in A."""
        return len(_broken(one.b for one in self.rules) - _broken(one.a for one in self.rules))

    @property
    def mends(self) -> int:
        return len(_broken(one.a for one in self.rules) - _broken(one.b for one in self.rules))

    @property
    def worse(self) -> int:
        """Faults of A that are worse in B: a warning that becomes an error."""
        return sum(1 for one in self.rules if one.turn is Turn.WORSE and _standing(one.a) >= _BROKEN)

    @property
    def exit_code(self) -> ExitCode:
        """REFUSED: `run` refuses B. DRIFT: somebody should look. OK: nothing but tighter, and no new fault."""
        if self.b.errors or self.unavailable:
            return ExitCode.REFUSED
        worse = any(one.fault and one.turn in (Turn.NEW, Turn.WORSE) for one in self.rules)
        looks = self.count(Word.LOOSER) or self.count(Word.DIFFERENT) or worse
        return ExitCode.DRIFT if looks else ExitCode.OK


def plan(a: Path, b: Path, base: Sequence[Path] = (), mode: str | None = None) -> Diff:
    """base: layers beneath both. mode: the one that both are judged for; None: what each is evidently written for.

    Raises UsageError where two of the files are one, and ConfigError that says which of A and B is at fault.
    """
    _distinct(a, b, base)
    before, after = _loaded(a, b, base)
    found = changes(before, after)
    (verdict_a, figures_a), (verdict_b, figures_b) = _judged(before, mode, "A", a), _judged(after, mode, "B", b)
    return Diff(
        a=_side(a, before, verdict_a),
        b=_side(b, after, verdict_b),
        base=tuple(str(one) for one in base),
        changes=tuple(one for one in found if one.word is not Word.NONE),
        no_risk=tuple(one for one in found if one.word is Word.NONE),
        figures=tuple(
            Figured(old.id, old.name, old.text, new.text)
            for old, new in zip(figures_a, figures_b, strict=True)
            if old.text != new.text
        ),
        rules=ruled(verdict_a.findings, verdict_b.findings),
        unavailable=tuple(str(fault) for fault in refuse_unavailable(after, _BUILT)),
    )


def ruled(a: Iterable[Judged], b: Iterable[Judged]) -> tuple[Ruled, ...]:
    """Findings about the same knobs by the same rule are one; each with what became of it. The worst first."""
    before, after = _by_subject(a), _by_subject(b)
    found = []
    for subject in sorted({*before, *after}):
        for old, new in zip_longest(before.get(subject, ()), after.get(subject, ())):
            found.append(Ruled(_turn(old, new), subject[0], old, new))
    order = list(Turn)
    found.sort(key=lambda one: (not one.fault, order.index(one.turn), -_standing(one.b), one.rule))
    return tuple(found)


def _by_subject(findings: Iterable[Judged]) -> dict[tuple[str, ...], list[Judged]]:
    """By the rule and the first knob it names: which others take part may change with the numbers."""
    found: dict[tuple[str, ...], list[Judged]] = {}
    for one in findings:
        found.setdefault((one.rule, one.knobs[0].key if one.knobs else ""), []).append(one)
    return found


def _turn(old: Judged | None, new: Judged | None) -> Turn:
    if old is None:
        return Turn.NEW
    if new is None:
        return Turn.GONE
    before, after = _standing(old), _standing(new)
    return Turn.SAME if before == after else Turn.WORSE if after > before else Turn.BETTER


def _standing(one: Judged | None) -> int:
    """How bad it is; what is accepted is no worse than a note."""
    return 0 if one is None else 1 if one.accepted else _STANDS[one.severity]


def _broken(findings: Iterable[Judged | None]) -> set[str]:
    return {one.rule for one in findings if one is not None and _standing(one) >= _BROKEN}


def _distinct(a: Path, b: Path, base: Sequence[Path]) -> None:
    if _same(a, b):
        raise UsageError(
            "A and B are one file", where=str(a), why="it would be compared with itself", hint="name the changed copy"
        )
    for layer in base:
        for name, file in (("A", a), ("B", b)):
            if _same(layer, file):
                raise UsageError(
                    f"--config names {name} itself",
                    where=str(file),
                    why="--config lies beneath both here: what one of them leaves out would be taken from the other",
                    hint=f"tradectl config diff {a} {b}",
                )


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False  # one of them is missing: said where it is read


def _loaded(a: Path, b: Path, base: Sequence[Path]) -> tuple[Resolved, Resolved]:
    checked = {name: check((*base, file)) for name, file in (("A", a), ("B", b))}
    wrong = [name for name, one in checked.items() if one.resolved is None]
    if wrong:
        files = {"A": a, "B": b}
        whose = " and ".join(f"{name} ({files[name]})" for name in wrong)
        faults: list[Fault] = list(dict.fromkeys(fault for name in wrong for fault in checked[name].faults))
        raise refusal(faults, f"nothing was compared: {whose} cannot be used")
    before, after = checked["A"].resolved, checked["B"].resolved
    assert before is not None and after is not None
    return before, after


def _judged(resolved: Resolved, mode: str | None, name: str, file: Path) -> tuple[Verdict, tuple[Figure, ...]]:
    meant = mode or evident_mode(resolved.config)
    try:
        market = market_of(resolved.config, os.environ, meant)
    except ConfigError as error:  # where the secrets are kept cannot be trusted; in live modes only
        what = f"{name} ({file}) cannot be judged: {error.what}"
        raise ConfigError(what, where=error.where, why=error.why, hint=error.hint, faults=error.faults) from error
    facts = facts_of(resolved.config, meant, market, frozenset(resolved.provenance))
    return judge(resolved, meant, market), figures(facts)


def _side(file: Path, resolved: Resolved, verdict: Verdict) -> Side:
    return Side(str(file), resolved.digest, verdict.mode, verdict.errors, verdict.warnings, resolved.notices)
