"""Is the store whole: the file's own checks, the journal's chain, the ledger's sums, and room on its disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tradectl.store.verify import Check, verify

LEAST_FREE_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Verified:
    """`ok` is False as soon as one check failed."""

    ok: bool
    answer: str
    path: str
    account: str | None
    size_bytes: int
    checks: tuple[Check, ...]


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
        size_bytes=report.size_bytes,
        checks=checks,
    )


def _free_disk(store: Path) -> Check:
    free = shutil.disk_usage(store.absolute().parent).free
    enough = free >= LEAST_FREE_BYTES
    shown = f"{free / 1024**3:.1f} GiB free"
    return Check("free disk", enough, shown if enough else f"{shown}: commits will soon fail, free some space")
