"""A copy of the store, taken while the bot runs, complete and verified or not there at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tradectl.errors import StoreMissing, StoreRefused
from tradectl.operations import backups
from tradectl.store import backup


@dataclass(frozen=True, slots=True)
class Plan:
    store: str
    target: str


@dataclass(frozen=True, slots=True)
class Result:
    """`journal_rows` in the copy; `restarts`: how often the bot's own commits began the copy anew."""

    store: str
    target: str
    size_bytes: int
    account: str
    checks: tuple[str, ...]
    steps: int
    restarts: int


def plan(store: Path, target: Path | None, now_ms: int) -> Plan:
    """`target` may be a folder; without one it is `backups/` beside the store. Raises StoreMissing, StoreRefused."""
    if not store.exists():
        raise StoreMissing("There is no store at this path", where=str(store), hint="name it with --state")
    named = backups.default_target(store.absolute(), now_ms)
    if target is not None:
        named = target / named.name if target.is_dir() else target
    if target is not None and not named.parent.is_dir():
        raise StoreRefused(
            "There is no such folder, and a backup makes none where it was told to go",
            where=str(named.parent),
            hint="a misspelt path is no backup: make the folder, or leave TARGET out (backups/ beside the store)",
        )
    if named.exists():
        raise StoreRefused(
            "There is a file at the backup's path already; it is never overwritten",
            where=str(named),
            hint="name another path, or a folder",
        )
    return Plan(str(store), str(named))


def apply(planned: Plan) -> Result:
    """Raises StoreDamaged (the copy did not verify and was removed), StoreBusy, StoreUnwritable, StoreRefused."""
    made = backup.backup(planned.store, planned.target)
    return Result(
        store=planned.store,
        target=made.path,
        size_bytes=made.size_bytes,
        account=str(made.report.identity),
        checks=tuple(f"{check.name}: {check.detail}" for check in made.report.checks),
        steps=made.steps,
        restarts=made.restarts,
    )
