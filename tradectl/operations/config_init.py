"""`config init`: a commented TOML file that holds every default, to start from."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradectl.config.coerce import bounds
from tradectl.config.knob import camel, fact_of, is_section
from tradectl.config.listing import Entry, choices_of, entries
from tradectl.config.schema import Config
from tradectl.errors import Refused, UsageError

WIDTH = 100
_HEAD = """\
# Configuration of tradectl. Every knob is here with its default; remove what you do not change.
# Percentages are fractions: 0.05 is 5%, and "5%" (in quotes) means the same.
# Secrets do not belong here: they come from the environment (TRADECTL_API_KEY, TRADECTL_API_SECRET, ...).
# A knob marked "not available yet" is understood, but this build runs only with its default.
# Which value is in force, and who set it: tradectl --config FILE config show
"""


@dataclass(frozen=True, slots=True)
class InitPlan:
    """What will be written where. `path` None means that the text is only shown."""

    path: Path | None
    text: str
    replaces: bool


@dataclass(frozen=True, slots=True)
class InitDone:
    path: str
    knobs: int
    replaced: bool


def plan(path: str, *, force: bool) -> InitPlan:
    """Raises UsageError for a name that is no TOML file and Refused where a file would be overwritten unasked."""
    if path == "-":
        return InitPlan(None, template(), False)
    target = Path(path)
    if target.suffix.lower() != ".toml":
        raise UsageError("config init writes TOML", where=path, hint="name a file that ends in .toml, or - for stdout")
    if target.is_dir():
        raise Refused("a folder has that name", where=path, hint="name a file")
    exists = os.path.lexists(target)
    if exists and not force:
        raise Refused(
            "the file exists", where=path, why="it is not overwritten unasked", hint="--force, or another name"
        )
    return InitPlan(target, template(), exists)


def apply(chosen: InitPlan, *, force: bool) -> InitDone:
    """Writes the file as a whole or not at all. Raises Refused when the medium or another process prevents it."""
    if chosen.path is None:
        raise UsageError("there is no file to write")
    target = chosen.path
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(chosen.text)
                stream.flush()
                os.fsync(stream.fileno())
            if force:
                part.replace(target)
            else:
                os.link(part, target)  # fails where the name was taken meanwhile
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
    except OSError as error:
        if not (isinstance(error, FileExistsError) and error.filename2):
            raise Refused(
                "the file cannot be written",
                where=str(target),
                why=error.strerror or "",
                hint="check the folder and its space",
            ) from error
        # Only the link has two names: somebody wrote the file since the plan was made.
        raise Refused("the file exists", where=str(target), hint="--force, or another name") from error
    return InitDone(str(target), sum(1 for _ in entries(Config())), chosen.replaces)


def template() -> str:
    """The commented TOML text; loading it yields exactly the defaults."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for each in entries(Config()):
        groups.setdefault(each.path[:-1], []).append(each)
    parts = [_HEAD]
    for group in sorted(groups, key=lambda path: path != ()):
        ordered = sorted(groups[group], key=lambda each: each.fact.unit == "table")  # a table's header ends its group
        lines = [line for each in ordered for line in _knob(each)]
        parts.append("\n".join(([f"[{'.'.join(group)}]"] if group else []) + lines) + "\n")
    return "\n".join(parts)


def _knob(each: Entry) -> Iterator[str]:
    import tomli_w

    fact = each.fact
    limits = ", ".join(text for text in (fact.unit, bounds(fact), " or ".join(choices_of(each.field))) if text)
    note = "" if fact.available else " Not available yet."
    if fact.unavailable_values:
        note = f" Not available yet: {', '.join(fact.unavailable_values)}."
    yield from textwrap.wrap(
        f"{_sentence(fact.meaning)} ({limits}){note}", WIDTH, initial_indent="# ", subsequent_indent="# "
    )
    name = camel(each.path[-1]) if fact.camel else each.path[-1]
    if fact.unit == "table":
        yield from _table_example(each)
    elif each.value is None:
        yield f'# {name} = "none"'
    else:
        line = tomli_w.dumps({name: _toml(each.value)}).strip().replace("\n", " ")
        yield line if fact.available else f"# {line}"


def _toml(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_toml(each) for each in value]
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) < 10**15:
        return value.quantize(Decimal("0.1")) if value <= 2 else int(value)
    return value


def _table_example(each: Entry) -> Iterator[str]:
    """A table is shown by an example, commented out: its default is empty."""
    inner = (each.field.annotation or object).__args__[1]  # type: ignore[union-attr]
    head = ".".join(each.path)
    if not is_section(inner):
        yield f"# [{head}]"
        yield '# TC06 = "why it is meant"' if inner is str else "# A = 20"
        return
    import tomli_w

    yield f"# [{head}.ABCUSDT]"
    for name, field in inner.model_fields.items():
        if fact_of(field):
            yield "# " + tomli_w.dumps({name: _toml(field.default)}).strip()


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
