"""The known key nearest to an unknown one."""

from __future__ import annotations

import re
from functools import cache

from tradectl.config.knob import Section, camel, fact_of, walk
from tradectl.config.schema import Config

LONGEST = 80


def snake(text: str) -> str:
    """riskPct → risk_pct; dots stay."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.replace("-", "_")).lower()


@cache
def spelling() -> dict[tuple[str, ...], str]:
    """snake_case path → the key as the documents spell it (`perps.riskPct`, `risk.max_leverage`)."""
    known: dict[tuple[str, ...], str] = {}
    for path, field in walk(Config):
        fact = fact_of(field)
        last = camel(path[-1]) if fact and fact.camel else path[-1]
        known[path] = ".".join((*path[:-1], last))
    return known


def key_of(path: tuple[str, ...]) -> str:
    """The documents' spelling of a path; parts below a table keep theirs."""
    known = spelling()
    for length in range(len(path), 0, -1):
        if path[:length] in known:
            return ".".join((known[path[:length]], *path[length:]))
    return ".".join(path)


def path_of(key: str) -> tuple[str, ...] | None:
    """The path of a dotted key in either spelling; None when there is no such knob."""
    known = spelling()
    for candidate in (tuple(key.split(".")), tuple(snake(key).split("."))):
        if candidate in known:
            return candidate
    wanted = key.replace("_", "").lower()
    return next((path for path in known if ".".join(path).replace("_", "") == wanted), None)


def suggest(path: tuple[str, ...], within: type[Section] | None = None) -> str:
    """The nearest known key to an unknown path, in the documents' spelling; empty when nothing is near.

    within: the section in which the unknown key stands; its own knobs are tried first.
    """
    from difflib import get_close_matches

    last = snake(path[-1])[:LONGEST]
    if within is not None:
        near = get_close_matches(last, list(within.model_fields), 1, 0.75)
        if near:
            return key_of((*path[:-1], near[0]))
    known = {".".join(each): text for each, text in spelling().items()}
    squashed = last.replace("_", "")
    for dotted, text in known.items():
        if dotted.rsplit(".", 1)[-1].replace("_", "") == squashed:
            return text
    near = get_close_matches(snake(".".join(path))[: 2 * LONGEST], list(known), 1, 0.75)
    if near:
        return known[near[0]]
    ends = {dotted.rsplit(".", 1)[-1]: text for dotted, text in known.items()}
    near = get_close_matches(last, list(ends), 1, 0.8)
    return ends[near[0]] if near else ""
