"""Loading: layered files into one frozen `Config`, with the place of every value, or every fault at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from tradectl.config.crosscheck import crosscheck
from tradectl.config.files import read_text
from tradectl.config.layer import Layer, Path, read_layer
from tradectl.config.listing import canonical
from tradectl.config.nearest import key_of
from tradectl.config.place import Fault, Place
from tradectl.config.schema import Config
from tradectl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who set a value: a place in a file, or the schema's default."""

    place: Place | None = None

    def __str__(self) -> str:
        return str(self.place) if self.place else "default"


DEFAULT = Provenance()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The configuration in force.

    provenance: dotted snake_case path → who set it; paths that are absent have their default.
    notices:    what an operator should know although nothing is wrong.
    digest:     sha256 (hex) over every resolved value: equal configs have equal digests, however they are spelled.
    """

    config: Config
    provenance: Mapping[str, Provenance]
    notices: tuple[str, ...]
    digest: str

    def origin(self, path: tuple[str, ...]) -> Provenance:
        return self.provenance.get(".".join(path), DEFAULT)


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of reading: a resolved configuration where there are no faults."""

    resolved: Resolved | None
    faults: tuple[Fault, ...]


def load(files: Iterable[str | FilePath] = ()) -> Resolved:
    """The configuration from the files, later ones winning key by key; none at all means the defaults.

    Raises ConfigError that carries every fault.
    """
    checked = check(files)
    if checked.resolved is None:
        raise refusal(checked.faults)
    return checked.resolved


def refusal(faults: Iterable[Fault], what: str = "the configuration cannot be used") -> ConfigError:
    texts = tuple(str(fault) for fault in faults)
    count = f"{len(texts)} faults" if len(texts) != 1 else "1 fault"
    return ConfigError(f"{what}: {count}", faults=texts)


def check(files: Iterable[str | FilePath] = ()) -> Checked:
    """Like `load`, with the faults as values."""
    layers = [_layer(str(file)) for file in files]
    faults = [fault for layer in layers for fault in layer.faults]
    if faults:
        return Checked(None, tuple(faults))
    values: dict[Path, Any] = {}
    places: dict[Path, Place] = {}
    for layer in layers:
        values.update(layer.values)
        places.update(layer.places)
    try:
        config = Config.model_validate(_nest(values))
    except ValidationError as error:  # nothing known gets here: each knob was checked where it was read
        return Checked(None, tuple(_of_pydantic(error, places)))
    faults += crosscheck(config, places)
    if faults:
        return Checked(None, tuple(faults))
    provenance = {".".join(path): Provenance(place) for path, place in places.items()}
    notices = tuple(notice for layer in layers for notice in layer.notices)
    return Checked(Resolved(config, provenance, notices, digest_of(config)), ())


def digest_of(config: Config) -> str:
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def _layer(file: str) -> Layer:
    ending = FilePath(file).suffix.lower()
    if ending not in (".yaml", ".yml", ".toml"):
        hint = "rename it to .yaml" if ending == ".json" else "name a .yaml, .yml or .toml file"
        return Layer(file, faults=[Fault(Place(file), "has no ending of a config file", ending or "none", hint)])
    text = read_text(file)
    if isinstance(text, Fault):
        return Layer(file, faults=[text])
    if ending == ".toml":
        from tradectl.config import toml_tree

        return read_layer(*toml_tree.parse(text, file), file)
    from tradectl.config import yaml_tree

    return read_layer(*yaml_tree.parse(text, file), file)


def _nest(values: Mapping[Path, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in sorted(values, key=len):
        here = root
        for part in path[:-1]:
            here = here.setdefault(part, {})
        here.setdefault(path[-1], values[path] if values[path] != {} else {})
    return root


def _of_pydantic(error: ValidationError, places: Mapping[Path, Place]) -> Iterable[Fault]:
    for each in error.errors(include_input=False, include_url=False):
        path = tuple(str(part) for part in each["loc"])
        place = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), None)
        yield Fault(place, f"{key_of(path)} cannot be used", each["msg"], "see `tradectl config explain`")
