"""The runbooks keep up with the code: every tag and alert has its row and its page, every page its sections."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from runbook_pages import FOLDER, PAGES, ROOT, commands, sections

from tradectl.cli.table import COMMANDS
from tradectl.domain.tags import Tag
from tradectl.operations import runbooks

INDEX = FOLDER / "log-tags.md"
ENTRIES = runbooks.rows(INDEX.read_text(encoding="utf-8"))
TAG_PAGES = sorted({entry.page for entry in ENTRIES})
SECTIONS = ("What it means", "Look at", "Do", "Do not", "It is over when")
ALERTING = ("alert", "_alert", "put")  # what queues an alert; its type is a literal or a tag in small letters


def literal_alert_types() -> set[str]:
    """The types that are written out at a call that queues an alert; all others are made from a tag."""
    found = set()
    for path in (ROOT / "tradectl").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name not in ALERTING:
                continue
            given = [*call.args[:3], *(word.value for word in call.keywords if word.arg in ("type", "kind"))]
            for one in given:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    if re.fullmatch(r"[a-z]+(_[a-z]+)+", one.value):
                        found.add(one.value)
    return found


def test_every_tag_has_one_row_and_every_row_is_a_tag() -> None:
    rows = Counter(entry.name for entry in ENTRIES if entry.kind == "tag")
    assert rows == Counter(tag.value for tag in Tag)


def test_every_alert_type_of_its_own_name_has_its_row() -> None:
    found = literal_alert_types()
    assert {"new_position", "position_closed"} <= found, "the search sees what is known to be there"
    assert sorted(entry.name for entry in ENTRIES if entry.kind == "alert") == sorted(found)


def test_every_row_says_what_to_look_at_or_do() -> None:
    assert [entry.name for entry in ENTRIES if not (entry.meaning and entry.look_at)] == []


@pytest.mark.parametrize("name", TAG_PAGES)
def test_page_of_a_tag_has_the_sections_and_names_its_tags(name: str) -> None:
    page = FOLDER / f"{name}.md"
    found = [one for one in sections(page) if one in SECTIONS]
    assert tuple(sorted(found, key=SECTIONS.index)) == SECTIONS
    text = page.read_text(encoding="utf-8")
    unnamed = [entry.name for entry in ENTRIES if entry.page == name and entry.name not in text]
    assert unnamed == [] or "RECON_…" in text


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_links_lead_to_pages_there_are(page: Path) -> None:
    links = re.findall(r"\]\(((?:runbooks/)?[a-z-]+\.md)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).is_file()] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_every_command_that_is_quoted_exists(page: Path) -> None:
    assert commands(page), "a page that names no command helps nobody"
    quoted = re.findall(r"\btradectl ((?:[a-z][a-z-]+)(?: [a-z][a-z-]+)?)", page.read_text(encoding="utf-8"))
    unknown = [words for words in quoted if words not in COMMANDS and words.split()[0] not in COMMANDS]
    assert unknown == []


def test_patterns_of_the_older_systems_lead_to_tags_there_are() -> None:
    part = INDEX.read_text(encoding="utf-8").partition("## Patterns of the older systems")[2]
    rows = [line.split("|")[2] for line in part.splitlines() if line.startswith("| `")]
    named = {name for cell in rows for name in re.findall(r"\b(?:SAFETY|RECON|SIGNAL|CYCLE)_?[A-Z_]*\b", cell)}
    assert len(rows) > 30 and named <= {tag.value for tag in Tag}
