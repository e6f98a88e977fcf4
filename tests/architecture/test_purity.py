"""strategy, risk, safety, validation and domain take values and give values: no clock, no chance, no I/O.

The names of log levels (`logging.INFO`) are values too; writing a log line is not.
"""

from __future__ import annotations

import ast
from pathlib import Path

import house
import pytest

IMPURE = frozenset(
    "os pathlib shutil tempfile io sqlite3 _sqlite3 sqlite_utils socket ssl urllib http subprocess threading "
    "multiprocessing asyncio time random secrets uuid ccxt typer rich aiohttp requests".split()
)
IMPURE_CALLS = frozenset("open print input exec eval __import__ breakpoint".split())
CLOCKS = frozenset("now utcnow today".split())
OUR_IMPURE_ROOMS = ("store", "sim", "venue", "market", "logs", "execution", "alerts", "engine", "operations", "cli")


def impurities(tree: ast.Module, *, ports: bool = False) -> list[str]:
    found = []
    for name in house.imports(tree):
        parts = name.split(".")
        if parts[0] in IMPURE or (parts[0] == "tradectl" and len(parts) > 1 and parts[1] in OUR_IMPURE_ROOMS):
            found.append(f"imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "logging" and not node.attr.isupper():
            found.append(f"line {node.lineno}: logs with logging.{node.attr}")
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                found.append(f"line {node.lineno}: calls {node.func.id}()")
            if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                found.append(f"line {node.lineno}: reads a clock with .{node.func.attr}()")
        if isinstance(node, ast.Global | ast.Await):
            found.append(f"line {node.lineno}: {type(node).__name__.lower()}")
        if isinstance(node, ast.AsyncFunctionDef) and not ports:
            found.append(f"line {node.lineno}: async def {node.name}")
    return found


@pytest.mark.parametrize("path", house.sources("strategy", "risk", "safety", "validation", "domain"), ids=house.dotted)
def test_pure_room_reads_no_clock_and_does_no_io(path: Path) -> None:
    assert impurities(house.parse(path), ports=path.name == "ports.py") == []


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import logging\nlogging.getLogger('x')",
        "from os import path",
        "def f():\n    import random",
        "from tradectl.store import ledger",
        "from tradectl import logs",
        "x = open('a')",
        "from datetime import datetime\nx = datetime.now()",
        "async def f(): ...",
    ],
)
def test_an_impure_line_is_noticed(line: str) -> None:
    assert impurities(ast.parse(line))
