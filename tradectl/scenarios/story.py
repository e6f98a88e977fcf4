"""A scenario as its file has it, and every fault of a file with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from tradectl.config.layer import Layer, read_layer
from tradectl.config.nearest import key_of, path_of, suggest
from tradectl.config.place import Fault, Place
from tradectl.config.tree import Branch, Key, Leaf, Node, Series
from tradectl.scenarios.words import EXPECTATIONS, REQUIRED, STEPS, Word

_KEYS = ("scenario", "title", "why", "meaningful", "with", "starts", "given", "when", "expect", "rounds")
_NEEDED = ("scenario", "title", "why")
_DAY = "00:00"


@dataclass(frozen=True, slots=True)
class Line:
    """One step or expectation, as it was written and as it is meant."""

    word: str
    args: Mapping[str, Any]
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Round:
    when: tuple[Line, ...]
    expect: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """What must hold of the operator's own value for the scenario to mean anything: 'set', 'true' or 'below N'."""

    path: tuple[str, ...]
    holds: str

    @property
    def key(self) -> str:
        return key_of(self.path)


@dataclass(frozen=True, slots=True)
class Story:
    name: str
    title: str
    why: str
    needs: tuple[Need, ...]
    changes: Layer  # the configuration's values that it changes
    given: tuple[Line, ...]
    rounds: tuple[Round, ...]
    starts_minute: int = 0  # of the UTC day
    file: str = ""
    shipped: bool = False

    def said_changes(self) -> tuple[str, ...]:
        return tuple(f"{key_of(path)} = {value}" for path, value in self.changes.values.items())


