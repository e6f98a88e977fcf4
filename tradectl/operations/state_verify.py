"""Is the store whole: the file's own checks, the journal's chain, the ledger's sums, and room on its disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tradectl.operations.backups import FOLDER, newest
from tradectl.store.verify import Check, verify

LEAST_FREE_BYTES = 100 * 1024 * 1024
_OUTSIDE = ("file mode", "free disk")  # what fails around the store and not in it


@dataclass(frozen=True, slots=True)
class Verified:
    """`ok` is False as soon as one check failed. `next`: what to do about it, as lines; empty when nothing is wrong."""

    ok: bool
    answer: str
    path: str
    account: str | None
    size_bytes: int
    checks: tuple[Check, ...]
    next: tuple[str, ...] = ()


def read(store: Path) -> Verified:
    """Changes nothing. Raises StoreMissing, StoreBusy."""
    report = verify(store)
    checks = (*report.checks, _free_disk(store))
    failed = [check.name for check in checks if not check.ok]
    answer = (
        f"DAMAGED OR AT RISK: {', '.join(failed)}" if failed else f"The store is whole: {len(checks)} checks passed"
    )
    return Verified(
        ok=not failed,
        answer=answer,
        path=report.path,
        account=str(report.identity) if report.identity is not None else None,
        size_bytes=report.size_bytes or store.stat().st_size,
        checks=checks,
        next=_next(store) if any(name not in _OUTSIDE for name in failed) else (),
    )


def _next(store: Path) -> tuple[str, ...]:
    """The way back from a damaged store. Nothing is restored here: which backup is good is the operator's to say."""
    found = newest(store)
    if found is None:
        return (f"no backup lies in {store.absolute().parent / FOLDER}: look where you keep them",)
    return (
        f"tradectl state verify --state {found}   # the newest backup beside it: is it whole?",
        f"mv {store} {store}.damaged && cp -p {found} {store}   # with the bot stopped",
    )


def _free_disk(store: Path) -> Check:
    free = shutil.disk_usage(store.absolute().parent).free
    enough = free >= LEAST_FREE_BYTES
    shown = f"{free / 1024**3:.1f} GiB free"
    return Check("free disk", enough, shown if enough else f"{shown}: commits will soon fail, free some space")
