"""Frozen facts to JSON text and back, exactly: Decimal as canonical text, enums as their values.

Encoders and decoders are built once from a dataclass's own annotations, so that a field added to a fact is kept
without a second place to edit. A value of a union of facts carries its class name.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from tradectl.domain.money import text

T = TypeVar("T")


class CodecError(ValueError):
    """Text that was not written for the type it is read as."""


Coder = Callable[[Any], Any]


def encode(kind: type[T], value: T) -> str:
    """One value of a known type as compact JSON."""
    return json.dumps(_coders(cast(Any, kind))[0](value), separators=(",", ":"))


def decode(kind: type[T], body: str) -> T:
    """The value back. Raises CodecError on text that was not written for this type."""
    try:
        return cast(T, _coders(cast(Any, kind))[1](json.loads(body)))
    except (AttributeError, TypeError, LookupError, ValueError, ArithmeticError) as error:
        raise CodecError(f"not a {getattr(kind, '__name__', kind)}: {body[:120]}") from error


def _same(value: Any) -> Any:
    return value


@cache
def _coders(kind: Any) -> tuple[Coder, Coder]:
    """(encoder, decoder) of an annotation."""
    origin = get_origin(kind)
    if kind in (int, str, bool, types.NoneType):
        return _same, _same
    if kind is Decimal:
        return text, Decimal
    if origin in (Union, types.UnionType):
        return _union(get_args(kind))
    if origin is tuple:
        return _tuple(get_args(kind))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        write, read = _coders(get_args(kind)[1])
        return (
            lambda value: {key: write(item) for key, item in value.items()},
            lambda data: {key: read(item) for key, item in data.items()},
        )
    if isinstance(kind, type) and issubclass(kind, Enum):
        return (lambda value: value.value), kind
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind)
    raise TypeError(f"no way to write a {kind!r} into the exchange's file")


def _record(kind: type[Any]) -> tuple[Coder, Coder]:
    hints = get_type_hints(kind)
    names = [one.name for one in fields(kind) if one.init]
    coders = [_coders(hints[name]) for name in names]
    writers = [(name, write) for name, (write, _) in zip(names, coders, strict=True)]
    readers = {name: read for name, (_, read) in zip(names, coders, strict=True)}

    def write_record(value: Any) -> dict[str, Any]:
        return {name: write(getattr(value, name)) for name, write in writers}

    def read_record(data: dict[str, Any]) -> Any:
        return kind(**{name: readers[name](item) for name, item in data.items()})

    return write_record, read_record


def _union(members: tuple[Any, ...]) -> tuple[Coder, Coder]:
    """`X | None`, or a choice of facts told apart by their class name."""
    present = [member for member in members if member is not types.NoneType]
    if len(present) == 1:
        write, read = _coders(present[0])
        return (
            lambda value: None if value is None else write(value),
            lambda data: None if data is None else read(data),
        )
    by_name = {member.__name__: _coders(member) for member in present}

    def write_choice(value: Any) -> Any:
        name = type(value).__name__
        return None if value is None else [name, by_name[name][0](value)]

    def read_choice(data: Any) -> Any:
        return None if data is None else by_name[data[0]][1](data[1])

    return write_choice, read_choice


def _tuple(items: tuple[Any, ...]) -> tuple[Coder, Coder]:
    if len(items) == 2 and items[1] is Ellipsis:
        write, read = _coders(items[0])
        return (lambda value: [write(item) for item in value]), (lambda data: tuple(read(item) for item in data))
    pairs = [_coders(item) for item in items]
    return (
        lambda value: [write(item) for (write, _), item in zip(pairs, value, strict=True)],
        lambda data: tuple(read(item) for (_, read), item in zip(pairs, data, strict=True)),
    )
