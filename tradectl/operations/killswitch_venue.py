"""What the kill switch works with at the venue: whose account it is, how long requests live, and two ways to record.

All of it has to be found also where the store cannot be opened: then the emergency journal's header says whose it is
and how long its requests live, else the pointer that the bot left; and by convention the simulated exchange lies
beside the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tradectl.domain.intent import Intent, Purpose
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import Busy, StoreBusy, StoreDamaged, StoreRefused, StoreUnwritable, VenueUnreachable
from tradectl.execution.drain import Windows
from tradectl.execution.submit import Door
from tradectl.execution.sweep import EmergencyDoor, Hands
from tradectl.operations import bot_life
from tradectl.operations.opening import SIM, Desk, StoreRef, exchange_file, open_store
from tradectl.store import cycles, emergency, intents, lease, pointers, session
from tradectl.store.database import Database
from tradectl.store.identity import Identity

_RECENT_INTENTS = 20
_LOCK_WAIT_MS = 500  # the fence has waited its full bound already


@dataclass(slots=True)
class Books:
    """The store as far as it can be used. `db` None: not at all, and `trouble` says why."""

    path: Path
    db: Database | None
    trouble: str = ""
    damaged: bool = False  # the store cannot be read at all, and trying again will not help
    writable: bool = True  # False from the first failed write on: each further try would wait for the lock again
    seen: Snapshot | None = None  # the account as this command last read it, for `state show` (act_record.save)

    @classmethod
    def open(cls, path: Path) -> Books:
        """Never raises for the store: a fence that stands must be followed by a sweep."""
        try:
            return cls(path, open_store(StoreRef(path, "fenced"), lock_wait_ms=_LOCK_WAIT_MS))
        except (Busy, StoreRefused) as error:
            return cls(path, None, error.what)

    @classmethod
    def must_open(cls, ref: StoreRef) -> Books:
        """For what cannot be done without the store. Raises StoreMissing and its kin, StoreBusy."""
        return cls(ref.path.resolve(), open_store(ref))

    @classmethod
    def open_for_exit(cls, ref: StoreRef) -> Books:
        """For an operator's exit, which a store that is locked or cannot be written does not prevent.

        Raises StoreMissing, StoreMismatch, StoreTooNew: a store that is not the one meant.
        """
        try:
            return cls.must_open(ref)
        except (StoreBusy, StoreUnwritable, StoreDamaged) as error:
            return cls(ref.path.resolve(), None, error.what, damaged=not isinstance(error, StoreBusy))

    def close(self) -> None:
        if self.db is not None:
            self.db.close()

    def identity(self) -> Identity:
        """The stamp. Raises VenueUnreachable when neither the store nor anything beside it, nor a pointer, tells it.

        StoreDamaged instead where an operator's exit asks: trying again is no advice for a store that cannot be read.
        """
        if self.db is not None:
            return self.db.identity
        facts = emergency.look(self.path).facts
        if facts is not None:
            return facts.identity
        path = str(self.path.resolve())
        for pointer in pointers.pointers():
            if pointer.path == path:
                return Identity(pointer.account, pointer.venue, pointer.environment, "", "")
        if exchange_file(self.path, None).exists():
            return Identity("", SIM, "paper", "", "")
        raise (StoreDamaged if self.damaged else VenueUnreachable)(
            "which venue this store belongs to cannot be told",
            where=str(self.path),
            why=self.trouble,
            hint=f"act by hand at the venue; then look at the store: tradectl state verify --state {self.path}",
        )

    def entries_in_doubt(self) -> tuple[Intent, ...] | None:
        """Entries that the venue may or may not have; None when the store cannot be read."""
        found = self.in_doubt()
        return None if found is None else tuple(one for one in found if one.purpose is Purpose.ENTRY)

    def in_doubt(self) -> tuple[Intent, ...] | None:
        if self.db is None:
            return None
        try:
            with self.db.read() as conn:
                return intents.in_doubt(conn)
        except (Busy, StoreRefused) as error:
            self.trouble = error.what
            return None

    def guard(self) -> bool:
        """Whether others trade this account: by the newest session, else by what the bot left beside the store."""
        if self.db is not None:
            try:
                with self.db.read() as conn:
                    return session.guards(conn)
            except (Busy, StoreRefused) as error:
                self.trouble = error.what
        facts = emergency.look(self.path).facts
        return facts is not None and facts.guard and (self.db is None or facts.identity == self.db.identity)

    def bot_alive(self, wall_ms: int) -> bool:
        """Whether a bot may still settle its own intents; taken for alive when the store cannot be read."""
        if self.db is None:
            return True
        try:
            with self.db.read() as conn:
                row = lease.current(conn)
        except (Busy, StoreRefused):
            return True
        return row is not None and lease.holder_alive(row, wall_ms)

    def bot_runs(self, wall_ms: int) -> bool | None:
        """Whether a bot completes its cycles, as `state show` judges it; None where the store does not tell."""
        if self.db is None:
            return None
        try:
            with self.db.read() as conn:
                life = bot_life.judge(lease.current(conn), cycles.progress(conn), wall_ms)
        except (Busy, StoreRefused):
            return None
        return life.status is bot_life.Life.RUNNING

    def windows(self) -> Windows:
        """The bot's own receive window and skew bound, and no less than the longest window its entries had lately.

        Where the emergency journal's header does not tell them, the defaults stand in.
        """
        facts = emergency.look(self.path).facts
        if facts is not None and (self.db is None or facts.identity == self.db.identity):
            return Windows(max([facts.recv_window_ms, *self._used_windows()]), facts.max_clock_skew_ms)
        defaults = _defaults()
        return Windows(max([defaults.recv_window_ms, *self._used_windows()]), defaults.max_skew_ms)

    def _used_windows(self) -> list[int]:
        if self.db is None:
            return []
        try:
            with self.db.read() as conn:
                recent = intents.latest(conn, None, _RECENT_INTENTS)
        except (Busy, StoreRefused):
            return []
        return [one.expires_ms - one.created_ms for one in recent if one.purpose is Purpose.ENTRY]


def _defaults() -> Windows:
    from tradectl.config.section_machine import Venue as VenueKnobs

    knobs = VenueKnobs()
    return Windows(knobs.recv_window_ms, knobs.max_clock_skew_ms)


def hands(books: Books, desk: Desk, *, actor: str) -> Hands:
    """An operator's hands: through the store, and where it cannot be written, through the emergency journal."""
    # an operator's own requests never have less time than the default: a short window is the bot's choice
    window_ms = max(books.windows().recv_window_ms, _defaults().recv_window_ms)
    door = None
    if books.db is not None and books.writable:
        door = Door(books.db, desk.venue, desk.clock, epoch=0, actor=actor, recv_window_ms=window_ms)
    spare = EmergencyDoor(
        str(books.path),
        desk.venue,
        desk.clock,
        actor=actor,
        store_tag=books.identity().store_tag,
        recv_window_ms=window_ms,
    )
    return Hands(door, spare, books.trouble)
