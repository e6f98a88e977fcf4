"""Loading: layered files into one frozen `Config`, with the place of every value, or every fault at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar, cast, get_args

from tradectl.config.crosscheck import crosscheck
from tradectl.config.files import read_text
from tradectl.config.knob import Section, fact_of, is_section
from tradectl.config.layer import Layer, Path, read_layer
from tradectl.config.listing import canonical
from tradectl.config.place import Fault, Place
from tradectl.config.schema import Config
from tradectl.errors import ConfigError

S = TypeVar("S", bound=Section)


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


def check(files: Iterable[str | FilePath] = (), over: Iterable[Layer] = ()) -> Checked:
    """Like `load`, with the faults as values. over: layers that win over the files, as a scenario has them."""
    layers = [*(_layer(str(file)) for file in files), *over]
    faults = [fault for layer in layers for fault in sorted(layer.faults, key=_reading_order)]
    if faults:
        return Checked(None, tuple(faults))
    values: dict[Path, Any] = {}
    places: dict[Path, Place] = {}
    for layer in layers:
        values.update(layer.values)
        places.update(layer.places)
    config = _build(Config, _nest(values))
    faults += crosscheck(config, places)
    if faults:
        return Checked(None, tuple(faults))
    provenance = {".".join(path): Provenance(place) for path, place in places.items()}
    notices = tuple(notice for layer in layers for notice in layer.notices)
    return Checked(Resolved(config, provenance, notices, digest_of(config)), ())


def digest_of(config: Config) -> str:
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def _reading_order(fault: Fault) -> tuple[int, int]:
    return (fault.place.line, fault.place.column) if fault.place else (0, 0)


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


def _build(model: type[S], values: Mapping[str, Any]) -> S:
    """A section from values that were all checked where they were read.

    Every knob was held against its type and bounds by `coerce`, which locates faults; building pydantic's validators
    for a second pass would cost each command some 20 ms. A test holds that validation agrees.
    As there, `model_fields_set` names what was given, and nothing that has its default.
    """
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        wanted = field.annotation
        if fact_of(field) is None and is_section(wanted):
            found[name] = _build(cast("type[Section]", wanted), values.get(name, {}))
        elif name not in values:
            found[name] = field.default
        else:
            found[name] = _entries(wanted, values[name])
    return model.model_construct(_fields_set=found.keys() & values.keys(), **found)


def _entries(wanted: Any, value: Any) -> Any:
    """A value, or a table or list of groups with each group built."""
    inner = get_args(wanted)
    if isinstance(value, dict):
        section = inner[1]
        return {name: _build(section, each) if is_section(section) else each for name, each in value.items()}
    if isinstance(value, tuple) and is_section(inner[0]):
        return tuple(_build(inner[0], each) for each in value)
    return value
