"""The runbooks keep up with the code: every tag has its row, every command they quote exists."""

import re
from pathlib import Path

import pytest

from tradectl.cli.table import COMMANDS
from tradectl.domain.tags import Tag

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("runbooks/*.md"), ROOT / "README.md"])


@pytest.mark.parametrize("tag", list(Tag), ids=str)
def test_every_tag_is_explained(tag: Tag) -> None:
    rows = (ROOT / "runbooks" / "log-tags.md").read_text().splitlines()
    named = {name.strip() for row in rows if row.startswith("| ") for name in row.split("|")[1].split(",")}
    assert tag.value in named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_quoted_exists(page: Path) -> None:
    quoted = re.findall(r"\btradectl ((?:[a-z][a-z-]+)(?: [a-z][a-z-]+)?)", page.read_text())
    assert quoted, "a page that names no command helps nobody"
    for words in quoted:
        assert words in COMMANDS or words.split()[0] in COMMANDS, f"{page.name}: tradectl {words}"
