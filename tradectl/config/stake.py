"""What a knob has at stake: which way it may be changed so that more can be lost, and how the change is said.

Every knob has its stake in `config/stakes.py`, written once. A stake ranks values: the higher the rank, the more can be
lost, or the later something ends it. So a change there is the change back with the word turned round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from tradectl.config.knob import Knob, Unit
from tradectl.config.listing import text_of
from tradectl.config.secrets import redact
from tradectl.domain.money import text as money_text


class Word(StrEnum):
    """The loosest first."""

    LOOSER = "LOOSER"
    DIFFERENT = "DIFFERENT"
    TIGHTER = "TIGHTER"
    NONE = "NO RISK"


class Way(StrEnum):
    UP = "up"  # a larger number is looser
    DOWN = "down"  # a smaller number is looser
    SWITCH = "switch"  # one of the two positions is looser
    ORDER = "order"  # choices, from tight to loose
    ADDED = "added"  # names: each one more is looser
    REMOVED = "removed"  # names: each one less is looser
    NEITHER = "neither"  # it changes risk, and in no direction that can be told from the knob alone
    NONE = "none"


Absent = Literal["loosest", "tightest", ""]
ENDLESS = Decimal("Infinity")
_SUFFIX: Mapping[str, str] = {
    "seconds": " s", "ms": " ms", "minutes": " min", "hours": " h", "leverage": "x", "usd": " USD", "bps": " bps",
    "bars": " bars", "R": " R",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stake:
    """says: what the change means; `{b}` is the new value, `{a}` the old one, `{name}` the entry of a list or table.

    other: the same for a switch that is turned off, or for a name that is taken out.
    order: the values of a switch or choice, the tightest first.
    absent: what no value (none) is; the knob is optional then. off: 0 switches it off, which is the loosest.
    none: how no value is said. reordered: the order of the names matters, and what a new one means.
    """

    way: Way
    says: str = ""
    other: str = ""
    order: tuple[object, ...] = ()
    absent: Absent = ""
    off: bool = False
    none: str = "no limit"
    reordered: str = ""

    def rank(self, value: Any) -> Decimal:
        """How loose a value is. Raises ValueError for a stake that ranks nothing, or a value that it does not know."""
        if value is None and self.absent:
            return ENDLESS if self.absent == "loosest" else -ENDLESS
        if self.off and value == 0:
            return ENDLESS
        if self.way is Way.UP:
            return Decimal(value)
        if self.way is Way.DOWN:
            return -Decimal(value)
        if self.way in (Way.SWITCH, Way.ORDER):
            return Decimal(self.order.index(value))
        raise ValueError(f"a stake that is {self.way.value} ranks no value")

    def word(self, a: Any, b: Any) -> Word:
        """Of a change from a to b, which are not equal; of single values, not of lists and tables."""
        if self.way is Way.NONE:
            return Word.NONE
        if self.way is Way.NEITHER:
            return Word.DIFFERENT
        before, after = self.rank(a), self.rank(b)
        return Word.DIFFERENT if before == after else Word.LOOSER if after > before else Word.TIGHTER

    def factor(self, a: Any, b: Any) -> Decimal:
        """How many times looser b is than a, or a than b; endless where it is no matter of degree."""
        if self.way not in (Way.UP, Way.DOWN) or not a or not b:
            return ENDLESS
        more, less = max(Decimal(a), Decimal(b)), min(Decimal(a), Decimal(b))
        return more / less if less > 0 else ENDLESS

    def sentence(self, a: Any, b: Any, fact: Knob, name: str = "") -> str:
        said = self.other if self.way is Way.SWITCH and not b else self.says
        return said.format(a=self.shown(a, fact), b=self.shown(b, fact), name=name)

    def shown(self, value: Any, fact: Knob) -> str:
        """A value with its unit, in the words of this knob."""
        if value is None:
            return self.none
        return "off" if self.off and value == 0 else measured(value, fact.unit)


def measured(value: Any, unit: Unit) -> str:
    """0.005 → '0.5%', 90 → '90 s': exact, so that two values that differ never look alike."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return redact(text_of(value)) if value not in ("", ()) else "none"
    number = Decimal(value)
    if unit == "fraction":
        return f"{money_text(number * 100)}%"
    return f"{money_text(number)}{_SUFFIX.get(unit, '')}"


def up(says: str, *, absent: Absent = "", off: bool = False, none: str = "no limit") -> Stake:
    """The larger the looser."""
    return Stake(Way.UP, says, absent=absent, off=off, none=none)


def down(says: str, *, absent: Absent = "", none: str = "no limit") -> Stake:
    """The smaller the looser."""
    return Stake(Way.DOWN, says, absent=absent, none=none)


def switch(*, looser: bool, on: str, off: str) -> Stake:
    """looser: the position in which more can be lost."""
    return Stake(Way.SWITCH, on, off, (not looser, looser))


def ordered(*tight_to_loose: str, says: str) -> Stake:
    return Stake(Way.ORDER, says, order=tight_to_loose)


def more_is_looser(added: str, removed: str, *, reordered: str = "") -> Stake:
    return Stake(Way.ADDED, added, removed, reordered=reordered)


def less_is_looser(added: str, removed: str) -> Stake:
    return Stake(Way.REMOVED, added, removed)


def neither(says: str, *, none: str = "none") -> Stake:
    return Stake(Way.NEITHER, says, none=none)


NO_RISK = Stake(Way.NONE)
