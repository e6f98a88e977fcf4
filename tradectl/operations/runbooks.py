"""`tradectl explain`: the runbook's page for a log tag or an alert type.

Which page a tag belongs to is written once, in the tables of `runbooks/log-tags.md`: name, meaning, what to do, page.
The pages are found in the package (an installed wheel carries them) or beside it (a checkout). No store is opened and
no configuration is read: a page must be there when everything else is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tradectl.errors import ToolError, UsageError

PACKAGE = Path(__file__).resolve().parents[1]
INDEX = "log-tags"
KINDS = ("tag", "alert")  # the first header cell of the tables that are read
NEAR_ENOUGH = 0.6
LONGEST = 80  # characters of a name that is compared with others

_ALERT = re.compile(r"ALERT\[([^\]]*)\]")
_LOGGED = re.compile(r"\b([A-Z][A-Z_]+): ")
_LINK = re.compile(r"\[[^\]]*\]\(([a-z-]+)\.md\)")


@dataclass(frozen=True)
class Entry:
    """A row of the index: a tag or an alert type, and the page it belongs to."""

    name: str
    kind: str
    meaning: str
    look_at: str
    page: str


@dataclass(frozen=True)
class Guide:
    """A page that belongs to a situation instead of a tag."""

    page: str
    title: str


@dataclass(frozen=True)
class Contents:
    entries: tuple[Entry, ...]
    guides: tuple[Guide, ...]


@dataclass(frozen=True)
class Explained:
    """`entry` is None where a page was asked for by its own name."""

    entry: Entry | None
    page: str
    text: str


def contents() -> Contents:
    """Every tag and alert type in the order of the index, then the pages that belong to none."""
    folder = _folder()
    entries = rows(_read(folder, INDEX))
    taken = {entry.page for entry in entries}
    pages = sorted(path.stem for path in folder.glob("*.md"))
    guides = tuple(Guide(page, _title(_read(folder, page))) for page in pages if page not in taken)
    return Contents(entries, guides)


def explain(asked: str) -> Explained:
    """The page for a tag, an alert type, a log line that holds one, or a page's own name. Raises UsageError."""
    folder = _folder()
    known = contents()
    name = _name(asked)
    for entry in known.entries:
        if entry.name.lower() == name:
            return Explained(entry, entry.page, _read(folder, entry.page))
    pages = {guide.page for guide in known.guides} | {entry.page for entry in known.entries}
    page = name.removesuffix(".md").replace("_", "-")
    if page in pages:
        return Explained(None, page, _read(folder, page))
    near = _nearest(name, [*(entry.name for entry in known.entries), *sorted(pages)])
    raise UsageError(
        f"there is no page for '{asked[:LONGEST]}'",
        hint=f"did you mean {' or '.join(near)}?" if near else "tradectl explain lists every tag and alert type",
    )


def rows(index: str) -> tuple[Entry, ...]:
    """The rows of the index's tables of tags and alert types; tables with another head are for readers only."""
    found: list[Entry] = []
    kind = ""
    for line in index.splitlines():
        if not line.startswith("|"):
            kind = ""
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not kind:
            kind = cells[0]
        elif kind in KINDS and set(line) - set("|-: "):
            link = _LINK.fullmatch(cells[3]) if len(cells) == 4 else None
            if link is None:
                raise ToolError(f"the index of the runbooks has a row without its page: {line[:LONGEST]}")
            for name in cells[0].split(","):
                found.append(Entry(name.strip(), kind, cells[1], cells[2], link[1]))
    return tuple(found)


def _name(asked: str) -> str:
    """What is asked about, in small letters: out of `ALERT[…]` or a whole log line, where that is what was pasted."""
    if match := _ALERT.search(asked):
        return match[1].strip().lower()
    if match := _LOGGED.search(asked):
        return match[1].lower()
    return asked.strip().rstrip(":").lower()


def _nearest(name: str, names: list[str]) -> list[str]:
    """A name that holds all that was typed comes before one that is merely spelt alike."""
    from difflib import get_close_matches

    typed = name[:LONGEST].replace("-", "_")
    by_small = {one.lower().replace("-", "_"): one for one in names}
    holding = [one for small, one in by_small.items() if len(typed) > 2 and typed in small]
    return holding[:2] or [by_small[small] for small in get_close_matches(typed, list(by_small), 2, NEAR_ENOUGH)]


def _folder() -> Path:
    for folder in (PACKAGE / "runbooks", PACKAGE.parent / "runbooks"):
        if (folder / f"{INDEX}.md").is_file():
            return folder
    raise ToolError("the runbooks are not installed with this tradectl", hint="install it again from its wheel")


def _read(folder: Path, page: str) -> str:
    try:
        return (folder / f"{page}.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"the page {page}.md cannot be read", where=str(folder), why=str(error)) from error


def _title(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ").strip()
