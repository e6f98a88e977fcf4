"""Where scenarios come from: the library that ships, and an operator's own files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path

from tradectl.config.files import read_text
from tradectl.config.load import refusal
from tradectl.config.place import Fault
from tradectl.errors import UsageError
from tradectl.scenarios.story import Story, parse

_ENDING = ".yaml"


@cache
def shipped() -> tuple[Story, ...]:
    """The library, by name. A test holds every file of it to having no fault."""
    found = []
    for entry in sorted(files("tradectl.scenarios").joinpath("library").iterdir(), key=lambda one: one.name):
        if entry.name.endswith(_ENDING):
            story, faults = parse(entry.read_text(encoding="utf-8"), f"library/{entry.name}", shipped=True)
            if story is None:
                raise refusal(faults, "a scenario of the library cannot be used")
            found.append(story)
    return tuple(found)


def own(paths: Iterable[Path]) -> tuple[Story, ...]:
    """An operator's files. Raises ConfigError with every fault of all of them."""
    found: list[Story] = []
    faults: list[Fault] = []
    for path in paths:
        text = read_text(str(path))
        if isinstance(text, Fault):
            hint = (
                text.hint
                if path.exists()
                else "check the path; tradectl scenarios list --show NAME prints one to begin from"
            )
            faults.append(replace(text, hint=hint))
            continue
        story, wrong = parse(text, str(path))
        faults += wrong
        if story is not None:
            found.append(story)
    if faults:
        raise refusal(faults, "a scenario cannot be used")
    return tuple(found)


def chosen(names: Sequence[str], own_files: Sequence[Path]) -> tuple[Story, ...]:
    """What is to be played: the named ones, the files, or without either the whole library.

    Raises UsageError for a name that nothing has, ConfigError for a file with faults.
    """
    written = own(own_files)
    if not names:
        return written or shipped()
    known = {story.name: story for story in (*shipped(), *written)}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else "tradectl scenarios list"
            raise UsageError(f"there is no scenario {name!r}", hint=hint)
    return tuple({story.name: story for story in (*(known[name] for name in names), *written)}.values())


def text_of(name: str) -> str:
    """The file of a scenario that ships. Raises UsageError."""
    (story,) = chosen([name], ())
    return (files("tradectl.scenarios") / "library" / f"{story.name}{_ENDING}").read_text(encoding="utf-8")
