"""The fence of the slow path: the fast one's code, where the store has to be found through a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tradectl.errors import ConfigError, StoreMissing
from tradectl.operations.opening import StoreRef, find_stores
from tradectl.store import fence, pointers
from tradectl.store.fence import FenceReport, FenceResult

_BY_HAND = (
    "tradectl killswitch activate --state FILE; if no store is known, stop the bot's process itself and disable its "
    "API key at the venue"
)


def done_already() -> FenceReport | None:
    """What the fast path did before this program was loaded; None when it left the line to us."""
    return fence.REPORT


@dataclass(frozen=True, slots=True)
class Fenced:
    """`note` says why other stores were fenced than the configuration would have named; '' as a rule."""

    results: tuple[FenceResult, ...]
    note: str


def fence_stores(state: Path | None, config: tuple[Path, ...], *, account: str, reason: str) -> Fenced:
    """Fences every store that may be meant.

    A configuration that cannot be used does not keep a bot from its fence: then every bot that runs on this machine
    (of `account`, if one was named) is fenced, or the only one that did. Raises StoreMissing or ConfigError when none
    can be found.
    """
    by = fence.who()
    refs, note = _meant(state, config, account)
    results = tuple(
        fence.fence(str(ref.path), by=by, reason=reason or fence.NO_REASON, account=account) for ref in refs
    )
    return Fenced(results, note)


def _meant(state: Path | None, config: tuple[Path, ...], account: str) -> tuple[tuple[StoreRef, ...], str]:
    try:
        return find_stores(state, config, account), ""
    except ConfigError as error:
        known = pointers.choose(account)
        if known:
            why = error.faults[0] if error.faults else error.what
            found = tuple(StoreRef(Path(one.path), "running bot" if one.alive else "last bot") for one in known)
            which = "every bot that runs here" if known[0].alive else "the last bot that ran here"
            return found, f"the configuration cannot be used ({why}): fencing {which} instead"
        raise ConfigError(
            f"NOT FENCED: {error.what}", where=error.where, why=error.why, hint=_BY_HAND, faults=error.faults
        ) from error
    except StoreMissing as error:
        near = f"{error.hint}; else " if "lies near" in error.hint else ""
        hint = f"{near}{_BY_HAND}"
        raise StoreMissing(f"NOT FENCED: {error.what}", where=error.where, why=error.why, hint=hint) from error
