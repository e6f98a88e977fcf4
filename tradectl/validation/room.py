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
    """upwards: whether the knob is raised. last: the farthest value at which nothing is new; first: the next one, at
    which `rule` objects ('' where the configuration would not load)."""

    upwards: bool
    last: Decimal
    first: Decimal
    rule: str
    severity: Severity


def turns(value: Decimal, fact: Knob, *, whole: bool, ask: Ask) -> Iterator[Turn]:
    """The first warning and the first error on either side, as far as there are any within the knob's own bounds.

    whole: only whole numbers. ask: what objects to the configuration with this value.
    Found by trying values ever farther away, and halving from there: what objects only between two of them, and no
    longer at the farther one, is not seen.
    """
    now = ask(value)
    step = Decimal(1) if whole else Decimal(1).scaleb(value.adjusted() + 1 - DIGITS) if value else Decimal("0.0001")
    for upwards in (True, False):
        good, told = value, set[Severity]()
        for trial in _trials(value, fact, step, upwards=upwards):
            new = {severity for _, severity in ask(trial) - now} - told
            for severity in sorted(new, key=lambda one: -one.rank):  # the warning first: it comes no later
                last, first = _halve(good, trial, step, now, severity, ask)
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


def _halve(
    good: Decimal, bad: Decimal, step: Decimal, now: frozenset[Objection], severity: Severity, ask: Ask
) -> tuple[Decimal, Decimal]:
    def objects(value: Decimal) -> bool:
        return any(at is severity for _, at in ask(value) - now)

    while abs(bad - good) > step:
        middle = ((good + bad) / 2 / step).to_integral_value(ROUND_FLOOR) * step
        if middle in (good, bad):
            middle += step
            if middle in (good, bad):
                break
        good, bad = (good, middle) if objects(middle) else (middle, bad)
    return good, bad
