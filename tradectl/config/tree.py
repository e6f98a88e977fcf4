"""What a file says before anybody asks what it means: keys and texts with their places.

YAML and TOML both end here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tradectl.config.place import Place

MAX_DEPTH = 16

Form = Literal["plain", "quoted", "other", "refused"]


@dataclass(frozen=True, slots=True)
class Key:
    """`refused`: it was faulted where it was read, together with its value."""

    text: str
    place: Place
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value as it was written.

    form: plain text, quoted text, a type of the format that no knob has (a date), or a construct that was refused
    where it was read and needs no second fault.
    """

    text: str
    form: Form
    place: Place


@dataclass(frozen=True, slots=True)
class Series:
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Branch:
    """A mapping in the order it was written; a key may be there twice."""

    items: tuple[tuple[Key, Node], ...]
    place: Place


Node = Leaf | Series | Branch
