"""A venue's answer, field by field: what is missing or of another shape is said with its place, never filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tradectl.domain.instrument import Tier
from tradectl.domain.money import ZERO, dec
from tradectl.errors import NotUnderstood

_SHOWN = 40  # characters of a value that is not understood
_LONGEST = 40  # characters of a name; digits of a number, and places before or after its point


def wrong(of: str, says: str) -> NotUnderstood:
    return NotUnderstood(f"the venue's {of} is not what it documents", why=says)


def rows(body: Any, of: str, *path: str) -> list[Mapping[str, Any]]:
    """The list of objects at `path`. Raises NotUnderstood; an absent list is not an empty one (promise 4)."""
    for name in path:
        body = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(body, list) or not all(isinstance(row, Mapping) for row in body):
        raise wrong(of, f"there is no list{f' at {chr(46).join(path)}' if path else ''} in it")
    return body


def part(row: Mapping[str, Any], name: str, of: str) -> Mapping[str, Any]:
    found = row.get(name)
    if not isinstance(found, Mapping):
        raise wrong(of, f"it has no {name}")
    return found


def text_of(row: Mapping[str, Any], name: str, of: str) -> str:
    """Printable, and not longer than any name is."""
    found = row.get(name)
    if not isinstance(found, str) or not found or not found.isprintable() or len(found) > _LONGEST:
        raise wrong(of, f"{name} is {brief(found)}")
    return found


def number(row: Mapping[str, Any], name: str, of: str) -> Decimal:
    """Exact. Raises NotUnderstood unless it is a finite number of no more digits than money has."""
    found = row.get(name)
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        raise wrong(of, f"{name} is {brief(found)}, not a number")
    try:
        value = dec(found)
    except ValueError as error:
        raise wrong(of, f"{name} is {brief(found)}, not a number") from error
    if value and (len(value.as_tuple().digits) > _LONGEST or abs(value.adjusted()) > _LONGEST):
        raise wrong(of, f"{name} is {brief(found)}: no venue counts in such numbers")
    return value


def positive(row: Mapping[str, Any], name: str, of: str) -> Decimal:
    found = number(row, name, of)
    if found <= 0:
        raise wrong(of, f"{name} is {brief(row.get(name))}: it must be above zero")
    return found


def not_negative(row: Mapping[str, Any], name: str, of: str) -> Decimal:
    found = number(row, name, of)
    if found < ZERO:
        raise wrong(of, f"{name} is {brief(row.get(name))}: it must not be below zero")
    return found


def whole(row: Mapping[str, Any], name: str, of: str) -> int:
    found = positive(row, name, of)
    if found != found.to_integral_value():
        raise wrong(of, f"{name} is {brief(row.get(name))}: it must be whole")
    return int(found)


def named(found: Sequence[Mapping[str, Any]], name: str) -> dict[str, Mapping[str, Any]]:
    """The rows by the text that they have under `name`; a row without it is nobody's."""
    return {key: row for row in found if isinstance(key := row.get(name), str)}


def of_symbols(found: list[Mapping[str, Any]], of: str, symbols: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The rows of these symbols; every one of them must be there."""
    known = named(found, "symbol")
    missing = [symbol for symbol in symbols if symbol not in known]
    if missing:
        raise wrong(of, f"{', '.join(missing)} is not in it")
    return {symbol: known[symbol] for symbol in symbols}


def ascending(tiers: Sequence[Tier], of: str) -> tuple[Tier, ...]:
    """By the notional that they end at. Raises NotUnderstood where there is none, or where one could not be: the more
    is held, the less leverage and the higher a maintenance rate, and that is always below the initial margin."""
    ordered = tuple(sorted(tiers, key=lambda one: one.notional_cap))
    if not ordered:
        raise wrong(of, "it has no tier")
    for one in ordered:
        if one.maintenance_rate * one.max_leverage >= 1:
            raise wrong(
                of, f"maintenance {one.maintenance_rate} is not below the initial margin at {one.max_leverage}x"
            )
    for one, more in pairwise(ordered):
        grows = one.notional_cap < more.notional_cap and one.maintenance_rate <= more.maintenance_rate
        if not grows or one.max_leverage < more.max_leverage:
            raise wrong(of, f"its tiers up to {one.notional_cap} and {more.notional_cap} contradict each other")
    return ordered


def brief(value: object) -> str:
    """A value as it came, for a message."""
    if value is None:
        return "missing"
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
