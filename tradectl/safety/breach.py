"""What an invariant says when it does not hold: how bad it is, with the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from tradectl.config.schema import Config
from tradectl.domain.inequality import Inequality
from tradectl.domain.money import percent, text
from tradectl.safety.view import SafetyView


class Level(IntEnum):
    """In rising order of what follows."""

    FINDING = 0  # said, and nothing is restricted
    NO_ENTRIES = 1  # as long as it is so; another gate or latch keeps entries out
    JUMP = 2  # its own latch, until explained
    DEGRADE = 3
    HALT = 4


@dataclass(frozen=True, slots=True)
class Breach:
    """One invariant that does not hold. `evidence` has the numbers; `value` and `limit` are those of an inequality.

    code: the word by which a halt is known to the rules of recovery, as MARGIN_CRITICAL
    """

    invariant: str
    level: Level
    evidence: str
    symbol: str = ""
    value: Decimal | None = None
    limit: Decimal | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """An invariant that is an inequality: what it says of the account, and what follows where it does not hold."""

    invariant: str
    level: Level
    inequality: Inequality
    label: str
    unit: str = "fraction"  # 'fraction' is shown in per cent, 'count' as it is
    code: str = ""

    @property
    def row_name(self) -> str:
        """As the store keeps its limit for the operator's page."""
        return f"{self.invariant}_{self.level.name.lower()}"

    def limit(self, config: Config) -> Decimal:
        return self.inequality.limit_set(config)

    def shown(self, value: Decimal | None) -> str:
        if value is None:
            return "not measurable (equity is not above zero)"
        return percent(value) if self.unit == "fraction" else text(value)

    def check(self, view: SafetyView) -> Iterator[Breach]:
        value, limit = self.inequality.term.value(view.values()), self.limit(view.config)
        if not self.inequality.holds(value, limit):
            word = {Level.HALT: "halts above" if self.unit == "count" else "halts at"}.get(self.level, "limit")
            evidence = f"{self.label} {self.shown(value)} ({word} {self.shown(limit)})"
            yield Breach(self.invariant, self.level, evidence, value=value, limit=limit, code=self.code)
