"""The runbooks as the tests see them: their pages, sections, and every command that they quote."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "runbooks"
PAGES = sorted(FOLDER.glob("*.md"))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(tradectl [^`]+)`")


def sections(page: Path) -> list[str]:
    return re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [body for name, body in _FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def commands(page: Path) -> list[str]:
    """Each quoted command once, in the order of the page, without its comment and where its output goes."""
    text = page.read_text(encoding="utf-8")
    found: dict[str, int] = {}
    for match in _FENCE.finditer(text):
        if match[1] == "":
            at = match.start()
            for number, line in enumerate(match[2].splitlines()):
                if line.startswith("tradectl "):
                    found.setdefault(_bare(line), at + number)
    for match in _INLINE.finditer(_FENCE.sub(lambda block: " " * len(block[0]), text)):
        found.setdefault(_bare(match[1].replace("\n", " ")), match.start())
    return sorted(found, key=found.__getitem__)


def _bare(line: str) -> str:
    return " ".join(re.split(r"\s+#\s|\s>\s", line)[0].split())
