"""Orders leave through execution/submit and execution/sweep only; SQL stays in the store and the file host."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import house
import pytest

CHANGING = frozenset({"place", "cancel", "amend", "set_leverage", "set_margin_mode"})
READING = frozenset(
    "server_time_ms instruments snapshot ticker candles account_events find_order order leverage margin_mode"
    " attaches_brackets"
    " close".split()
)
DOORS = ("door", "hands")
SQL = re.compile(
    r"\bSELECT\s.+\sFROM\s|\bINSERT\s+(OR\s+\w+\s+)?INTO\s|\bUPDATE\s+\w+\s+SET\s|\bDELETE\s+FROM\s"
    r"|\b(CREATE|DROP|ALTER)\s+(TABLE|INDEX|TRIGGER|VIEW)\b|\bPRAGMA\s+\w+|\bBEGIN\s+(IMMEDIATE|DEFERRED|EXCLUSIVE)\b"
    r"|\bVACUUM\b",
    re.DOTALL,
)


def room_of(path: Path) -> str:
    return path.relative_to(house.PACKAGE).parts[0]


def is_door(path: Path) -> bool:
    return room_of(path) == "execution" and re.fullmatch(r"(submit|sweep)\w*\.py", path.name) is not None


def changing_uses(tree: ast.Module) -> list[str]:
    """Uses of order-changing methods: on anything called a venue, or called with arguments (a task's cancel has none).

    A class's own method of such a name (`self.place`) is no venue call: venues live in rooms that are not looked at.
    Nor is a call of the door itself (`door`, or the sweep's `hands`): that is the way orders are meant to go.
    """
    called_with = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CHANGING:
            on_venue = "venue" in ast.unparse(node.value).lower()
            call = called_with.get(id(node))
            with_arguments = call is not None and bool(call.args or call.keywords)
            own_method = ast.unparse(node.value).split(".")[-1].lstrip("_") in ("self", "cls", *DOORS)
            if on_venue or (with_arguments and not own_method):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "methodcaller")
        ):
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            found.extend(f"line {node.lineno}: {name} by name" for name in names if name in CHANGING)
    return found


def sql_in(tree: ast.Module) -> list[str]:
    skipped = house.docstrings(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            if SQL.search(node.value):
                found.append(f"line {node.lineno}: {node.value[:60]}")
        if isinstance(node, ast.Attribute) and node.attr in ("executemany", "executescript"):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute":
            if re.search(r"\b(conn|connection|db|cursor)\b", ast.unparse(node.func.value)):
                found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
    return found


# venue and sim are venues themselves; what lies below them in the house has never seen one.
OUTSIDE = [p for p in house.sources() if room_of(p) not in ("sim", "venue", "config", "domain") and not is_door(p)]
NOT_SQL = [
    path
    for path in house.sources()
    if room_of(path) != "store" and not (room_of(path) == "sim" and re.match(r"(file)?host|exchange_file", path.name))
]


@pytest.mark.parametrize("path", OUTSIDE, ids=house.dotted)
def test_no_order_leaves_but_through_the_door(path: Path) -> None:
    assert changing_uses(house.parse(path)) == []


def test_the_door_is_where_orders_leave() -> None:
    doors = [path for path in house.sources("execution") if is_door(path)]
    assert any(changing_uses(house.parse(path)) for path in doors)


def test_every_method_of_the_venue_port_is_known_as_reading_or_changing() -> None:
    tree = house.parse(house.PACKAGE / "domain" / "ports.py")
    venue = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Venue")
    methods = {node.name for node in venue.body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)}
    assert methods - READING - CHANGING == set()


@pytest.mark.parametrize(
    "line",
    [
        "await venue.place(request)",
        "await self._venue.cancel(symbol, order_id)",
        "send = world.venue.set_leverage",
        "getattr(v, 'place')(request)",
        "v.cancel(symbol)",
    ],
)
def test_a_second_door_is_noticed(line: str) -> None:
    assert changing_uses(ast.parse(line))


def test_cancelling_a_task_is_no_order() -> None:
    assert changing_uses(ast.parse("task.cancel()")) == []


@pytest.mark.parametrize("path", NOT_SQL, ids=house.dotted)
def test_sql_is_written_only_in_the_store(path: Path) -> None:
    assert sql_in(house.parse(path)) == []


@pytest.mark.parametrize(
    "line", ["x = 'SELECT a FROM b WHERE c'", "conn.execute(x)", "conn.executescript(y)", "q = f'DELETE FROM {t}'"]
)
def test_sql_is_noticed(line: str) -> None:
    assert sql_in(ast.parse(line))
