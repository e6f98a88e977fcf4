"""TOML into a tree of texts. tomllib decides what the file says; `toml_places` adds where it says it."""

from __future__ import annotations

import re
import tomllib

from tradectl.config.place import Fault, Place
from tradectl.config.toml_places import Path, locate
from tradectl.config.tree import MAX_DEPTH, Branch, Key, Leaf, Node, Series

_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_TWICE = ("Cannot overwrite a value", "Cannot declare", "Duplicate inline table key", "Cannot mutate immutable")


class _Number(str):
    """A float as it was written: `1e-4` and `0.10` keep their text."""

    __slots__ = ()


def parse(text: str, file: str) -> tuple[Node | None, list[Fault]]:
    """The tree and the faults; a syntax error comes alone, because tomllib stops at the first."""
    try:
        data = tomllib.loads(text, parse_float=_Number)
        places = locate(text)
        return (_branch(data, (), places, file) if data else None), []
    except RecursionError:
        return None, [
            Fault(Place(file, 1, 1), f"is nested deeper than {MAX_DEPTH} levels", hint="no knob lies so deep")
        ]
    except ValueError as error:  # TOMLDecodeError, and integers too long to convert
        return None, [_syntax(str(error), text, file)]


def _syntax(message: str, text: str, file: str) -> Fault:
    at = _AT.search(message)
    why = _AT.sub("", message)
    lines = text.split("\n")
    place = Place(file, len(lines), len(lines[-1]) + 1)
    if at and at.group(1):
        place = Place(file, int(at.group(1)), int(at.group(2)))
    elif not at:
        place = Place(file, 1, 1)
    if why.startswith(_TWICE):
        return Fault(place, "a key or table is written twice", why, "keep one of them")
    return Fault(place, "is not TOML", why, 'texts and percentages need quotes ("5%"), lists need brackets')


def _branch(data: dict[str, object], path: Path, places: dict[Path, tuple[int, int]], file: str) -> Branch:
    if len(path) > MAX_DEPTH:
        raise RecursionError
    pairs = tuple(
        (Key(name, _at(places, (*path, name), file)), _node(value, (*path, name), places, file))
        for name, value in data.items()
    )
    return Branch(pairs, _at(places, path, file))


def _node(value: object, path: Path, places: dict[Path, tuple[int, int]], file: str) -> Node:
    if isinstance(value, dict):
        return _branch(value, path, places, file)
    place = _at(places, path, file)
    if isinstance(value, list):
        if len(path) > MAX_DEPTH:
            raise RecursionError
        return Series(tuple(_node(item, (*path, i), places, file) for i, item in enumerate(value)), place)
    if isinstance(value, bool):
        return Leaf("true" if value else "false", "plain", place)
    if isinstance(value, _Number):
        return Leaf(str(value), "plain", place)
    if isinstance(value, int):
        return Leaf(str(value), "plain", place)
    if isinstance(value, str):
        return Leaf(value, "quoted", place)
    return Leaf(str(value), "other", place)


def _at(places: dict[Path, tuple[int, int]], path: Path, file: str) -> Place:
    """The place of a path, or of the nearest thing around it."""
    for length in range(len(path), 0, -1):
        found = places.get(path[:length])
        if found:
            return Place(file, *found)
    return Place(file, 1, 1)