@dataclass
class _Reading:
    file: str
    faults: list[Fault] = field(default_factory=list)

    def fault(self, place: Place | None, what: str, why: str = "", hint: str = "") -> None:
        self.faults.append(Fault(place, what, why, hint))

    def pairs(self, node: Node, what: str) -> list[tuple[Key, Node]]:
        """The keys of a mapping, each once."""
        if not isinstance(node, Branch):
            self.fault(node.place, f"{what} is not a mapping", "", "write lines like `name: value`")
            return []
        found: dict[str, tuple[Key, Node]] = {}
        for key, value in node.items:
            if key.refused:
                continue
            if key.text in found:
                self.fault(key.place, f"{key.text} is written twice", f"first at {found[key.text][0].place}")
            else:
                found[key.text] = (key, value)
        return list(found.values())

    def text(self, node: Node, what: str) -> str:
        if isinstance(node, Leaf) and node.form != "refused" and node.text.strip():
            return " ".join(node.text.split())
        self.fault(node.place, f"{what} is not a text", "", "write one sentence")
        return ""

    # The parts

    def story(self, root: Node | None, shipped: bool) -> Story | None:
        if root is None:
            if not self.faults:
                self.fault(Place(self.file, 1, 1), "is empty", "", "begin with `scenario: NAME`")
            return None
        parts: dict[str, Node] = {}
        for key, node in self.pairs(root, "a scenario"):
            if key.text in _KEYS:
                parts[key.text] = node
            else:
                self.unknown(key, "part of a scenario", _KEYS)
        for name in _NEEDED:
            if name not in parts:
                self.fault(root.place, f"has no {name}", "", f"add a line `{name}: …`")
        rounds = self.rounds(root, parts)
        changes = self.changes(parts.get("with"))
        made = Story(
            name=self.text(parts["scenario"], "scenario") if "scenario" in parts else "",
            title=self.text(parts["title"], "title") if "title" in parts else "",
            why=self.text(parts["why"], "why") if "why" in parts else "",
            needs=self.needs(parts["meaningful"]) if "meaningful" in parts else (),
            changes=changes,
            given=self.lines(parts.get("given"), "given", STEPS),
            rounds=rounds,
            starts_minute=self.starts(parts.get("starts")),
            file=self.file,
            shipped=shipped,
        )
        return None if self.faults else made

    def rounds(self, root: Node, parts: Mapping[str, Node]) -> tuple[Round, ...]:
        if "rounds" not in parts:
            return (self.round(root, parts),)
        for name in ("when", "expect"):
            if name in parts:
                self.fault(parts[name].place, f"has {name} beside rounds", "", "put it into one of the rounds")
        node = parts["rounds"]
        if not isinstance(node, Series) or not node.items:
            self.fault(node.place, "rounds is not a list", "", "write `- when: [...]` with `expect: [...]` below it")
            return ()
        found = []
        for item in node.items:
            inner: dict[str, Node] = {}
            for key, value in self.pairs(item, "a round"):
                if key.text in ("when", "expect"):
                    inner[key.text] = value
                else:
                    self.unknown(key, "part of a round", ("when", "expect"))
            found.append(self.round(item, inner))
        return tuple(found)

    def round(self, whole: Node, parts: Mapping[str, Node]) -> Round:
        if "expect" not in parts:
            self.fault(whole.place, "expects nothing", "it could not fail", "add `expect:` with what must be seen")
        when = self.lines(parts.get("when"), "when", STEPS)
        return Round(when, self.lines(parts.get("expect"), "expect", EXPECTATIONS, at_least=1))

    def lines(self, node: Node | None, what: str, known: Mapping[str, Word], at_least: int = 0) -> tuple[Line, ...]:
        if node is None:
            return ()
        if not isinstance(node, Series) or len(node.items) < at_least:
            self.fault(node.place, f"{what} is not a list of steps", "", "write each on a line that begins with `- `")
            return ()
        found = [self.line(item, what, known) for item in node.items]
        return tuple(each for each in found if each is not None)

    def line(self, node: Node, what: str, known: Mapping[str, Word]) -> Line | None:
        if isinstance(node, Leaf):
            self.fault(node.place, f"{node.text or 'nothing'} is no step", "", "write `- word: value`")
            return None
        pairs = self.pairs(node, f"a line of {what}")
        if len(pairs) != 1:
            if pairs:
                self.fault(node.place, f"{len(pairs)} words in one line of {what}", "", "begin each with its own `- `")
            return None
        key, value = pairs[0]
        word = known.get(key.text)
        if word is None:
            self.unknown(key, f"word of {what}", tuple(known))
            return None
        return self.meant(word, key, value)

    def meant(self, word: Word, key: Key, node: Node) -> Line | None:
        before = len(self.faults)
        given: dict[str, tuple[Place, str]] = {}
        if isinstance(node, Leaf):
            if node.text:
                given[word.args[0].name] = (node.place, node.text)
        else:
            for name, value in self.pairs(node, word.name):
                if word.arg(name.text) is None:
                    self.unknown(name, f"value of {word.name}", tuple(each.name for each in word.args))
                elif isinstance(value, Leaf):
                    given[name.text] = (value.place, value.text)
                else:
                    self.fault(value.place, f"{word.name}.{name.text} is not one value")
        args: dict[str, Any] = {}
        for arg in word.args:
            if arg.name not in given:
                if arg.default is REQUIRED:
                    self.fault(key.place, f"{word.name} has no {arg.name}", word.says, f"add `{arg.name}: …`")
                args[arg.name] = arg.default
                continue
            place, text = given[arg.name]
            try:
                args[arg.name] = arg.read(text)
            except ValueError as error:
                self.fault(place, f"{word.name}.{arg.name} = {text!r} does not fit", "", str(error))
        if len(self.faults) > before:
            return None
        shown = ", ".join(text if name == word.args[0].name else f"{name} {text}" for name, (_, text) in given.items())
        return Line(word.name, args, f"{word.name}: {shown}" if shown else word.name, key.place)

    def changes(self, node: Node | None) -> Layer:
        if node is None:
            return Layer(self.file)
        layer = read_layer(node, [], self.file)
        self.faults += layer.faults
        return layer

    def needs(self, node: Node) -> tuple[Need, ...]:
        found = []
        for key, value in self.pairs(node, "meaningful"):
            path = path_of(key.text)
            if path is None:
                near = suggest(tuple(key.text.split(".")))
                self.fault(key.place, f"there is no knob {key.text}", "", f"did you mean {near}?" if near else "")
                continue
            holds = self.text(value, key.text)
            if holds and not (holds in ("set", "true") or _below(holds)):
                self.fault(value.place, f"{holds!r} is no condition", "", "write set, true or below NUMBER")
            found.append(Need(path, holds))
        return tuple(found)

    def starts(self, node: Node | None) -> int:
        text = _DAY if node is None else self.text(node, "starts")
        hours, _, minutes = text.partition(":")
        if hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60:
            return int(hours) * 60 + int(minutes)
        self.fault(node.place if node else None, f"starts = {text!r} is no time of day", "", 'write it like "23:50"')
        return 0

    def unknown(self, key: Key, what: str, known: tuple[str, ...]) -> None:
        near = get_close_matches(key.text[:60], known, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        self.fault(key.place, f"{key.text[:60]} is no {what}", "", hint)


def _below(holds: str) -> bool:
    word, _, number = holds.partition(" ")
    return word == "below" and number.replace(".", "", 1).isdigit()


def parse(text: str, file: str, *, shipped: bool = False) -> tuple[Story | None, list[Fault]]:
    """The scenario in `text`; None with the faults where there are any."""
    from tradectl.config import yaml_tree

    root, faults = yaml_tree.parse(text, file)
    reading = _Reading(file, list(faults))
    return reading.story(root, shipped), reading.faults
