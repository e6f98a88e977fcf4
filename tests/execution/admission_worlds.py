"""States in which somebody asks the door for something, made through the real door, store and exchange.

Positions, doubts and leases come about as they do in life. `State.forbids` says in its own words what stands in the way
of a draft, `holds` compares it with what the door does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot_kit import SOL, WALL_MS
from hypothesis import strategies as st
from ledger_kit import D, sized
from observe_worlds import LISTED, MINUTE, SIM, T0, blank_store, drive

from tradectl.domain.intent import (
    Intent,
    IntentDraft,
    Purpose,
    amend_draft,
    cancel_draft,
    entry_drafts,
    exit_draft,
    stop_draft,
    target_draft,
)
from tradectl.domain.order import OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.system_state import LATCH_RULES, Latch, LatchName, SystemState
from tradectl.errors import EntryRefused
from tradectl.execution.admission import admit
from tradectl.execution.ingest import ingest
from tradectl.execution.submit import Door, Submitted
from tradectl.sim.clock import SteppedClock
from tradectl.sim.exchange import genesis
from tradectl.sim.faults import Call, DropRequest, Fault, Refuse
from tradectl.sim.host import MemoryHost
from tradectl.sim.ops import AdvanceBars, MarketBar, PlaceOrder
from tradectl.sim.venue import SimVenue
from tradectl.store import halt, intents, journal, latches, lease
from tradectl.store.connection import Connection
from tradectl.store.database import Database
from tradectl.store.lease import Holder

ETH = "ETHUSDT"
BUY, SELL = OrderSide.BUY, OrderSide.SELL
QTY = D(4)
OTHER_BOT = Holder(1, "elsewhere", "", "")


@dataclass
class Line:
    """What goes wrong with the next order, and what has been asked for."""

    before_next: Fault | None = None
    after_next: Fault | None = None
    asked: list[str] = field(default_factory=list)

    def before(self, call: Call) -> Fault | None:
        if not call.changes:
            return None
        self.asked.append(call.name)
        fault, self.before_next = self.before_next, None
        return fault

    def after(self, call: Call) -> Fault | None:
        fault, self.after_next = (self.after_next, None) if call.changes else (None, self.after_next)
        return fault


class Desk:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.host = MemoryHost(genesis(SIM, LISTED, T0))
        self.price("100")
        self.line = Line()
        self.clock = SteppedClock(self.host, lambda: WALL_MS)
        self.venue = SimVenue(self.host, self.clock, feed=None, faults=self.line)
        with db.transaction() as conn:
            self.epoch = lease.acquire(conn, lease.this_holder(), WALL_MS)
        self.bot = self.door(self.epoch)
        self.operator = self.door(0)

    def door(self, epoch: int, db: Database | None = None) -> Door:
        return Door(db or self.db, self.venue, self.clock, epoch=epoch, actor="bot" if epoch else "ann",
                    recv_window_ms=5_000)  # fmt: skip

    def price(self, at: str) -> None:
        now, price = self.host.state.market_ms, D(at)
        self.host.execute(AdvanceBars((MarketBar(SOL, now, MINUTE, price, price, price, price),)))

    def book(self) -> None:
        drive(ingest(self.db, self.venue, "USDT"))

    def send(self, draft: IntentDraft, *, last_resort: bool = False) -> Submitted:
        door = self.operator if draft.purpose is Purpose.CLOSE else self.bot
        return drive(door.submit(draft, last_resort=last_resort))

    def confirmed(self, draft: IntentDraft) -> None:
        assert self.send(draft).confirmed

    def begin(self, draft: IntentDraft) -> None:
        """Another process is just about to send it."""
        epoch = 0 if draft.purpose is Purpose.CLOSE else self.epoch
        with self.db.transaction() as conn:
            admit(conn, draft, store=self.db.path, epoch=epoch, last_resort=False)
            record(conn, draft, epoch)

    def held(self) -> int | None:
        position = self.host.state.positions.get(SOL)
        return None if position is None else int(position.lot.qty * 10)

    def intents(self) -> list[Intent]:
        with self.db.read() as conn:
            return intents.latest(conn, None, 1_000)[::-1]

    def written(self) -> tuple[int, int]:
        with self.db.read() as conn:
            return journal.head(conn)[0], len(intents.latest(conn, None, 1_000))


def record(conn: Connection, draft: IntentDraft, epoch: int) -> None:
    intents.record(conn, draft, created_ms=T0, expires_ms=T0 + 5_000, epoch=epoch, actor="x")


@contextmanager
def desk_() -> Iterator[Desk]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        path.write_bytes(blank_store())
        with Database.open(path, expect=None, durable=False, lock_wait_ms=60_000) as db:
            yield Desk(db)


def entry(candle: int = 1) -> IntentDraft:
    whole = replace(sized(qty=2 * QTY, candle=candle, symbol=SOL), slices=(QTY, QTY), stop_price=D(96))
    return entry_drafts(whole, TriggerBy.LAST)[0]


DRAFTS: dict[str, Callable[[], IntentDraft]] = {
    "another slice": entry,
    "another entry": lambda: entry(2),
    "stop": lambda: stop_draft(SOL, Side.LONG, D(1), D(95), TriggerBy.LAST, "test"),
    "cancel": lambda: cancel_draft(SOL, SELL, "o1", "test"),
    "amend": lambda: amend_draft("o1", SOL, SELL, D(95), None, "test"),
    "target": lambda: target_draft(SOL, Side.LONG, "tp1", D(1), D(130), "test"),
    "exit": lambda: exit_draft(SOL, Side.LONG, D(1), "test"),
    "close": lambda: exit_draft(SOL, Side.LONG, D(1), "test", operator=True),
}


# Positions, and what may be added to each of them.


def _pending(desk: Desk) -> None:
    desk.confirmed(entry())


def _refused(desk: Desk) -> None:
    desk.line.before_next = Refuse("engine_busy", "not executed")
    assert not desk.send(entry()).confirmed


def open_(desk: Desk) -> None:
    _pending(desk)
    desk.book()


def _leaving(desk: Desk) -> None:
    open_(desk)
    desk.confirmed(replace(DRAFTS["exit"](), qty=QTY))


def _closed_before_it_was_booked(desk: Desk) -> None:
    _pending(desk)
    desk.confirmed(replace(DRAFTS["close"](), qty=QTY))


def _closed(desk: Desk) -> None:
    open_(desk)
    desk.confirmed(replace(DRAFTS["close"](), qty=QTY))
    desk.book()


def _stopped(desk: Desk) -> None:
    open_(desk)
    desk.price("95")
    desk.book()
    assert desk.held() is None


def _by_hand(desk: Desk) -> None:
    now = desk.host.state.server_ms
    desk.host.execute(PlaceOrder(OrderRequest("web-1", SOL, BUY, OrderType.MARKET, QTY, now, now + 5_000), now))
    desk.book()


FREE = frozenset({"another slice", "another entry"})
POSITIONS: dict[str, tuple[Callable[[Desk], None], frozenset[str]]] = {
    "none": (lambda desk: None, FREE),
    "pending": (_pending, FREE - {"another entry"}),
    "refused": (_refused, FREE),
    "open": (open_, FREE - {"another entry"}),
    "leaving": (_leaving, frozenset()),
    "closed before it was booked": (_closed_before_it_was_booked, frozenset()),
    "closed": (_closed, FREE - {"another slice"}),
    "stopped": (_stopped, FREE - {"another slice"}),
    "by hand": (_by_hand, frozenset()),
}
HELD = ("pending", "open", "leaving")


@dataclass(frozen=True)
class State:
    position: str = "none"
    doubt: str = ""  # an order whose outcome is unknown
    begun: str = ""  # an order that another process is about to send
    latches: frozenset[tuple[LatchName, str]] = frozenset()
    halted: bool = False
    lease: str = "ours"

    def build(self, desk: Desk) -> None:
        POSITIONS[self.position][0](desk)
        if self.begun:
            desk.begin(DRAFTS[self.begun]())
        if self.doubt:
            desk.line.before_next = DropRequest()
            assert desk.send(DRAFTS[self.doubt]()).intent.state.in_doubt
        with desk.db.transaction() as conn:
            for name, scope in sorted(self.latches):
                latches.set_latch(conn, Latch(name, scope, "ann", WALL_MS, "fire"))
            if self.lease != "ours":
                lease.release(conn, desk.epoch, WALL_MS)
            if self.lease == "another's":
                lease.acquire(conn, OTHER_BOT, WALL_MS)
        if self.halted:
            halt.write(str(desk.db.path), "fire")

    def forbids(self, what: str, *, operator: bool, last_resort: bool) -> set[str]:
        """Everything that stands in the way of a draft, by code."""
        found = set() if operator or self.lease == "ours" else {"lease"}
        if what in ("stop", "cancel", "amend", "close") or last_resort:
            return found
        leaving = {self.doubt, self.begun} & {"exit", "close"}
        if what in FREE:
            found |= {"halt_file"} if self.halted else set()
            found |= {name.value for name, scope in self.latches if scope in ("", SOL)}
            found |= {"unknown_order"} if self.doubt else set()
            if what not in POSITIONS[self.position][1] or (leaving and self.position in HELD):
                found |= {"occupied", "entry_over"}
            return found
        if self.halted or any(LATCH_RULES[name].state is SystemState.HALTED for name, _ in self.latches):
            found |= {"halted"}
        if what == "exit" and leaving:
            found |= {"exit_in_doubt"}
        return found


ACCOUNT_WIDE = st.tuples(st.sampled_from(LatchName), st.just(""))
OF_A_SYMBOL = st.tuples(st.sampled_from(LatchName), st.just(SOL))
OF_ANOTHER = st.tuples(st.sampled_from([LatchName.UNKNOWN_ORDER, LatchName.RECONCILE]), st.just(ETH))
SEVERAL = st.frozensets(st.one_of(ACCOUNT_WIDE, OF_A_SYMBOL, OF_ANOTHER), max_size=2)
ORDERS = st.sampled_from(["", "", "", "stop", "exit", "close", "cancel"])
STATES = st.builds(
    State,
    position=st.sampled_from(sorted(POSITIONS)), doubt=ORDERS, begun=ORDERS,
    latches=st.one_of(st.just(frozenset()), SEVERAL), halted=st.sampled_from([False, False, False, True]),
    lease=st.sampled_from(["ours", "ours", "ours", "released", "another's"]),
).filter(lambda state: not (state.doubt == "exit" and state.begun in ("exit", "close")))  # fmt: skip


def holds(state: State, what: str, *, operator: bool = False, last_resort: bool = False) -> None:
    """The door records this exactly where nothing forbids it; what it refuses leaves no trace anywhere."""
    with desk_() as desk:
        state.build(desk)
        draft = DRAFTS[what]()
        forbidden = state.forbids(what, operator=operator, last_resort=last_resort)
        before, asked = desk.written(), list(desk.line.asked)
        door = desk.operator if operator else desk.bot
        try:
            done = drive(door.submit(draft, last_resort=last_resort))
        except EntryRefused as refusal:
            assert refusal.code in forbidden, f"refused by {refusal.code}"
            assert (desk.written(), desk.line.asked) == (before, asked), "refused, and yet it left something"
            return
        assert not forbidden, "recorded all the same"
        assert desk.intents()[-1] == done.intent and done.intent.purpose is draft.purpose
        assert desk.written()[1] == before[1] + 1 and len(desk.line.asked) == len(asked) + 1
