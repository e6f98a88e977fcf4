"""What is said about a knob, once: default, unit, bounds, meaning, the step that reads it, and whether it is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Unit = Literal[
    "fraction", "multiple", "seconds", "ms", "minutes", "hours", "count", "bars", "quote", "usd", "base", "price",
    "leverage", "bps", "R", "switch", "choice", "name", "path", "url", "list", "table",
]  # fmt: skip

NO_VALUES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Knob:
    """The facts of one knob beyond its name, type and default.

    step: the step of the bot that reads it, in the words of the docs.
    low, high: bounds in the knob's unit; `low_open` means that the low bound itself is not allowed.
    available: False when the step that reads it is not built yet: then only the default may be run.
    unavailable_values: values of a choice that are understood and cannot be run yet.
    camel: the documents spell this key in camelCase; both spellings are accepted.
    pattern, says: what a text must match as a whole, and the same in words.
    """

    meaning: str
    unit: Unit
    step: str
    low: Decimal | None = None
    high: Decimal | None = None
    low_open: bool = False
    available: bool = True
    unavailable_values: tuple[str, ...] = NO_VALUES
    camel: bool = False
    pattern: str = ""
    says: str = ""


class Section(BaseModel):
    """A group of knobs. Frozen: a running bot's limits do not change under it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def knob(
    default: object,
    unit: Unit,
    meaning: str,
    *,
    step: str,
    low: str | int | None = None,
    high: str | int | None = None,
    above: str | int | None = None,
    available: bool = True,
    unavailable_values: tuple[str, ...] = NO_VALUES,
    camel: bool = False,
    pattern: str = "",
    says: str = "",
) -> Any:
    """One knob. `low` and `high` are inclusive bounds, `above` an exclusive low one."""
    if low is not None and above is not None:
        raise ValueError("a knob has one low bound: low or above")
    floor = low if above is None else above
    fact = Knob(
        meaning=meaning,
        unit=unit,
        step=step,
        low=None if floor is None else Decimal(floor),
        high=None if high is None else Decimal(high),
        low_open=above is not None,
        available=available,
        unavailable_values=unavailable_values,
        camel=camel,
        pattern=pattern,
        says=says,
    )
    bounds: dict[str, Any] = {"gt": above, "ge": low, "le": high}
    # The bounds of a list or table hold for each entry, which pydantic cannot be told here.
    kept = {
        name: Decimal(bound) for name, bound in bounds.items() if bound is not None and unit not in ("list", "table")
    }
    return Field(default=default, json_schema_extra={"knob": fact}, **kept)  # type: ignore[call-overload]


def group(section: type[Section]) -> Any:
    """A group of knobs within a group, with all its defaults."""
    return Field(default_factory=section)


def camel(snake: str) -> str:
    """risk_pct → riskPct."""
    head, *rest = snake.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def fact_of(field: FieldInfo) -> Knob | None:
    """The knob behind a field; None for a section."""
    extra = field.json_schema_extra
    found = extra.get("knob") if isinstance(extra, dict) else None
    return found if isinstance(found, Knob) else None


def is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def walk(model: type[Section], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every field that is a value (not a section), with its snake_case path, in the order it is declared."""
    for name, field in model.model_fields.items():
        if fact_of(field) is None and is_section(field.annotation):
            yield from walk(field.annotation, (*prefix, name))  # type: ignore[arg-type]
        else:
            yield (*prefix, name), field
