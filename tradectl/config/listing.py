"""A configuration as a list: every knob with its value as text, in the order of the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from tradectl.config.coerce import optional
from tradectl.config.knob import Knob, Section, fact_of, walk
from tradectl.config.schema import Config
from tradectl.domain.money import text as money_text


@dataclass(frozen=True, slots=True)
class Entry:
    """One knob of the schema and the value it has in a configuration."""

    path: tuple[str, ...]
    field: FieldInfo
    fact: Knob
    value: Any

    @property
    def text(self) -> str:
        return text_of(self.value)

    @property
    def default_text(self) -> str:
        return text_of(self.field.default)

    @property
    def is_default(self) -> bool:
        return bool(self.value == self.field.default)


def entries(config: Config) -> Iterator[Entry]:
    for path, field in walk(Config):
        fact = fact_of(field)
        if fact is None:
            raise TypeError(f"{'.'.join(path)} is declared without knob()")
        found: Any = config
        for part in path:
            found = getattr(found, part)
        yield Entry(path, field, fact, found)


def text_of(value: Any) -> str:
    """A value as an operator would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(text_of(each) for each in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {text_of(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, Section):
        names = type(value).model_fields
        return "{" + ", ".join(f"{name}: {text_of(getattr(value, name))}" for name in names) + "}"
    return str(value)


def plain_of(value: Any) -> Any:
    """A value for JSON: money stays text, so that no digit is lost."""
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, tuple):
        return [plain_of(each) for each in value]
    if isinstance(value, Mapping):
        return {name: plain_of(value[name]) for name in sorted(value)}
    if isinstance(value, Section):
        return {name: plain_of(getattr(value, name)) for name in type(value).model_fields}
    return value


def canonical(config: Config) -> str:
    """One line per knob, sorted: the text behind the digest."""
    return "\n".join(sorted(f"{'.'.join(each.path)}={each.text!r}" for each in entries(config)))


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The allowed words of a choice; empty for other knobs."""
    wanted, _ = optional(field.annotation)
    args = get_args(wanted)
    return tuple(map(str, args)) if get_origin(wanted) is not tuple and args and not isinstance(args[0], type) else ()
