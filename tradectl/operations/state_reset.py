"""Clearing a risk counter or a latch: what it would change, whether its cause still holds, then all of it at once.

A daily loss, a drawdown or a latch whose cause still holds is cleared only with an override, which is recorded and
stays visible (promise 9). Who, why, before and after are journalled in the transaction of the change (promise 11).
A running bot reads these counters from the store in every cycle, so a reset works under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tradectl.domain.system_state import LatchName
from tradectl.errors import NotAvailable, Refused, UsageError
from tradectl.operations import backups, limit_lines, reset_changes
from tradectl.operations.reset_changes import COUNTERS, LATCH_PREFIX, Change, World
from tradectl.store import backup, journal, latches, limits, risk, safety, session
from tradectl.store.actor import operator_name
from tradectl.store.connection import Connection
from tradectl.store.database import Database

NOT_DONE = (
    "It closes no position and cancels no order.",
    "It changes no configuration: the limits themselves stay as they are.",
    "It starts no bot; a running one reads the new counters in its next cycle.",
)


@dataclass(frozen=True, slots=True)
class Request:
    """As asked for: `approver` acts, `reason` is kept; `override` clears against a cause that still holds."""

    scope: str
    approver: str
    reason: str
    override: bool


@dataclass(frozen=True, slots=True)
class Plan:
    request: Request
    account: str
    path: str
    changes: tuple[Change, ...]
    not_done: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        return all(change.nothing for change in self.changes)

    @property
    def overridden(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.holds and not change.nothing)


@dataclass(frozen=True, slots=True)
class Result:
    """`backup` is the copy made before; `journal_row` the row that tells of it. Both None when nothing was changed."""

    plan: Plan
    backup: str | None
    journal_row: int | None


def plan(db: Database, request: Request) -> Plan:
    """Changes nothing. Raises UsageError, NotAvailable; Refused when a cause still holds and is not overridden."""
    _check_request(request)
    with db.read() as conn:
        world = reset_changes.look(conn, db)
    return _planned(db, request, world)


def apply(db: Database, planned: Plan, now_ms: int) -> Result:
    """Backs the store up, then does it in one transaction, judged anew on the store as it is by then.

    `now_ms` is wall time. Raises Refused when a cause came up since the plan, StoreBusy, StoreUnwritable.
    """
    if planned.nothing:
        return Result(planned, None, None)
    copy = backup.backup(db.path, _free_name(db.path, now_ms))
    with db.transaction() as conn:
        world = reset_changes.look(conn, db)
        current = _planned(db, planned.request, world)
        for change in current.changes:
            if not change.nothing:
                _do(conn, world, change, planned.request, now_ms)
        row = _journal(conn, current, copy.path, now_ms)
        counters = risk.load(conn)
        limits.save(conn, limit_lines.refreshed(world.limits, counters, session.current(conn), world.venue_ms))
    return Result(current, copy.path, row)


def _check_request(request: Request) -> None:
    if not request.reason.strip():
        raise UsageError("a reset needs its reason", hint='--reason "why it is safe to clear"')
    if not request.approver.strip():
        raise UsageError("a reset needs the name of who decides it", hint="--approver NAME")
    if request.scope == "cooldowns":
        raise NotAvailable("cooldowns are not part of this build yet", hint=f"scopes: {', '.join(_scopes())}")
    known = request.scope in (*COUNTERS, "all")
    if not known and not request.scope.startswith(LATCH_PREFIX):
        raise UsageError(f"there is no scope '{request.scope}'", hint=f"one of: {', '.join(_scopes())}")
    if request.scope.startswith(LATCH_PREFIX):
        reset_changes.latch_name(request.scope)


def _scopes() -> tuple[str, ...]:
    return (*COUNTERS, *(f"{LATCH_PREFIX}{name.value}" for name in LatchName), "all")


def _planned(db: Database, request: Request, world: World) -> Plan:
    changes = tuple(reset_changes.changes(world, request.scope))
    _refuse_what_holds(changes, request.override)
    return Plan(request, str(db.identity), str(db.path), changes, NOT_DONE)


def _refuse_what_holds(changes: tuple[Change, ...], override: bool) -> None:
    held = [change for change in changes if change.holds and not change.nothing]
    blocking = [change for change in held if change.final or not override]
    if not blocking:
        return
    hints = [change.hint for change in blocking if change.hint]
    if not any(change.final for change in blocking):
        hints.append("to clear it all the same: --override --approver NAME --reason TEXT")
    raise Refused(
        "not reset, nothing was changed: " + "; ".join(f"{change.target}: {change.holds}" for change in blocking),
        hint="; or ".join(dict.fromkeys(hints)),
    )


def _do(conn: Connection, world: World, change: Change, request: Request, now_ms: int) -> None:
    counters = risk.load(conn)
    if change.target.startswith(LATCH_PREFIX):
        name, symbol = reset_changes.latch_name(change.target)
        latches.clear(conn, name, symbol or "", by=request.approver, reason=request.reason, at_ms=now_ms)
        if name is LatchName.EQUITY_JUMP:
            safety.set_baseline(conn, None)  # equity is as it is: the next look begins anew
    elif change.target == "session" and world.session is not None:
        session.reset_entries(conn)
        start_ms = reset_changes.session_start(world, world.session)
        session.restart_clock(conn, started_ms=start_ms, started_wall_ms=now_ms)
    elif counters is not None:
        risk.save(conn, reset_changes.RESETS[change.target](counters))


def _journal(conn: Connection, done: Plan, copy: str, now_ms: int) -> int:
    changed = [change for change in done.changes if not change.nothing]
    return journal.append(
        conn,
        at_ms=now_ms,
        kind="operator",
        actor=done.request.approver,
        subject=f"state reset {done.request.scope}",
        body={
            "reason": done.request.reason,
            "typed_by": operator_name(),
            "override": bool(done.overridden),
            "held": {change.target: change.holds for change in done.overridden},
            "before": {change.target: change.before for change in changed},
            "after": {change.target: change.after for change in changed},
            "backup": copy,
        },
    )


def _free_name(store: Path, now_ms: int) -> Path:
    """Two resets in one millisecond do not happen; a clock that was set back may meet its own earlier name."""
    target = backups.default_target(store, now_ms, "before-reset")
    while target.exists():
        now_ms += 1
        target = backups.default_target(store, now_ms, "before-reset")
    return target
