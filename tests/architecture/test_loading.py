"""Which modules each command loads. The clock is measured in benchmarks/; this holds on any machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import house
import pytest

from tradectl.cli import table
from tradectl.store.database import Database
from tradectl.store.identity import Identity

HEAVY = {"rich", "pydantic", "yaml", "ccxt", "sqlite_utils", "aiohttp", "pyarrow", "tomli_w", "asyncio"}
NO_STORE = HEAVY | {"sqlite3", "_sqlite3", "json"}
LEAN = HEAVY | {"typer", "argparse", "logging", "pathlib", "json", "decimal", "datetime", "dataclasses", "inspect"}
BUILT = [
    name for name, (target, _) in table.COMMANDS.items() if house.file_of(f"{table.PACKAGE}.{target.split(':')[0]}")
]

# Runs the program as its executable does, and leaves the names of the loaded modules, in order, in a file.
_PROGRAM = """
import sys
target = sys.argv.pop(1)
try:
    from tradectl.__main__ import main
    main()
finally:
    names = [name for name, module in sys.modules.items() if module is not None]
    with open(target, "w") as file:
        file.write("\\n".join(names))
"""


def interpret(program: str, target: Path, *args: str, **env: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, str(target), *args],
        env={"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert target.exists(), done.stderr
    return target.read_text().split("\n")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """What an interpreter loads for nothing at all."""
    program = "import sys; open(sys.argv[1], 'w').write('\\n'.join(sys.modules))"
    return frozenset(interpret(program, tmp_path_factory.mktemp("bare") / "modules"))


class Loaded:
    def __init__(self, bare: frozenset[str], target: Path) -> None:
        self._bare = bare
        self._target = target

    def __call__(self, *args: str, **env: str) -> list[str]:
        """Modules beyond the bare interpreter's that `tradectl args` loads, in the order of their first import."""
        return self.program(_PROGRAM, *args, **env)

    def program(self, program: str, *args: str, **env: str) -> list[str]:
        return [name for name in interpret(program, self._target, *args, **env) if name not in self._bare]


@pytest.fixture
def loaded(bare: frozenset[str], tmp_path: Path) -> Loaded:
    return Loaded(bare, tmp_path / "modules")


def roots(names: list[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def commands_in(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(f"{table.PACKAGE}.")]


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["state", "--help"], ["no-such-command"]], ids=" ".join)
def test_the_frame_loads_nothing_heavy_and_no_command(loaded: Loaded, args: list[str]) -> None:
    names = loaded(*args)
    assert "typer" in names
    assert roots(names) & NO_STORE == set()
    assert commands_in(names) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_loads_nothing_heavy_and_no_command(loaded: Loaded, shell: str) -> None:
    names = loaded(
        _TRADECTL_COMPLETE=f"complete_{shell}",
        COMP_WORDS="tradectl st",
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="tradectl st",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert "typer.completion" in names
    assert roots(names) & NO_STORE == set()
    assert commands_in(names) == []


@pytest.mark.parametrize("name", BUILT)
def test_a_command_page_loads_its_own_module_and_nothing_heavy(loaded: Loaded, name: str) -> None:
    names = loaded(*name.split(), "--help")
    assert commands_in(names)[0] == f"{table.PACKAGE}.{table.COMMANDS[name][0].partition(':')[0]}"
    assert roots(names) & HEAVY == set()


def test_the_fence_loads_the_lean_standard_library_only(loaded: Loaded, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    Database.create(store, Identity("main", "sim", "paper", "abc123", "USDT"), at_ms=1_000, durable=False).close()
    program = """
import sys
target = sys.argv.pop(1)
from tradectl.store import fence
assert fence.fast_path(sys.argv[1:]).fenced
open(target, "w").write("\\n".join(sys.modules))
"""
    names = loaded.program(program, "killswitch", "activate", "--state", str(store), "--reason", "drill")
    assert "tradectl.store.fence" in names
    assert roots(names) & LEAN == set()


def test_the_fence_comes_before_the_command_line_is_loaded(loaded: Loaded, tmp_path: Path) -> None:
    store = tmp_path / "none.db"
    names = loaded("killswitch", "activate", "--state", str(store))
    # A module takes its place in the order when it is complete; typer's first part to be so is a tiny one.
    before = names[: next(place for place, name in enumerate(names) if name.startswith("typer"))]
    assert "tradectl.store.fence" in before
    assert roots(before) & (LEAN - {"typer"}) == set()
    assert not store.exists()


def test_help_of_the_kill_switch_never_reaches_the_fence(loaded: Loaded, tmp_path: Path) -> None:
    names = loaded("killswitch", "activate", "--help", "--state", str(tmp_path / "none.db"))
    assert "tradectl.store.fence" not in names


def test_comparing_configurations_loads_no_engine(loaded: Loaded, tmp_path: Path) -> None:
    for name, risk in (("a.toml", "0.005"), ("b.toml", "0.01")):
        (tmp_path / name).write_text(f"[perps]\nriskPct = {risk}\n")
    names = loaded("config", "diff", str(tmp_path / "a.toml"), str(tmp_path / "b.toml"))
    assert "tradectl.config.stakes" in names
    heavy = ("engine", "execution", "scenarios", "strategy", "alerts", "store.database")
    assert [name for name in names if name.startswith(tuple(f"tradectl.{room}" for room in heavy))] == []
    assert roots(names) & {"rich", "sqlite3", "_sqlite3", "asyncio", "yaml", "z3"} == set()
    assert "tradectl.config.stakes" not in loaded("config", "show")
