"""Limits as data: an expression over the account's quantities, an operator, and the knob that is the bound.

One definition serves all who need it: the bot evaluates it in Decimal, `state show` prints it, and a proof translates
the same tree for its solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.money import ZERO, divide

Values = Mapping[str, Decimal]


class Sign(StrEnum):
    PLUS = "+"
    MINUS = "-"
    TIMES = "*"
    OVER = "/"


@dataclass(frozen=True, slots=True)
class Term:
    """A quantity by its name, or two terms with a sign between them. Built with Python's own operators."""

    name: str = ""
    left: Term | None = None
    sign: Sign | None = None
    right: Term | None = None

    def __add__(self, other: Term) -> Term:
        return Term("", self, Sign.PLUS, other)

    def __sub__(self, other: Term) -> Term:
        return Term("", self, Sign.MINUS, other)

    def __mul__(self, other: Term) -> Term:
        return Term("", self, Sign.TIMES, other)

    def __truediv__(self, other: Term) -> Term:
        return Term("", self, Sign.OVER, other)

    def __str__(self) -> str:
        return self.name or f"({self.left} {self.sign} {self.right})"

    def value(self, of: Values) -> Decimal | None:
        """None: a share of nothing, or of less. It cannot be told, and is not zero; nothing's share of it is zero.

        Raises KeyError for a quantity that is not among the values.
        """
        if self.sign is None:
            return of[self.name]
        assert self.left is not None and self.right is not None
        left, right = self.left.value(of), self.right.value(of)
        if left is None or right is None:
            return None
        if self.sign is Sign.PLUS:
            return left + right
        if self.sign is Sign.MINUS:
            return left - right
        if self.sign is Sign.TIMES:
            return left * right
        if not left:
            return ZERO
        return divide(left, right) if right > 0 else None


def quantity(name: str) -> Term:
    return Term(name)


class Operator(StrEnum):
    BELOW = "<"
    AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Inequality:
    """`term` `operator` the value of the knob at `bound` (its path, as in 'safety.max_concurrent_positions')."""

    term: Term
    operator: Operator
    bound: str

    def holds(self, value: Decimal | None, limit: Decimal) -> bool:
        """What cannot be told does not hold."""
        if value is None:
            return False
        return value < limit if self.operator is Operator.BELOW else value <= limit

    def __str__(self) -> str:
        return f"{self.term} {self.operator.value} {self.bound}"
