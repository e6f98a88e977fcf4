"""Money, prices and quantities: Decimal only, rounded on purpose or not at all.

Importing this module raises the working precision to 60 digits, so that a sum of products (quantity × price × rate)
is exact and only a division can round; divisions go through `divide`.
"""

from __future__ import annotations

import decimal
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

PRECISION_DIGITS = 60
decimal.getcontext().prec = PRECISION_DIGITS
decimal.DefaultContext.prec = PRECISION_DIGITS

CURRENCY = "USDT"  # that accounts are kept in
ZERO = Decimal(0)
ONE = Decimal(1)
DIVISION_QUANTUM = Decimal("1E-12")


def dec(value: str | int | Decimal) -> Decimal:
    """Exact Decimal from text, an int or a Decimal. Raises ValueError on floats, NaN, infinities and bad text."""
    if isinstance(value, float):
        raise ValueError(f"a float ({value!r}) is not money; pass its text")
    try:
        number = Decimal(value)
    except (decimal.InvalidOperation, TypeError) as error:
        raise ValueError(f"not a number: {value!r}") from error
    if not number.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    return number


def text(value: Decimal) -> str:
    """Canonical text: no exponent, no trailing zeros, no negative zero. Equal values give equal text."""
    if not value:
        return "0"
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def divide(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient quantised to 12 decimals, half-even; the caller keeps the remainder where it belongs."""
    return (numerator / denominator).quantize(DIVISION_QUANTUM, rounding=ROUND_HALF_EVEN)


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` (> 0) not above `value`."""
    return (value / step).to_integral_value(rounding=ROUND_FLOOR) * step


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` (> 0) not below `value`."""
    return (value / step).to_integral_value(rounding=ROUND_CEILING) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """True when `value` is a whole number of `step`s."""
    return value % step == 0


def percent(fraction: Decimal, places: int = 2) -> str:
    """0.062 → '6.20%'. For display only."""
    return f"{fraction * 100:.{places}f}%"


def amount(value: Decimal, currency: str = "", places: int = 2) -> str:
    """312.4 → '312.40 USDT'. For display only."""
    shown = f"{value:.{places}f}"
    return f"{shown} {currency}" if currency else shown
