"""How far a knob may be moved, all others staying as they are, before a rule objects that does not now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tradectl.config.knob import Knob
from tradectl.validation.rule import Severity

DIGITS = 4  # of the value, to which a turn is told
FARTHEST = 1000  # times the value, where the knob has no bound of its own
FACTORS = tuple(Decimal(one) for one in ("1.02", "1.05", "1.1", "1.2", "1.4", "1.7", "2", "3", "5", "8", "15", "40"))

Objection = tuple[str, Severity]  # rule, or '' for what does not even load; severity
Ask = Callable[[Decimal], frozenset[Objection]]


@dataclass(frozen=True, slots=True)
class Turn:
    """upwards: whether the knob is raised. first: the nearest value at which `rule` begins to object, or ends to where
    `ends`; last: the farthest before it. rule: '' where the configuration would not load."""

    upwards: bool
    last: Decimal
    first: Decimal
    rule: str
    severity: Severity
    ends: bool = False


def turns(value: Decimal, fact: Knob, *, whole: bool, ask: Ask) -> Iterator[Turn]:
    """On either side, within the knob's own bounds: where what objects now ends to, and the first new warning and the
    first new error.

    whole: only whole numbers. ask: what objects to the configuration with this value.
    Found by trying values ever farther away, and halving from there: what objects only between two of them, and no
    longer at the farther one, is not seen.
    """
    now = ask(value)
    step = Decimal(1) if whole else Decimal(1).scaleb(value.adjusted() + 1 - DIGITS) if value else Decimal("0.0001")
    for upwards in (True, False):
        good, told, ended = value, set[Severity](), set[Objection]()
        for trial in _trials(value, fact, step, upwards=upwards):
            there = ask(trial)
            for objection in sorted(now - there - ended):
                last, first = _halve(good, trial, step, lambda at, gone=objection: gone not in ask(at))  # type: ignore[misc]
                yield Turn(upwards, last, first, *objection, ends=True)
                ended.add(objection)
            new = {severity for _, severity in there - now} - told
            for severity in sorted(new, key=lambda one: -one.rank):  # the warning first: it comes no later
                last, first = _halve(
                    good,
                    trial,
                    step,
                    lambda at, of=severity: any(one is of for _, one in ask(at) - now),  # type: ignore[misc]
                )
                rule = min(name for name, at in ask(first) - now if at is severity)
                yield Turn(upwards, last, first, rule, severity)
                told.add(severity)
            if Severity.ERROR in told:
                break
            good = trial


def _trials(value: Decimal, fact: Knob, step: Decimal, *, upwards: bool) -> Iterator[Decimal]:
    """Ever farther, and at last the knob's own bound; on the lattice of `step`."""
    if upwards:
        end = fact.high if fact.high is not None else max(value, step) * FARTHEST
        rounding, found = ROUND_CEILING, [max(value, step) * factor for factor in FACTORS]
    else:
        end = fact.low if fact.low is not None else value / FARTHEST
        if fact.low_open:
            end = min(end + step, value)
        rounding, found = ROUND_FLOOR, [value / factor for factor in FACTORS]
    before = value
    for one in found:
        trial = (one / step).to_integral_value(rounding) * step
        inside = value < trial < end if upwards else end < trial < value
        if inside and trial != before:
            yield trial
            before = trial
    if end != value and (end > value) == upwards:
        yield end


def _halve(good: Decimal, bad: Decimal, step: Decimal, turned: Callable[[Decimal], bool]) -> tuple[Decimal, Decimal]:
    """(the farthest value before the turn, the first one after it), a step apart."""
    while abs(bad - good) > step:
        middle = ((good + bad) / 2 / step).to_integral_value(ROUND_FLOOR) * step
        if middle in (good, bad):
            middle += step
            if middle in (good, bad):
                break
        good, bad = (good, middle) if turned(middle) else (middle, bad)
    return good, bad
