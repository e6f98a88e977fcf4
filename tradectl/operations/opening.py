"""Which store an operator means, and the way to the venue behind it; shared by every operator command.

In order: `--state` (or TRADECTL_STATE) · the configuration that was named · the one bot that runs, by the pointer it
left · the last bot, if there was only one · the configuration's default path. Nothing here creates a store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tradectl.errors import NotAvailable, Refused, StoreMismatch, StoreMissing
from tradectl.store import pointers
from tradectl.store.database import Database
from tradectl.store.identity import Identity

if TYPE_CHECKING:  # the pages that only read the store are spared what a venue is made of
    from tradectl.domain.ports import Clock, Venue

ENVIRONMENTS = ("paper", "testnet", "live")
SIM = "sim"


@dataclass(frozen=True, slots=True)
class StoreRef:
    """A store and how it was found ('named', 'running bot', 'last bot', 'configuration')."""

    path: Path
    how: str


@dataclass(frozen=True, slots=True)
class Desk:
    """An operator's own connection to the venue. Its clock's sleeps move a stepped exchange's server time."""

    venue: Venue
    clock: Clock


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a command runs: its clock, and the way to a simulated exchange. A scenario brings a machine of its own."""

    wall_ms: Callable[[], int]
    open_sim: Callable[[Path], Desk]


def _open_file(path: Path) -> Desk:
    from tradectl.sim.embedded import open_existing

    embedded = open_existing(path, wall_ms=wall_ms)
    return Desk(embedded.venue, embedded.clock)


_HERE = Machine(lambda: time.time_ns() // 1_000_000, _open_file)
MACHINE: ContextVar[Machine] = ContextVar("machine", default=_HERE)


def wall_ms() -> int:
    """This machine's UTC time, for what operators do; the bot's clock is injected."""
    return MACHINE.get().wall_ms()


def find_stores(state: Path | None, config: tuple[Path, ...] = (), account: str = "") -> tuple[StoreRef, ...]:
    """Every store that may be meant: more than one only where several bots run. Raises StoreMissing, ConfigError."""
    if state is not None:
        return (StoreRef(state, "named"),)
    looked: list[str] = []
    if config:
        found = _configured(config, looked)
        if found:
            return found
    else:
        pointed = pointers.choose(account)
        if pointed:
            return tuple(
                StoreRef(Path(pointer.path), "running bot" if pointer.alive else "last bot") for pointer in pointed
            )
        looked.append(f"{pointers.folder()} (no pointer of a running bot{f' of account {account}' if account else ''})")
        found = _configured((), looked)
        if found:
            return found
    near = _nearby(looked)
    raise StoreMissing(
        "no store was found",
        where=", ".join(looked),
        why="a store is made by the bot's first run, never by an operator command",
        hint=f"one lies near: --state {near}"
        if near
        else "name it with --state FILE (or TRADECTL_STATE), or give the bot's --config",
    )


def find_store(state: Path | None, config: tuple[Path, ...] = (), account: str = "") -> StoreRef:
    """The one store that is meant. Raises Refused when several bots run and none was named."""
    found = find_stores(state, config, account)
    if len(found) == 1:
        return found[0]
    raise Refused(
        f"{len(found)} bots run on this machine, and none was named",
        where=", ".join(str(ref.path) for ref in found),
        hint=f"name one: --state {found[0].path}",
    )


def open_store(ref: StoreRef, *, readonly: bool = False, account: str = "", lock_wait_ms: int = 2_000) -> Database:
    """Opens an existing store; with `account`, only that account's.

    Raises StoreMissing, StoreMismatch, StoreTooNew, StoreDamaged, StoreUnwritable, StoreBusy.
    """
    db = Database.open(ref.path, expect=None, readonly=readonly, lock_wait_ms=lock_wait_ms, at_ms=wall_ms())
    if account and db.identity.account != account:
        found = db.identity.account
        db.close()
        raise _other_account(ref.path, found, account)
    return db


@contextmanager
def opened_store(
    state: Path | None, config: tuple[Path, ...] = (), *, account: str = "", readonly: bool = False
) -> Iterator[Database]:
    """Finds and opens the one store that is meant, and closes it again."""
    db = open_store(find_store(state, config, account), readonly=readonly, account=account)
    try:
        yield db
    finally:
        db.close()


def exchange_file(store_path: Path, venue_path: str | None) -> Path:
    """The simulated exchange's file: named relative to the store, by convention beside it."""
    if venue_path:
        return store_path.resolve().parent / venue_path
    return store_path.resolve().with_name(f"{store_path.stem}.exchange{store_path.suffix or '.db'}")


def open_venue(store_path: Path, identity: Identity, db: Database | None, *, for_exit: bool = False) -> Desk:
    """The venue of a store, its pictures held against themselves and against what `db` knows (promise 4).

    for_exit: a picture that is at odds with what is known is not refused, it carries its flaw.

    Raises VenueUnreachable, or NotAvailable for venues that are not built yet.
    """
    if identity.venue != SIM:
        raise NotAvailable(
            f"venue {identity.venue} is not available yet",
            where=str(store_path),
            hint="act on the venue's own site",
        )
    from tradectl.execution.observe import Evident, StoreEvidence

    desk = MACHINE.get().open_sim(exchange_file(store_path, identity.venue_path))
    return Desk(Evident(desk.venue, StoreEvidence(db, store_path), for_exit=for_exit), desk.clock)


def _configured(config: tuple[Path, ...], looked: list[str]) -> tuple[StoreRef, ...]:
    from tradectl.config.load import load

    resolved = load(config).config
    for environment in ENVIRONMENTS:
        path = resolved.store_path(environment)
        if path.exists():
            return (StoreRef(path, "configuration"),)
        if str(path) not in looked:
            looked.append(str(path))
    return ()


def _nearby(looked: list[str]) -> str:
    """The store that was written to last in the folders where one was looked for: a hint, never taken unasked."""
    folders = {Path(place).parent for place in looked if place.endswith(".db")}
    found = [path for folder in folders for path in folder.glob("*.db") if not path.stem.endswith(".exchange")]
    return str(max(found, key=lambda path: path.stat().st_mtime)) if found else ""


def _other_account(path: Path, found: str, wanted: str) -> StoreMismatch:
    return StoreMismatch(
        f"The store belongs to another account: it says {found!r}, this command wants {wanted!r}",
        where=str(path),
        hint="name the right store with --state, or leave --account out",
    )
