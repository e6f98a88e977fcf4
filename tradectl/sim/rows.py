"""The open state as rows: which rows a change touches, and the state back from them.

Whole numbers and the prices move with every bar and share one row; a mapping has a row per key, any other field one
row. A field added to ExchangeState is kept without an edit here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

from tradectl.sim.codec import CodecError, decode, encode
from tradectl.sim.state import ExchangeState

_HINTS = get_type_hints(ExchangeState)
_NAMES = tuple(one.name for one in fields(ExchangeState))
_HOT_MAPPINGS = ("prices",)
_HOT = tuple(name for name in _NAMES if _HINTS[name] in (int, str) or name in _HOT_MAPPINGS)


def _item_type(name: str) -> Any | None:
    """The type of a mapping's values, or None for a field that is no mapping."""
    origin = get_origin(_HINTS[name])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return get_args(_HINTS[name])[1]
    return None


_COLD = tuple((name, _item_type(name)) for name in _NAMES if name not in _HOT)

Change = tuple[str, str, str | None]  # kind, key, body; None deletes


def hot_row(state: ExchangeState) -> str:
    """The row that every change rewrites."""
    return "{" + ",".join(f'"{name}":{encode(_HINTS[name], getattr(state, name))}' for name in _HOT) + "}"


def cold_rows(state: ExchangeState) -> Iterator[Change]:
    """Every other row of a state."""
    for name, item in _COLD:
        value = getattr(state, name)
        if item is None:
            yield name, "", encode(_HINTS[name], value)
        else:
            for key, one in value.items():
                yield name, key, encode(item, one)


def changed_rows(before: ExchangeState, after: ExchangeState) -> Iterator[Change]:
    """The cold rows in which two states differ."""
    for name, item in _COLD:
        old, new = getattr(before, name), getattr(after, name)
        if old is new:
            continue
        if item is None:
            if old != new:
                yield name, "", encode(_HINTS[name], new)
            continue
        for key, one in new.items():
            was = old.get(key)
            if was is not one and was != one:
                yield name, key, encode(item, one)
        for key in old:
            if key not in new:
                yield name, key, None


def read_state(hot: str, cold: Sequence[tuple[str, str, str]]) -> ExchangeState:
    """The state that `hot_row` and `cold_rows` wrote. Raises CodecError when the rows are not that."""
    try:
        values: dict[str, Any] = {
            name: decode(_HINTS[name], json.dumps(value)) for name, value in json.loads(hot).items()
        }
        found: dict[str, dict[str, str]] = {}
        for kind, key, body in cold:
            found.setdefault(kind, {})[key] = body
        for name, item in _COLD:
            rows = found.get(name, {})
            if item is None:
                values[name] = decode(_HINTS[name], rows[""])
            else:
                values[name] = {key: decode(item, body) for key, body in rows.items()}
        return ExchangeState(**values)
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CodecError(f"the exchange's open state cannot be read: {error}") from error
