"""The configuration that a scenario runs with: the operator's own, what the simulated exchange needs, and what the
scenario's file changes. All of it is said, so that nobody takes a rehearsal for what it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradectl.config.layer import Layer
from tradectl.config.load import check
from tradectl.config.nearest import key_of
from tradectl.config.place import Place
from tradectl.config.schema import Config
from tradectl.scenarios.story import Need, Story

SLOWEST_CYCLE_S = Decimal(15)


@dataclass(frozen=True, slots=True)
class Effective:
    """`config` None: it cannot be played with this configuration, and `meaningless` says why. `changed`: what is not
    the operator's own, a text each."""

    config: Config | None
    changed: tuple[str, ...]
    meaningless: str = ""


def effective(files: Sequence[Path], own: Config, story: Story) -> Effective:
    """`own` is what the files say, checked already."""
    for need in story.needs:
        if why := _unmet(own, need):
            return Effective(None, (), why)
    layer = ground(own)
    changed = (*said(layer), *story.said_changes())
    checked = check([str(file) for file in files], (layer, story.changes))
    if checked.resolved is None:
        faults = "; ".join(str(fault) for fault in checked.faults)
        return Effective(None, changed, f"what it changes contradicts the configuration: {faults}")
    return Effective(checked.resolved.config, changed)


def _unmet(config: Config, need: Need) -> str:
    """'' where the operator's own value makes the scenario mean something."""
    value: Any = config
    for part in need.path:
        value = getattr(value, part)
    if need.holds == "set" and value is None:
        return f"{need.key} is not set: there is no such limit"
    if need.holds == "true" and value is not True:
        return f"{need.key} is {_shown(value)}: it is switched off"
    if need.holds.startswith("below "):
        bound = Decimal(need.holds.removeprefix("below "))
        if value is None or value >= bound:
            return f"{need.key} is {_shown(value)}: a limit that is never met"
    return ""


def said(layer: Layer) -> tuple[str, ...]:
    """What it changes, a text each."""
    return tuple(f"{key_of(path)} = {_shown(value)}" for path, value in layer.values.items())


def ground(own: Config, more: Mapping[tuple[str, ...], Any] | None = None) -> Layer:
    """What the simulated exchange in virtual time needs, where the configuration has it otherwise. `more`: what a kind
    of scenario needs beside it, or instead."""
    wanted: dict[tuple[str, ...], Any] = {
        ("perps", "interval"): "1m",
        ("perps", "symbol"): own.symbols()[0],
        ("market", "candidate_symbols"): (),
        ("venue", "name"): "sim",
        ("sim", "source"): "generated",
        ("engine", "cycle_seconds"): min(own.engine.cycle_seconds, SLOWEST_CYCLE_S),
        **(more or {}),
    }
    layer = Layer("scenario")
    for path, value in wanted.items():
        present: Any = own
        for part in path:
            present = getattr(present, part)
        if present != value:
            layer.values[path] = value
            layer.places[path] = Place("the simulated exchange")
    return layer


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "false" if value is False else str(value)
