"""One file held against the schema: the values it sets, where it sets them, and everything that is wrong in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args, get_origin

from tradectl.config.coerce import AlreadyFaulted, Bad, bare_mapping, optional, shown, value
from tradectl.config.knob import Knob, Section, camel, fact_of, is_section
from tradectl.config.nearest import key_of, suggest
from tradectl.config.place import Fault, Place
from tradectl.config.schema import Config
from tradectl.config.secrets import home_of, is_secret_name, looks_secret
from tradectl.config.tree import Branch, Key, Leaf, Node, Series

MAX_FAULTS = 100  # of one file; a file with more is the wrong file
MAX_TABLE = 2000

Path = tuple[str, ...]


@dataclass(slots=True)
class Layer:
    """What one file says. Paths are snake_case; the entries of a table have longer paths than its knob."""

    file: str
    values: dict[Path, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class _Full(Exception):
    """Enough faults were found."""


def read_layer(root: Node | None, faults: list[Fault], file: str) -> Layer:
    layer = Layer(file, faults=list(faults))
    if root is None or (isinstance(root, Leaf) and root.form == "plain" and root.text in ("", "~", "null")):
        if not faults:
            layer.notices.append(f"{file} is empty: every knob has its default")
        return layer
    if not isinstance(root, Branch):
        layer.faults.append(
            Fault(root.place, "is not a mapping of knobs", "", "write lines like `perps:` and `  riskPct: 0.005`")
        )
        return layer
    try:
        _Walk(layer).section(root, Config, ())
    except _Full:
        layer.faults.append(Fault(Place(file), f"has more than {MAX_FAULTS} faults", "the rest is not listed"))
    return layer


class _Walk:
    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def fault(self, place: Place | None, what: str, why: str = "", hint: str = "") -> None:
        self.layer.faults.append(Fault(place, what, why, hint))
        if len(self.layer.faults) > MAX_FAULTS:
            raise _Full

    def section(self, branch: Branch, model: type[Section], path: Path) -> None:
        """Every key of a group."""
        names = {spelled: name for name in model.model_fields for spelled in (name, camel(name))}
        written: dict[str, Key] = {}
        for key, node in branch.items:
            if key.refused:
                continue
            first = written.setdefault(key.text, key)
            if first is not key:
                self.fault(key.place, f"{_key(key)} is written twice", f"first at {first.place}", "keep one of them")
                continue
            if self._secret(key) or (path == () and self._legacy(key, node)) or self._state_file(key, path):
                continue
            name = names.get(key.text)
            if name is None:
                self._unknown(key, path, model)
                continue
            self._field(node, key, model, name, (*path, name))

    def _field(self, node: Node, key: Key, model: type[Section], name: str, path: Path) -> None:
        info = model.model_fields[name]
        fact = fact_of(info)
        try:
            if fact is None:
                if is_section(info.annotation):
                    self.section(bare_mapping(node, key_of(path)), info.annotation, path)  # type: ignore[arg-type]
                return
            wanted, _ = optional(info.annotation)
            if is_table(wanted):
                self._table(bare_mapping(node, key_of(path)), get_args(wanted)[1], fact, path)
            elif not self._claim(path, key):
                return
            elif get_origin(wanted) is tuple and is_section(get_args(wanted)[0]):
                self.layer.values[path] = self._sections(node, get_args(wanted)[0], path)
            else:
                self.layer.values[path] = value(node, info.annotation, fact, key_of(path))
        except Bad as bad:
            self.fault(bad.fault.place, bad.fault.what, bad.fault.why, bad.fault.hint)
        except AlreadyFaulted:
            return

    def _claim(self, path: Path, key: Key) -> bool:
        """True for the first key that sets this knob in the file; says so otherwise."""
        if path in self.layer.places:
            self.fault(
                key.place,
                f"two values for one knob: {key_of(path)}",
                f"the other is at {self.layer.places[path]}",
                "keep one of them",
            )
            return False
        self.layer.places[path] = key.place
        return True

    def _table(self, branch: Branch, inner: Any, fact: Knob, path: Path) -> None:
        """A table whose keys are the operator's: symbol → group, or tier → number."""
        if len(branch.items) > MAX_TABLE:
            raise Bad(Fault(branch.place, f"{key_of(path)} has more than {MAX_TABLE} entries"))
        written: dict[str, Key] = {}
        for key, node in branch.items:
            if key.refused:
                continue
            first = written.setdefault(key.text, key)
            if first is not key:
                self.fault(key.place, f"{_key(key)} is written twice", f"first at {first.place}", "keep one of them")
            elif self._secret(key):
                continue
            elif not re.fullmatch(fact.pattern or r"[A-Za-z0-9_]{1,32}", key.text):
                self.fault(
                    key.place, f"{_key(key)} cannot be a key of {key_of(path)}", f"it is {fact.says or 'a name'}"
                )
            elif is_section(inner):
                if self._claim((*path, key.text), key):
                    self.layer.values[*path, key.text] = {}
                self._entry(node, inner, (*path, key.text))
            else:
                try:
                    if self._claim((*path, key.text), key):
                        here = (*path, key.text)
                        # The pattern is that of the keys.
                        self.layer.values[here] = value(node, inner, replace(fact, pattern=""), key_of(here))
                except Bad as bad:
                    self.fault(bad.fault.place, bad.fault.what, bad.fault.why, bad.fault.hint)
                except AlreadyFaulted:
                    continue

    def _entry(self, node: Node, inner: type[Section], path: Path) -> None:
        try:
            self.section(bare_mapping(node, key_of(path)), inner, path)
        except Bad as bad:
            self.fault(bad.fault.place, bad.fault.what, bad.fault.why, bad.fault.hint)
        except AlreadyFaulted:
            return

    def _sections(self, node: Node, inner: type[Section], path: Path) -> tuple[dict[str, Any], ...]:
        """A list of groups (exits.targets), as dicts of values."""
        if isinstance(node, Leaf) and node.form == "refused":
            raise AlreadyFaulted
        if not isinstance(node, Series):
            raise Bad(Fault(node.place, f"{key_of(path)} is not a list", "", "write a list of groups"))
        if len(node.items) > 20:
            raise Bad(Fault(node.place, f"{key_of(path)} has more than 20 entries"))
        found: list[dict[str, Any]] = []
        for number, item in enumerate(node.items):
            part = _Walk(Layer(self.layer.file))
            here = (*path[:-1], f"{path[-1]}[{number}]")
            part._entry(item, inner, here)
            for each in part.layer.faults:
                self.fault(each.place, each.what, each.why, each.hint)
            found.append({leaf[-1]: kept for leaf, kept in part.layer.values.items()})
        return tuple(found)

    def _secret(self, key: Key) -> bool:
        if not is_secret_name(key.text):
            return False
        self.fault(
            key.place,
            f"{_key(key)} is a secret in a config file",
            "its value is not shown, but others may have read it: replace it at its source",
            f"remove the line and set {home_of(key.text)} in the environment",
        )
        return True

    def _state_file(self, key: Key, path: Path) -> bool:
        if path != ("perps",) or key.text not in ("stateFile", "state_file"):
            return False
        self.fault(
            key.place,
            "perps.stateFile is the JSON file of an older bot",
            "the store is a database now, at state.path",
            "remove the line; its figures are taken over once with `tradectl state import FILE`",
        )
        return True

    def _legacy(self, key: Key, node: Node) -> bool:
        """`coin_universe` of the older system: its symbols become market.candidate_symbols, with a notice."""
        if key.text not in ("coin_universe", "coinUniverse"):
            return False
        if not isinstance(node, Branch):
            self.fault(node.place, "coin_universe is a group", "", "write market.candidate_symbols instead")
            return True
        for name, inner in node.items:
            if name.text not in ("liquidity_tiers", "liquidityTiers", "candidate_symbols", "candidateSymbols"):
                self.fault(name.place, f"unknown key coin_universe.{_key(name)}", "", "use the knobs under market")
                continue
            lists = [each for _, each in inner.items] if isinstance(inner, Branch) else [inner]
            symbols: list[str] = []
            for each in lists:
                symbols += self._symbols(each)
            candidates = ("market", "candidate_symbols")
            if not self._claim(candidates, name):
                continue
            self.layer.values[candidates] = tuple(dict.fromkeys(symbols))
            self.layer.notices.append(
                f"{name.place}: coin_universe.{name.text} is read as market.candidate_symbols"
                " (tiers are decided by volume now): write it there"
            )
        return True

    def _symbols(self, node: Node) -> list[str]:
        if not isinstance(node, Series):
            self.fault(node.place, "a tier is not a list of symbols", "", 'write a list: ["BTC/USD", "ETH/USD"]')
            return []
        found: list[str] = []
        for item in node.items:
            pair = re.fullmatch(r"([A-Z0-9]{1,20}?)(?:/?(USDT|USD)(?::[A-Z]+)?)?", getattr(item, "text", ""))
            if pair is None or not re.search("[A-Z]", pair.group(1)):
                self.fault(item.place, f"{shown(getattr(item, 'text', ''))} is no symbol", "", "write it like BTC/USD")
                continue
            base = pair.group(1)
            found.append(f"{'BTC' if base == 'XBT' else base}USDT")
        return found

    def _unknown(self, key: Key, path: Path, model: type[Section]) -> None:
        if key.text == "<<":
            self.fault(key.place, "<< is a merge key", "not accepted in a config", "write each value out")
            return
        near = suggest((*path, *key.text[:200].split(".")), model)
        what = f"unknown key {'.'.join((*path, _key(key)))}"
        if near and "." in key.text:
            *groups, last = near.split(".")
            self.fault(key.place, what, "groups are nested, not dotted", f"write {last} below {' → '.join(groups)}")
        else:
            self.fault(
                key.place, what, "", f"did you mean {near}?" if near else "see `tradectl config show` for every key"
            )


def is_table(wanted: Any) -> bool:
    """True for a Mapping annotation."""
    return get_origin(wanted) is Mapping


def _key(key: Key) -> str:
    """A key as it may be printed."""
    if not key.text:
        return "an empty key"
    if looks_secret(key.text):
        return "a key (not shown: it looks like a secret)"
    text = key.text if key.text.isprintable() else ascii(key.text)
    return text if len(text) <= 60 else text[:57] + "..."
