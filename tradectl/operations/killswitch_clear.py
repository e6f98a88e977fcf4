"""`killswitch clear`: entries go again. Refused while its cause still holds, unless overridden on the record (9, 11).

The order matters: the emergency journal is imported and the latch cleared in one commit, and only then is the halt
file removed, so that a crash in between leaves the account fenced, never open without a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tradectl.domain.money import ZERO, percent, text
from tradectl.domain.system_state import Latch, LatchName, SystemState, system_state
from tradectl.errors import Busy, NotAvailable, Refused, StoreRefused, StoreUnwritable, ToolError, VenueUnreachable
from tradectl.execution.resolve import adopt_doubt, resolve
from tradectl.operations.act_record import emptied
from tradectl.operations.killswitch_check import Check, check, ways_out
from tradectl.operations.killswitch_record import CLEARED
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import StoreRef, open_venue, wall_ms
from tradectl.store import emergency, halt, journal, latches, limits, risk
from tradectl.store.actor import operator_name
from tradectl.store.connection import Connection
from tradectl.store.database import Database

_CLEARS = (LatchName.KILL_SWITCH, LatchName.HALT)
_LATCH_ROWS = tuple(f"latch:{name.value}" for name in _CLEARS)
_NEWER_ROWS = 1_000  # state rows since the plan that are looked through


@dataclass(frozen=True, slots=True)
class ClearPlan:
    """What stands now, and what speaks against clearing it (one sentence each)."""

    path: Path
    state: SystemState
    latch: Latch | None  # the strictest of `latches`
    halt_text: str | None
    blockers: tuple[str, ...]
    pending: int
    check: Check | None
    head: int = 0  # the journal's last row when this was planned
    latches: tuple[Latch, ...] = ()  # that it clears: an operator's, and halts of the bot's own
    damaged: tuple[str, ...] = ()  # of the emergency journal: skipped, which clearing puts on record
    guard: bool = False  # a guard session: clearing ends the sweep, and lets nothing go

    @property
    def active(self) -> bool:
        return self.latch is not None or self.halt_text is not None


@dataclass(frozen=True, slots=True)
class Cleared:
    """What stood before and what stands after. `still`: the latches that restrict trading now."""

    before: ClearPlan
    after: SystemState
    still: tuple[Latch, ...]
    imported: int
    halt_removed: bool
    overridden: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what is wrong with the emergency journal


def open_books(ref: StoreRef) -> Books:
    """Raises StoreMissing and its kin, StoreBusy; where a halt file stands, the error says that it does."""
    try:
        return Books.must_open(ref)
    except (Busy, StoreRefused) as error:
        if halt.read(str(ref.path)) is not None:
            error.what = f"ACTIVE by halt file {halt.halt_path(str(ref.path))}; it stays: {error.what}"
        raise


async def plan(books: Books, *, actor: str) -> ClearPlan:
    """Settles what a dead bot left in doubt, then looks at store and venue. Raises StoreBusy and its kin."""
    db = books.db
    assert db is not None
    with db.read() as conn:
        active = latches.active(conn)
        head, _ = journal.head(conn)
    halt_text = halt.read(str(db.path))
    standing = tuple(sorted((one for one in active if one.name in _CLEARS), key=lambda one: _CLEARS.index(one.name)))
    latch = standing[0] if standing else None
    state = SystemState.HALTED if halt_text is not None else system_state(active)
    found = emergency.look(books.path)
    pending = len(found.records)
    if latch is None and halt_text is None:
        return ClearPlan(books.path, state, None, None, (), pending, None)
    blockers: list[str] = []
    seen = await _look(books, blockers, actor)
    if seen is not None:
        blockers += [one.sentence() for one in seen.naked]
    if found.unreadable:
        blockers.append(found.unreadable)
    blockers += _breached(db, seen, standing)
    for one in books.entries_in_doubt() or ():
        blockers.append(f"entry {one.client_id} ({one.symbol}) is in doubt: {one.detail or one.state.value}")
    return ClearPlan(
        books.path, state, latch, halt_text, tuple(blockers), pending, seen, head, standing, found.damaged,
        guard=books.guard(),
    )  # fmt: skip


async def _look(books: Books, blockers: list[str], actor: str) -> Check | None:
    assert books.db is not None
    try:
        desk = open_venue(books.path, books.identity(), books.db)
        try:
            windows = books.windows()
            now_ms = desk.clock.now_ms()
            doubtful = books.in_doubt() or ()
            settled = all(one.expires_ms + windows.max_skew_ms < now_ms for one in doubtful)
            if doubtful and settled and not books.bot_alive(wall_ms()):
                adopt_doubt(books.db, desk.clock, reason="left in doubt by a bot that is gone")
                await resolve(books.db, desk.venue, desk.clock, max_skew_ms=windows.max_skew_ms, actor=actor)
            return check(await desk.venue.snapshot())
        finally:
            await desk.venue.close()
    except (VenueUnreachable, NotAvailable, ToolError) as error:
        blockers.append(f"the venue could not be read, so nothing is verified: {error.what}")
        return None


def _breached(db: Database, seen: Check | None, standing: tuple[Latch, ...]) -> list[str]:
    """Halting bounds that a fresh look still finds violated: the bot would halt again at once."""
    scopes = {one.scope for one in standing if one.name is LatchName.HALT}
    if seen is None or not scopes:
        return []
    with db.read() as conn:
        rows = {row.name: row for row in limits.load(conn)}
        counters = risk.load(conn)
    snapshot = seen.snapshot
    now = {
        "margin_utilisation": ("margin utilisation", snapshot.margin_utilisation),
        "equity_drawdown": ("drawdown", counters.drawdown(snapshot.equity) if counters is not None else None),
        "position_count": ("positions", Decimal(len(seen.held))),
    }
    found = []
    for scope in sorted(scopes & now.keys()):
        row, (label, value) = rows.get(f"{scope}_halt"), now[scope]
        if row is None or row.limit is None:
            continue
        beyond = value is None or value > row.limit or (value == row.limit and row.unit == "fraction")
        if beyond:
            shown = [percent(one) if row.unit == "fraction" else text(one) for one in (value or ZERO, row.limit)]
            found.append(f"{label} is {shown[0]} still (halts at {shown[1]})")
    return found


def refuse(planned: ClearPlan, *, override: bool) -> None:
    """Raises Refused while something speaks against it, unless overridden."""
    if not planned.blockers or override:
        return
    naked = planned.check.naked if planned.check is not None else ()
    hint = "; or ".join(ways_out(naked[0].symbol, str(planned.path))) if naked else "see to these first"
    raise Refused(
        "the kill switch stays: its clearing is refused",
        where=str(planned.path),
        why="; ".join(planned.blockers),
        hint=f"{hint}; or repeat with --override, which is recorded",
    )


def _refuse_newer_fence(conn: Connection, planned: ClearPlan) -> None:
    """Somebody may have fenced while this operator was being asked: only what was shown is cleared."""
    newer = [row for row in journal.page(conn, planned.head, _NEWER_ROWS, kind="state") if row.subject in _LATCH_ROWS]
    halt_text = halt.read(str(planned.path))
    if not newer and halt_text == planned.halt_text:
        return
    raise Refused(
        "the kill switch was activated or changed since this was planned: nothing is cleared",
        where=str(planned.path),
        why="; ".join(f"{row.actor}: {row.body.get('reason', '')}" for row in newer)
        or (halt_text or "no halt file now"),
        hint="look at it first: tradectl killswitch status; then clear again",
    )


def apply(books: Books, planned: ClearPlan, *, approver: str, reason: str, override: bool) -> Cleared:
    """Clears latch and halt file as planned. Raises Refused (see `refuse`), StoreBusy, StoreUnwritable."""
    refuse(planned, override=override)
    db = books.db
    assert db is not None
    at_ms = wall_ms()
    overridden = planned.blockers if override else ()
    with db.transaction() as conn:
        _refuse_newer_fence(conn, planned)
        absorbed = emergency.absorb(conn, books.path, at_ms=at_ms)
        cleared = [
            latches.clear(conn, one.name, one.scope, by=approver, reason=reason, at_ms=at_ms) for one in planned.latches
        ]
        active = latches.active(conn)
        journal.append(
            conn,
            at_ms=at_ms,
            kind="operator",
            actor=approver,
            subject=CLEARED,
            body={
                "reason": reason,
                "typed_by": operator_name(),
                "before": planned.state.value,
                "after": system_state(active).value,
                "latch": "; ".join(f"set by {one.set_by}: {one.reason}" for one in cleared if one is not None) or None,
                "halt_file": planned.halt_text,
                "override": bool(overridden),
                "overridden": list(overridden),
                "imported": absorbed.new,
            },
        )
    notes = emptied(books.path, absorbed)
    try:
        removed = halt.remove(str(db.path))
    except OSError as error:
        raise StoreUnwritable(
            "The latch is cleared, but the halt file is still there and still halts",
            where=halt.halt_path(str(db.path)),
            why=error.strerror or str(error),
            hint="remove that file by hand",
        ) from error
    return Cleared(planned, system_state(active), active, absorbed.new, removed, overridden, notes)
