"""Limits as data: an expression over the account's quantities, an operator, and the knob that is the bound.

One definition serves all who need it: the bot evaluates it in Decimal, `state show` prints it, and a proof translates
the same tree for its solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.money import ONE, ZERO, divide

Values = Mapping[str, Decimal]
WHOLE = ""  # as a bound: all of what the term is a share of


class Sign(StrEnum):
    PLUS = "+"
    MINUS = "-"
    TIMES = "*"
    OVER = "/"


@dataclass(frozen=True, slots=True)
class Line:
    """A quantity on the way to a trade: what it is before, and what each unit of base asset adds to it."""

    at: Decimal = ZERO
    per_unit: Decimal = ZERO

    def after(self, qty: Decimal) -> Decimal:
        return self.at + qty * self.per_unit


Lines = Mapping[str, Line]


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

    def share(self) -> tuple[Term, Term | None]:
        """(what grows, what it is a share of); None where it is a share of nothing."""
        if self.sign is Sign.OVER:
            assert self.left is not None
            return self.left, self.right
        return self, None

    def line(self, of: Lines) -> Line:
        """The term of a trade as a line. Raises ValueError for one that is none: a product, or a quotient."""
        if self.sign is None:
            return of[self.name]
        if self.sign not in (Sign.PLUS, Sign.MINUS):
            raise ValueError(f"{self} is no sum")
        assert self.left is not None and self.right is not None
        left, right = self.left.line(of), self.right.line(of)
        if self.sign is Sign.MINUS:
            return Line(left.at - right.at, left.per_unit - right.per_unit)
        return Line(left.at + right.at, left.per_unit + right.per_unit)


def quantity(name: str) -> Term:
    return Term(name)


class Operator(StrEnum):
    BELOW = "<"
    AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Inequality:
    """`term` `operator` the value of the knob whose path is `bound` ('safety.max_concurrent_positions'), or WHOLE."""

    term: Term
    operator: Operator
    bound: str

    def holds(self, value: Decimal | None, limit: Decimal) -> bool:
        """What cannot be told does not hold."""
        if value is None:
            return False
        return value < limit if self.operator is Operator.BELOW else value <= limit

    def limit(self, config: object) -> Decimal | None:
        """What the configuration says the bound is; None where it sets none."""
        if self.bound == WHOLE:
            return ONE
        found: object = config
        for name in self.bound.split("."):
            found = getattr(found, name)
        return None if found is None else Decimal(str(found))

    def limit_set(self, config: object) -> Decimal:
        """The same, of a knob that always has a value. Raises ValueError where it has none."""
        limit = self.limit(config)
        if limit is None:
            raise ValueError(f"{self.bound} has no value")
        return limit

    def __str__(self) -> str:
        return f"{self.term} {self.operator.value} {self.bound or 1}"
