"""YAML into a tree of texts, from the parser's events.

The events are read instead of loaded values because a loader lets the last duplicate key win, reads `1e-4` as text,
`on` as true, `010` as 8 and `1:30` as 90, and would expand aliases. No alias is ever resolved here, so a file cannot
grow while it is read.
"""

from __future__ import annotations

from typing import Any

import yaml

from tradectl.config.place import Fault, Place
from tradectl.config.tree import MAX_DEPTH, Branch, Key, Leaf, Node, Series

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TooDeep(Exception):
    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class _Frame:
    """A mapping or list being read."""

    __slots__ = ("items", "key", "mapping", "pairs", "place", "refused")

    def __init__(self, mapping: bool, place: Place, refused: bool) -> None:
        self.mapping = mapping
        self.place = place
        self.refused = refused
        self.pairs: list[tuple[Key, Node]] = []
        self.items: list[Node] = []
        self.key: Key | None = None

    def done(self) -> Node:
        if self.refused:
            return Leaf("", "refused", self.place)
        return Branch(tuple(self.pairs), self.place) if self.mapping else Series(tuple(self.items), self.place)


class _Reader:
    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file = file
        self.faults = faults
        self.stack: list[_Frame] = []
        self.root: Node | None = None

    def place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def take(self, event: Any) -> None:
        match event:
            case yaml.AliasEvent():
                self._refuse(event, f"*{event.anchor}", "an alias", "write the value out")
                self._add(Leaf("", "refused", self.place(event)))
            case yaml.ScalarEvent():
                self._add(self._scalar(event))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                clean = self._checked(event)
                if len(self.stack) >= MAX_DEPTH:
                    raise _TooDeep(self.place(event))
                self.stack.append(_Frame(isinstance(event, yaml.MappingStartEvent), self.place(event), not clean))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._add(self.stack.pop().done())

    def _refuse(self, event: Any, shown: str, kind: str, hint: str) -> None:
        self.faults.append(Fault(self.place(event), f"{shown} is {kind}", "not accepted in a config", hint))

    def _checked(self, event: Any) -> bool:
        """True when the node carries neither an anchor nor a tag; says so otherwise."""
        if event.anchor:
            self._refuse(event, f"&{event.anchor}", "an anchor", "remove it and write each value out")
        if event.tag:
            self._refuse(event, _short_tag(event.tag), "a tag", "remove it and write the plain value")
        return not event.tag

    def _scalar(self, event: Any) -> Leaf:
        if not self._checked(event):
            return Leaf("", "refused", self.place(event))
        return Leaf(event.value, "plain" if event.implicit[0] else "quoted", self.place(event))

    def _add(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if not frame.mapping:
            frame.items.append(node)
        elif frame.key is not None:
            frame.pairs.append((frame.key, node))
            frame.key = None
        elif isinstance(node, Leaf):
            frame.key = Key(node.text, node.place, refused=node.form == "refused")
        else:
            self.faults.append(Fault(node.place, "a list or mapping is no key", hint="write a name before the colon"))
            frame.key = Key("", node.place, refused=True)


def _short_tag(tag: str) -> str:
    core = "tag:yaml.org,2002:"
    return ("!!" + tag[len(core) :] if tag.startswith(core) else tag)[:40]


def parse(text: str, file: str) -> tuple[Node | None, list[Fault]]:
    """The tree of the one document in `text` and every fault on the way; None when there is nothing in it."""
    faults: list[Fault] = []
    reader = _Reader(file, faults)
    documents = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    faults.append(Fault(reader.place(event), "a second document begins here", hint="keep one per file"))
                    break
            reader.take(event)
    except _TooDeep as deep:
        faults.append(Fault(deep.place, f"is nested deeper than {MAX_DEPTH} levels", hint="no knob lies so deep"))
        return None, faults
    except yaml.YAMLError as error:
        faults.append(_syntax(error, text, file))
        return None, faults
    return reader.root, faults


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    if mark is None:
        return Fault(Place(file, 1, 1), "is not YAML", str(problem))
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    tab = "\t" in line[: len(line) - len(line.lstrip())]
    hint = "indent with spaces, not tabs" if tab else "check indentation, colons and quotes here and on the line above"
    return Fault(Place(file, mark.line + 1, mark.column + 1), "is not YAML", str(problem), hint)
