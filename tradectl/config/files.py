"""Reading a config file: what is not a small UTF-8 text file is refused before a parser sees it."""

from __future__ import annotations

import stat
from pathlib import Path

from tradectl.config.place import Fault, Place

MAX_BYTES = 1024 * 1024
MAX_LINE = 8192  # parsers take quadratic time on some endless lines

_C0, _DEL_AND_C1, _NONCHARACTERS = range(0x20), range(0x7F, 0xA0), (0xFFFE, 0xFFFF)
_ALLOWED = "\t\n"


def read_text(path: str) -> str | Fault:
    """The text of the file with `\\n` line ends and no byte order mark, or the fault that prevents reading it."""
    whole = Place(path)
    try:
        facts = Path(path).stat()
        if stat.S_ISDIR(facts.st_mode):
            return Fault(whole, "is a folder, not a config file", hint="name a .yaml or .toml file in it")
        if not stat.S_ISREG(facts.st_mode):
            return Fault(whole, "is not a regular file", hint="name a .yaml or .toml file")
        with Path(path).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Fault(whole, "there is no such file", hint=f"check the path, or write one: tradectl config init {path}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Fault(whole, "cannot be read", why=reason, hint="check its owner and mode")
    if len(raw) > MAX_BYTES:
        return Fault(whole, "is larger than 1 MiB", why="no config is", hint="name the right file")
    return _decode(raw, path)


def _decode(raw: bytes, path: str) -> str | Fault:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        return Fault(
            Place(path, line, column),
            "is not UTF-8 text",
            why=f"byte 0x{raw[error.start]:02x}",
            hint="save it as UTF-8",
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    odd = [letter for letter in set(text) if _is_control(letter)]
    if odd:
        first = min(text.index(letter) for letter in odd)
        return Fault(
            _place_at(text, first, path),
            "holds a control character",
            why=f"U+{ord(text[first]):04X}; is it a binary file?",
            hint="remove it",
        )
    for number, line_text in enumerate(text.split("\n"), 1):
        if len(line_text) > MAX_LINE:
            return Fault(
                Place(path, number, MAX_LINE), f"has a line of more than {MAX_LINE} characters", hint="break the line"
            )
    return text


def _is_control(letter: str) -> bool:
    code = ord(letter)
    return letter not in _ALLOWED and (code in _C0 or code in _DEL_AND_C1 or code in _NONCHARACTERS)


def _place_at(text: str, position: int, path: str) -> Place:
    return Place(path, text.count("\n", 0, position) + 1, position - (text.rfind("\n", 0, position) + 1) + 1)
