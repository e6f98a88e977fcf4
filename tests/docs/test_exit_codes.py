"""The README's table of exit codes has every code that the tool ends with, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tradectl.cli.main import INTERRUPTED, PIPE_CLOSED
from tradectl.errors import ExitCode

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_table_has_every_code() -> None:
    table = README.read_text(encoding="utf-8").split("| code | meaning |", 1)[1].split("\n\n", 1)[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert listed == {*map(int, ExitCode), INTERRUPTED, PIPE_CLOSED}
