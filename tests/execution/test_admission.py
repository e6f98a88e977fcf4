"""What the door may record, in every state that there can be (promises 2, 3, 8 and 9), and by whose commit it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from admission_worlds import DRAFTS, FREE, OTHER_BOT, QTY, STATES, Desk, State, desk_, entry, holds, open_, record
from bot_kit import SOL, WALL_MS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ledger_kit import D
from observe_worlds import drive

from tradectl.domain.intent import IntentDraft, Purpose, exit_draft
from tradectl.domain.position import Side
from tradectl.domain.system_state import Latch, LatchName
from tradectl.errors import EntryRefused, StoreBusy
from tradectl.execution.admission import admit
from tradectl.execution.resolve import resolve
from tradectl.sim.faults import DropRequest, Fault, LoseAnswer, Refuse
from tradectl.sim.ops import SetServerTime
from tradectl.store import intents, journal, latches, lease
from tradectl.store.connection import Connection
from tradectl.store.database import Database


@settings(max_examples=200)
@given(STATES, st.sampled_from(sorted(FREE)))
@example(State("pending", begun="close"), "another slice")
def test_an_entry_is_recorded_only_where_nothing_at_all_forbids_it(state: State, what: str) -> None:
    holds(state, what)


@pytest.mark.parametrize("scope", ["", SOL])
@pytest.mark.parametrize("name", LatchName)
@pytest.mark.parametrize("what", sorted(FREE))
def test_every_latch_forbids_every_entry_of_the_account_or_of_its_symbol(
    what: str, name: LatchName, scope: str
) -> None:
    holds(State("open", latches=frozenset({(name, scope)})), what)
    holds(State(latches=frozenset({(name, scope)})), what)


@settings(max_examples=100)
@given(STATES, st.sampled_from(["stop", "cancel", "amend", "close"]), st.booleans())
def test_what_protects_and_what_an_operator_wants_is_recorded_in_every_state(
    state: State, what: str, operator: bool
) -> None:
    holds(state, what, operator=operator or what == "close")


@settings(max_examples=100)
@given(STATES, st.sampled_from(["target", "exit"]), st.booleans())
def test_exits_of_the_bots_own_wait_for_a_halt_and_for_one_another_and_the_last_resort_for_nothing(
    state: State, what: str, last_resort: bool
) -> None:
    holds(state, what, last_resort=last_resort)


# Two exits of one position.

Move = tuple[str, int, str]
MOVES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["exit", "exit", "close"]), st.integers(1, 40),
                  st.sampled_from(["arrives", "is lost", "answer lost", "refused"])),
        st.tuples(st.sampled_from(["book", "ask", "wait"]), st.just(0), st.just("")),
    ),
    max_size=12,
)  # fmt: skip
FAULTS: dict[str, tuple[Fault | None, Fault | None]] = {
    "arrives": (None, None),
    "is lost": (DropRequest(), None),
    "answer lost": (None, LoseAnswer()),
    "refused": (Refuse("engine_busy", "not executed"), None),
}


@settings(max_examples=80)
@given(MOVES)
def test_exits_never_come_to_more_than_the_position(moves: list[Move]) -> None:
    with desk_() as desk:
        open_(desk)
        for what, tenths, how in moves:
            if what == "book":
                desk.book()
            elif what == "wait":
                desk.host.execute(SetServerTime(desk.host.state.server_ms + 7_000))
            elif what == "ask":
                drive(resolve(desk.db, desk.venue, desk.clock, max_skew_ms=1_000, epoch=desk.epoch))
            elif desk.held():
                leave(desk, what, D(tenths) / 10, how)
            assert (desk.held() or 0) >= 0, "it was turned over"


def leave(desk: Desk, what: str, wanted: Decimal, how: str) -> None:
    (position,) = drive(desk.venue.snapshot()).positions
    draft = exit_draft(SOL, Side.LONG, min(wanted, position.qty), "test", operator=what == "close",
                       held=position.qty)  # fmt: skip
    waiting = [one for one in desk.intents() if one.state.in_doubt and one.purpose in (Purpose.EXIT, Purpose.CLOSE)]
    desk.line.before_next, desk.line.after_next = FAULTS[how]
    try:
        desk.send(draft)
    except EntryRefused as refusal:
        assert refusal.code == "exit_in_doubt" and waiting and what == "exit"
        return
    finally:
        desk.line.before_next = desk.line.after_next = None
    assert what == "close" or not waiting, "a second exit beside one in doubt"
    ours = [one for one in desk.intents() if one.purpose is Purpose.EXIT]
    gone = sum((one.filled or D(0) for one in ours if not one.state.in_doubt), D(0))
    assert gone + sum((one.qty or D(0) for one in ours if one.state.in_doubt), D(0)) <= QTY


@given(st.integers(1, 50), st.integers(1, 50))
def test_no_exit_is_drafted_for_more_than_is_held(qty: int, held: int) -> None:
    if qty > held:
        with pytest.raises(ValueError, match="larger than the position"):
            exit_draft(SOL, Side.LONG, D(qty), "test", held=D(held))
    else:
        assert exit_draft(SOL, Side.LONG, D(qty), "test", held=D(held)).qty == qty


# The check and the record are one: the order of the commits decides.


def latch(conn: Connection) -> None:
    latches.set_latch(conn, Latch(LatchName.PAUSE, "", "ann", WALL_MS, "fire"))


def take_the_lease(conn: Connection) -> None:
    now = lease.current(conn)
    assert now is not None
    lease.release(conn, now.epoch, WALL_MS)
    lease.acquire(conn, OTHER_BOT, WALL_MS)


def enter_too(conn: Connection) -> None:
    draft = entry(2)
    admit(conn, draft, store=_path(conn), epoch=0, last_resort=False)
    record(conn, draft, 0)


def _path(conn: Connection) -> Path:
    return Path(conn.execute("PRAGMA database_list").fetchone()[2])


def journalled(desk: Desk, after: int) -> str:
    """Who is in the journal since then, in the order of their commits."""
    with desk.db.read() as conn:
        rows = journal.page(conn, after=after)
    mine = [row.seq for row in rows if row.kind == "intent" and row.actor == "bot"]
    others = [row.seq for row in rows if row.actor == "x" or row.subject in ("latch:pause", "lease")]
    both = [(min(found), name) for found, name in ((mine, "entry"), (others, "other")) if found]
    return ", ".join(name for _, name in sorted(both))


def ask(desk: Desk, draft: IntentDraft) -> str:
    try:
        desk.send(draft)
    except EntryRefused as refusal:
        return refusal.code
    return "recorded"


def meeting(act: Callable[[Connection], None], at: int) -> tuple[str, str, str] | None:
    """Another process acts just before the door's statement of that number; None where the door has no such statement.

    (the statement, what came of the act, who is in the journal)
    """
    met: list[str] = []

    def step(statement: str) -> None:
        count.append(1)
        if len(count) != at:
            return
        try:
            with other.transaction() as conn:
                act(conn)
            met[:] = statement, "done"
        except StoreBusy:
            met[:] = statement, "busy"
        except EntryRefused:
            met[:] = statement, "refused"

    count: list[int] = []
    with desk_() as desk, Database.open(desk.db.path, expect=None, durable=False, lock_wait_ms=0) as other:
        before = desk.written()[0]
        desk.db.conn.set_trace_callback(step)
        ask(desk, entry())
        desk.db.conn.set_trace_callback(None)
        return (met[0], met[1], journalled(desk, before)) if met else None


@pytest.mark.parametrize("act", [latch, take_the_lease, enter_too])
def test_what_another_process_does_at_any_moment_comes_before_the_check_or_after_the_commit(
    act: Callable[[Connection], None],
) -> None:
    seen: list[tuple[str, str, str]] = []
    while (one := meeting(act, len(seen) + 1)) is not None:
        seen.append(one)
    statements = [statement for statement, _, _ in seen]
    begin = statements.index("BEGIN IMMEDIATE")
    commit = statements.index("COMMIT", begin)
    waits = ("busy", "entry")
    assert seen[begin][1:] == ("done", "other"), "at the last moment: the entry is refused"
    assert {one[1:] for one in seen[:begin]} <= {("done", "other"), waits}
    assert {one[1:] for one in seen[begin + 1 : commit + 1]} == {waits}, "from the check to the commit it cannot"
    assert any(one.startswith("INSERT INTO intents") for one in statements[begin:commit])
    late = ("refused", "entry") if act is enter_too else ("done", "entry, other")
    assert {one[1:] for one in seen[commit + 1 :]} == {late, waits}, "afterwards it finds the entry there"


def elsewhere(path: Path, act: Callable[[Connection], None], ready: Callable[[], object]) -> threading.Thread:
    """A thread with a connection of its own that acts once, and waits for the store as long as it takes."""

    def work() -> None:
        with Database.open(path, expect=None, durable=False, lock_wait_ms=60_000) as other:
            ready()
            with other.transaction() as conn:
                act(conn)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("act", [latch, take_the_lease])
def test_who_comes_while_the_entry_is_recorded_waits_and_comes_after_it(act: Callable[[Connection], None]) -> None:
    threads: list[threading.Thread] = []
    with desk_() as desk:
        before, path = desk.written()[0], desk.db.path
        ready = threading.Event()

        def step(statement: str) -> None:
            if statement.startswith("INSERT INTO intents"):
                threads.append(elsewhere(path, act, ready.set))
                assert ready.wait(60)

        desk.db.conn.set_trace_callback(step)
        assert ask(desk, entry()) == "recorded"
        desk.db.conn.set_trace_callback(None)
        (thread,) = threads
        thread.join(60)
        assert journalled(desk, before) == "entry, other"


def test_who_asks_while_the_latch_is_being_set_waits_and_is_refused() -> None:
    told: list[str] = []
    with desk_() as desk, Database.open(desk.db.path, expect=None, durable=False) as operator:
        arrived = threading.Event()

        def work() -> None:
            with Database.open(desk.db.path, expect=None, durable=False, lock_wait_ms=60_000) as own:
                own.conn.set_trace_callback(lambda statement: arrived.set() if "IMMEDIATE" in statement else None)
                try:
                    drive(desk.door(desk.epoch, own).submit(entry()))
                except EntryRefused as refusal:
                    told.append(refusal.code)

        thread = threading.Thread(target=work)
        with operator.transaction() as conn:
            latch(conn)
            thread.start()
            assert arrived.wait(60)
            assert told == []
        thread.join(60)
        assert told == ["pause"] and desk.intents() == [] and desk.line.asked == []


def test_at_the_same_moment_one_of_two_is_first_and_the_other_goes_by_that() -> None:
    for act in [latch, enter_too] * 8:
        with desk_() as desk:
            before, both = desk.written()[0], threading.Barrier(2)
            refused: list[str] = []

            def other(conn: Connection, act: Callable[[Connection], None] = act, said: list[str] = refused) -> None:
                try:
                    act(conn)
                except EntryRefused as refusal:
                    said.append(refusal.code)

            thread = elsewhere(desk.db.path, other, both.wait)
            both.wait(60)
            answer = ask(desk, entry())
            thread.join(60)
            found = (answer, journalled(desk, before), tuple(refused))
            after = ("recorded", "entry, other", ()) if act is latch else ("recorded", "entry", ("occupied",))
            assert found == after or found == ("pause" if act is latch else "occupied", "other", ())


@given(st.lists(st.booleans(), min_size=1, max_size=4))
def test_of_those_who_saw_a_position_bare_at_the_same_moment_one_places_a_stop(early: list[bool]) -> None:
    with desk_() as desk:
        open_(desk)
        with desk.db.read() as conn:
            seen = intents.newest_stop(conn, SOL)
        for place, looked in enumerate(early):
            try:
                drive(desk.operator.submit(DRAFTS["stop"](), seen=seen if looked else None))
                assert place == 0 or not looked
            except EntryRefused as refusal:
                assert refusal.code == "raced" and place and looked
