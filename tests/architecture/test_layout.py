"""A name tells what is inside, a file says what it is for, and none grows out of sight."""

from __future__ import annotations

import ast
from pathlib import Path

import house
import pytest

VAGUE = ("utils", "util", "common", "helpers", "helper", "manager", "misc", "stuff")
LINES_AT_MOST = 400
EVERYWHERE = [path for folder in ("tradectl", "tests", "benchmarks") for path in (house.ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("path", house.sources(), ids=house.dotted)
def test_module_says_what_it_is_for_and_stays_readable(path: Path) -> None:
    assert ast.get_docstring(house.parse(path)), "a module opens with what it is for"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_AT_MOST


def test_no_name_hides_what_is_inside() -> None:
    assert EVERYWHERE
    vague = [
        str(path.relative_to(house.ROOT))
        for path in EVERYWHERE
        for part in path.relative_to(house.ROOT).with_suffix("").parts
        if any(word in VAGUE for word in part.split("_"))
    ]
    assert vague == []


def test_test_files_have_unique_names() -> None:
    names = [path.name for path in (house.ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
