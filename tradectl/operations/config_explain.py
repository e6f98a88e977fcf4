"""`config explain KEY`: what one knob does, what it is now, and who says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradectl.config.coerce import bounds
from tradectl.config.listing import choices_of, entries, plain_of, text_of
from tradectl.config.load import load
from tradectl.config.nearest import key_of, path_of, snake, spelling, suggest
from tradectl.config.schema import Config
from tradectl.config.secrets import home_of, is_secret_name, looks_secret, redact
from tradectl.config.stake import Stake, Way
from tradectl.config.stakes import STAKES
from tradectl.errors import UsageError
from tradectl.operations.config_limits import Limits, Standing, limits, said_of, standing

_LOOSER = {
    Way.UP: "the larger, the more can be lost",
    Way.DOWN: "the smaller, the more can be lost",
    Way.ADDED: "each one more is looser",
    Way.REMOVED: "each one less is looser",
    Way.NEITHER: "it changes risk, in no direction that this knob alone tells",
    Way.NONE: "nothing: it changes no risk",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One knob. `set_at`: every place that gives it a value (for a table, one per entry), or 'default'.

    looser: which way more can be lost. limits: what limits it now; standing: of the store, for the policy that is set.
    """

    key: str
    also: str
    meaning: str
    value: Any
    text: str
    default: str
    unit: str
    bounds: str
    choices: tuple[str, ...]
    step: str
    available: bool
    unavailable_values: tuple[str, ...]
    set_at: tuple[str, ...]
    looser: str
    standing: Standing
    limits: Limits
    room: tuple[tuple[str, str], ...]


def plan(files: Iterable[Path], key: str, mode: str | None = None, state: Path | None = None) -> Explained:
    """mode: the one it is judged for; None: what the configuration is evidently written for. state: the store, where
    one is named; it is read for the policy that is set, and need not be there.

    Raises UsageError for an unknown key (with the nearest known one) and ConfigError for a broken config.
    """
    files = tuple(files)
    path = path_of(key.strip()) or _table_around(key.strip())
    if path is None:
        raise _unknown(key.strip())
    resolved = load(files)
    each = next(entry for entry in entries(resolved.config) if entry.path == path)
    name = ".".join(path)
    places = [f"{key_of(tuple(at.split('.')))} at {origin}" for at, origin in resolved.provenance.items()
              if at.startswith(name + ".")]  # fmt: skip
    now = standing(state, files, resolved)
    found = limits(resolved, each, mode, now)
    return Explained(
        key=key_of(path),
        also=name if name != key_of(path) else "",
        meaning=each.fact.meaning,
        value=plain_of(each.value),
        text=redact(each.text),
        default=each.default_text,
        unit=each.fact.unit,
        bounds=bounds(each.fact) or each.fact.says,
        choices=choices_of(each.field),
        step=each.fact.step,
        available=each.fact.available,
        unavailable_values=each.fact.unavailable_values,
        set_at=tuple(places) or (str(resolved.origin(path)),),
        looser=_looser(STAKES[name]),
        standing=now,
        limits=found,
        room=tuple(said_of(turn, each) for turn in found.turns),
    )


def _looser(stake: Stake) -> str:
    """Which way more can be lost."""
    return f"{text_of(stake.order[-1])} is the loosest" if stake.order else _LOOSER[stake.way]


def _table_around(key: str) -> tuple[str, ...] | None:
    """The table knob that holds the entry named, as `sim.instruments` holds `sim.instruments.PEPEUSDT.tick_size`."""
    parts = key.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = path_of(".".join(parts[:length]))
        if path is not None:
            return path if Config.model_fields and _is_table(path) else None
    return None


def _is_table(path: tuple[str, ...]) -> bool:
    return any(each.path == path and each.fact.unit == "table" for each in entries(Config()))


def _unknown(key: str) -> UsageError:
    if is_secret_name(key):
        return UsageError(
            "secrets are not in the configuration", hint=f"set {home_of(key)} in the environment; it is never shown"
        )
    if not key or looks_secret(key):
        return UsageError("that is no key", hint="tradectl config show lists every key")
    group = snake(key)
    inside = [text for path, text in spelling().items() if ".".join(path).startswith(group + ".")]
    if inside:
        return UsageError(f"{key} is a group of knobs", hint="one of: " + ", ".join(inside))
    shown = key if len(key) <= 80 else key[:77] + "..."
    near = suggest(tuple(part for part in key.split(".") if part) or (key,))
    hint = f"did you mean {near}?" if near else "tradectl config show lists every key"
    return UsageError(f"unknown key {shown}", hint=hint)
