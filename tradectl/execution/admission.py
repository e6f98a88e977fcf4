"""Whether the door may record a draft now: asked inside the transaction that records it (promises 2 and 9).

Protection and what an operator asked for are possible in every state; entries need everything, and one symbol holds
one position: a second entry beside it is refused here too, whatever the gates have thought (promise 8), and so is a
slice of an entry whose position was closed, or is being closed, between two slices. A guard session takes no entry.
"""

from __future__ import annotations

from pathlib import Path

from tradectl.domain.intent import IntentDraft, Purpose
from tradectl.domain.lifecycle import PositionState
from tradectl.domain.system_state import PERMISSIONS, Latch, first_blocking, system_state
from tradectl.errors import EntryRefused
from tradectl.store import guard, halt, intents, latches, lease, ledger, positions, session
from tradectl.store.connection import Connection

EXIT_IN_DOUBT = "exit_in_doubt"
OCCUPIED = "occupied"
OVER = "entry_over"
RACED = "raced"
GUARD = "guard"
_ALWAYS = (Purpose.STOP, Purpose.CANCEL, Purpose.AMEND, Purpose.CLOSE)


def admit(
    conn: Connection, draft: IntentDraft, *, store: Path, epoch: int, last_resort: bool, seen: int | None = None
) -> None:
    """Raises EntryRefused, saying what forbids it. epoch: the caller's lease; 0 for an operator, who needs none.

    seen, of a stop: the newest one of its symbol when the position was looked at.
    """
    if epoch:
        lease.check(conn, epoch)
    if seen is not None and intents.newest_stop(conn, draft.symbol) > seen:
        raise EntryRefused(
            f"another process is placing a stop on {draft.symbol} just now",
            code=RACED,
            where=draft.symbol,
            why="it was recorded after this position was looked at",
            hint="look again: tradectl stops list",
        )
    if draft.purpose in _ALWAYS or last_resort:
        return
    active = latches.active(conn)
    halted = halt.read(str(store))
    if draft.purpose.adds_exposure:
        _admit_entry(conn, draft, active, halted, store)
        return
    if halted is not None or not PERMISSIONS[system_state(active)].manage:
        raise EntryRefused(
            "the system is halted: only protection and operators' exits are permitted",
            code="halted",
            where=draft.symbol,
        )
    if draft.purpose is Purpose.EXIT:
        _no_exit_in_doubt(conn, draft.symbol)


def _admit_entry(
    conn: Connection, draft: IntentDraft, active: tuple[Latch, ...], halted: str | None, store: Path
) -> None:
    if session.guards(conn):
        raise EntryRefused(
            "a guard session takes no entries",
            code=GUARD,
            where=draft.symbol,
            why=guard.WHY,
            hint="tradectl run without --guard trades",
        )
    if halted is not None:
        raise EntryRefused(
            "a halt file forbids entries", code="halt_file", where=halt.halt_path(str(store)), why=halted
        )
    blocking = first_blocking(active, draft.symbol)
    if blocking is not None:
        raise EntryRefused(
            f"the latch {blocking.title} forbids entries",
            code=blocking.name.value,
            where=blocking.scope if blocking.rule.by_symbol and blocking.scope else "account",
            why=f"set by {blocking.set_by}: {blocking.reason}",
            hint=blocking.cleared_by,
        )
    _one_position(conn, draft)


def _one_position(conn: Connection, draft: IntentDraft) -> None:
    """A symbol that holds a position takes no entry but another slice of the very entry that opened it."""
    assert draft.sized is not None, "an entry is drafted from a Sized and nothing else"
    key = positions.entry_key(draft.sized)
    if positions.entry_over(conn, draft.symbol, key):
        raise EntryRefused(
            f"the position that this entry opened on {draft.symbol} is closed, or an exit of it is on its way",
            code=OVER,
            where=draft.symbol,
            why="somebody or its stop has closed it between two of its orders",
            hint="the next signal decides anew",
        )
    held = positions.of(conn, draft.symbol)
    trade = ledger.open_trade(conn, draft.symbol)
    if held is None and trade is None:
        return
    same = held is not None and held.entry_key == key
    if held is not None and same and held.state is not PositionState.CLOSING:
        if trade is None or held.trade_number in (None, trade.number):
            return
    what = f"position {held.number} is {held.state.value}" if held is not None else "the ledger holds an open trade"
    raise EntryRefused(
        f"{draft.symbol} is taken: {what}",
        code=OCCUPIED,
        where=draft.symbol,
        why="one symbol holds one position; nothing is added to it by another signal",
    )


def _no_exit_in_doubt(conn: Connection, symbol: str) -> None:
    """An exit waits for what became of the one before it (promise 3), an operator's included."""
    for intent in intents.in_doubt(conn):
        if intent.symbol == symbol and intent.purpose in (Purpose.EXIT, Purpose.CLOSE):
            raise EntryRefused(
                f"the outcome of {intent.purpose.value} order {intent.client_id} is not known yet",
                code=EXIT_IN_DOUBT,
                where=symbol,
                why="a second exit is sent only when the venue has shown what became of the first",
                hint="the bot asks the venue each cycle",
            )
