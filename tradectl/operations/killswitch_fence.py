"""The fence of the slow path: the fast one's code, where the store has to be found through a configuration."""

from __future__ import annotations

from pathlib import Path

from tradectl.operations.opening import find_stores
from tradectl.store import fence
from tradectl.store.fence import FenceReport, FenceResult


def done_already() -> FenceReport | None:
    """What the fast path did before this program was loaded; None when it left the line to us."""
    return fence.REPORT


def fence_stores(state: Path | None, config: tuple[Path, ...], *, account: str, reason: str) -> tuple[FenceResult, ...]:
    """Fences every store that may be meant. Raises StoreMissing or ConfigError when none can be found."""
    by = fence.who()
    return tuple(
        fence.fence(str(ref.path), by=by, reason=reason or fence.NO_REASON, account=account)
        for ref in find_stores(state, config, account)
    )
