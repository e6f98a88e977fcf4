"""`config show`: every value in force, with who set it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradectl.config.listing import entries, plain_of
from tradectl.config.load import load
from tradectl.config.nearest import key_of
from tradectl.config.secrets import redact


@dataclass(frozen=True, slots=True)
class Row:
    """One knob. `value` is JSON-ready (money as text), `text` for a person; `source` is file:line:column or default."""

    key: str
    group: str
    value: Any
    text: str
    unit: str
    source: str
    is_default: bool
    available: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """The configuration in force: its files (none: built-in defaults), digest, notices and knobs."""

    files: tuple[str, ...]
    digest: str
    notices: tuple[str, ...]
    rows: tuple[Row, ...]


def plan(files: Iterable[Path]) -> Shown:
    """Raises ConfigError with every fault."""
    paths = tuple(str(file) for file in files)
    resolved = load(paths)
    rows = []
    for each in entries(resolved.config):
        rows.append(
            Row(
                key=key_of(each.path),
                group=".".join(each.path[:-1]),
                value=_clean(plain_of(each.value)),
                text=redact(each.text),
                unit=each.fact.unit,
                source=_source(resolved.provenance, each.path),
                is_default=each.is_default,
                available=each.fact.available,
            )
        )
    return Shown(paths, resolved.digest, resolved.notices, tuple(rows))


def _source(provenance: Any, path: tuple[str, ...]) -> str:
    """The place of a knob; of a table, the places of its entries' first and the files of the rest."""
    name = ".".join(path)
    if name in provenance:
        return str(provenance[name])
    inner = [str(each) for key, each in provenance.items() if key.startswith(name + ".")]
    return inner[0] + (f" and {len(inner) - 1} more" if len(inner) > 1 else "") if inner else "default"


def _clean(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else value
