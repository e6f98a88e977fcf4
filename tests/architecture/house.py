"""Reads the source of the house without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tradectl"


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(*rooms: str) -> list[Path]:
    """Every module of these rooms (all of tradectl when none is named); a room that is not built yet has none."""
    folders = [PACKAGE / room for room in rooms] or [PACKAGE]
    return sorted(path for folder in folders if folder.is_dir() for path in folder.rglob("*.py"))


def imports(tree: ast.Module, module: str = "", *, is_package: bool = False) -> Iterator[str]:
    """Every name imported anywhere in `tree`, function bodies included, as absolute dotted names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: len(module.split(".")) - node.level + is_package]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def file_of(module: str) -> Path | None:
    """The file behind a dotted name of ours, or None when the name is not a module."""
    base = ROOT.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def closure(start: Path) -> dict[str, str]:
    """{module: who imports it} of everything of ours that `start` can load, parent packages included."""
    found = {dotted(start): ""}
    queue = [start]
    while queue:
        path = queue.pop()
        module = dotted(path)
        for name in imports(parse(path), module, is_package=path.name == "__init__.py"):
            if name.split(".")[0] != "tradectl":
                continue
            parts = name.split(".")
            for length in range(1, len(parts) + 1):
                part = ".".join(parts[:length])
                target = file_of(part)
                if target is not None and part not in found:
                    found[part] = module
                    queue.append(target)
    return found


def docstrings(tree: ast.Module) -> set[int]:
    """The ids of the constant nodes that are docstrings."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
    }
