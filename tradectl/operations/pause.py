"""`pause` and `resume`: no entries, everything else goes on; and back. Both are idempotent and journalled."""

from __future__ import annotations

from dataclasses import dataclass

from tradectl.domain.system_state import Latch, LatchName, SystemState, system_state
from tradectl.operations.opening import wall_ms
from tradectl.store import halt, latches, session
from tradectl.store.database import Database

NO_REASON = "operator's pause"


@dataclass(frozen=True, slots=True)
class Paused:
    """`changed` False: it was so already, and `latch` is the one that stands. `still`: what restricts trading now.

    guard: a guard session, in which there is nothing to pause.
    """

    changed: bool
    latch: Latch | None
    state: SystemState
    still: tuple[Latch, ...]
    halt_text: str | None
    guard: bool = False


def pause(db: Database, *, by: str, reason: str) -> Paused:
    """Sets the latch; the first name and reason stay. Raises StoreBusy, StoreUnwritable."""
    with db.transaction() as conn:
        changed = latches.set_latch(conn, Latch(LatchName.PAUSE, "", by, wall_ms(), reason or NO_REASON))
        latch = latches.get(conn, LatchName.PAUSE)
        active = latches.active(conn)
        guards = session.guards(conn)
    return _result(db, changed, latch, active, guard=guards)


def resume(db: Database, *, by: str, reason: str) -> Paused:
    """Clears the latch; `latch` is the one that was cleared. Raises StoreBusy, StoreUnwritable."""
    with db.transaction() as conn:
        latch = latches.clear(conn, LatchName.PAUSE, "", by=by, reason=reason or "operator's resume", at_ms=wall_ms())
        active = latches.active(conn)
    return _result(db, latch is not None, latch, active)


def _result(
    db: Database, changed: bool, latch: Latch | None, active: tuple[Latch, ...], *, guard: bool = False
) -> Paused:
    halt_text = halt.read(str(db.path))
    state = SystemState.HALTED if halt_text is not None else system_state(active)
    return Paused(changed, latch, state, active, halt_text, guard)
