"""`killswitch status`: is it set, since when, by whom and why; what was cancelled and kept; does the venue agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tradectl.domain.intent import Purpose
from tradectl.domain.system_state import LATCH_RULES, Latch, LatchName, SystemState, speaking
from tradectl.errors import Busy, ExitCode, NotAvailable, StoreRefused, VenueUnreachable
from tradectl.operations.killswitch_check import Check, check
from tradectl.operations.killswitch_record import last_summary
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import StoreRef, open_store, open_venue
from tradectl.store import emergency, halt, intents, latches, session
from tradectl.store.identity import Identity


@dataclass(frozen=True, slots=True)
class Status:
    """`summary` is the last activation's row in the journal; `check` is None where the venue could not be read."""

    path: Path
    identity: Identity | None
    latch: Latch | None  # the strictest of those that halt
    halt_file: str | None
    halt_text: str | None
    summary: Mapping[str, object] | None
    summary_at_ms: int | None
    pending: int  # emergency records that are not in the journal yet
    in_doubt: tuple[str, ...]
    check: Check | None
    venue_trouble: str
    store_trouble: str
    emergency_troubles: tuple[str, ...] = ()  # what is wrong with the emergency journal
    guard: bool = False  # a guard session: what stands here stops nobody else's entries
    others: tuple[Latch, ...] = ()  # that halt as well

    @property
    def active(self) -> bool:
        return self.latch is not None or self.halt_text is not None

    @property
    def clear_with(self) -> str:
        """The command for this store. A halt file without a latch is cleared as the kill switch is."""
        return self.commands[0]

    @property
    def commands(self) -> tuple[str, ...]:
        """What clears each of those that halt, the strictest first."""
        standing = [one.cleared_by for one in (self.latch, *self.others) if one is not None]
        said = dict.fromkeys(standing or [LATCH_RULES[LatchName.KILL_SWITCH].cleared_by])
        return tuple(one.replace("--reason TEXT", f"--reason TEXT --state {self.path}", 1) for one in said)

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.DRIFT if self.active else ExitCode.OK


async def read(ref: StoreRef) -> Status:
    """One short read of the store, the halt file, and one read of the venue.

    Raises StoreMissing and its kin, StoreBusy: only where no halt file answers the question by itself.
    """
    path = ref.path.resolve()
    halt_text = halt.read(str(path))
    found = emergency.look(path)
    pending, troubles = len(found.records), found.troubles
    try:
        db = open_store(ref, readonly=True)
    except (Busy, StoreRefused) as error:
        if halt_text is None:
            raise
        books = Books(path, None, error.what, damaged=isinstance(error, StoreRefused))
        seen, trouble = await _look(path, books)
        return Status(
            path,
            None,
            None,
            halt.halt_path(str(path)),
            halt_text,
            None,
            None,
            pending,
            (),
            seen,
            trouble,
            error.what,
            troubles,
            books.guard(),
        )
    try:
        with db.read() as conn:
            active = latches.active(conn)
            latch = speaking(active, SystemState.HALTED)
            summary = last_summary(conn, latch.set_at_ms if latch is not None else 0)
            doubtful = intents.in_doubt(conn)
            guards = session.guards(conn)
        identity = db.identity
        seen, trouble = await _look(path, Books(path, db))
    finally:
        db.close()
    return Status(
        path=path,
        identity=identity,
        latch=latch,
        halt_file=halt.halt_path(str(path)) if halt_text is not None else None,
        halt_text=halt_text,
        summary=summary.body if summary is not None else None,
        summary_at_ms=summary.at_ms if summary is not None else None,
        pending=pending,
        in_doubt=tuple(one.client_id for one in doubtful if one.purpose is Purpose.ENTRY),
        check=seen,
        venue_trouble=trouble,
        store_trouble="",
        emergency_troubles=troubles,
        guard=guards,
        others=tuple(one for one in active if one.rule.state is SystemState.HALTED and one != latch),
    )


async def _look(path: Path, books: Books) -> tuple[Check | None, str]:
    try:
        desk = open_venue(path, books.identity(), books.db)
        try:
            return check(await desk.venue.snapshot()), ""
        finally:
            await desk.venue.close()
    except (VenueUnreachable, NotAvailable, StoreRefused) as error:
        return None, error.what
