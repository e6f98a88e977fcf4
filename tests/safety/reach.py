"""A real bot put into one state after another: what the safety machine keeps is saved, loaded and acted upon.

The store is a real file, worked on by the engine's and the operators' own functions. The exchange is the real one and
stands still; what a cycle sees of it is its picture with other numbers (`Sees`). `Hands` are three clocks that the test
sets apart from each other: the venue's, this machine's, and the one that nobody can set.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot_kit import CALM, FLAT, SOL, UP, Rig, refuse, rig

from tradectl.domain.emergency_stop import EssState
from tradectl.domain.intent import stop_draft
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType, TriggerBy
from tradectl.domain.ports import Clock
from tradectl.domain.position import Side
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import LatchName, SystemState, system_state
from tradectl.engine import guarding
from tradectl.engine import state as engine_state
from tradectl.engine.bot import Memory
from tradectl.errors import EntryRefused
from tradectl.operations.opening import MACHINE, Desk, Machine
from tradectl.safety.emergency_stop import left_ms
from tradectl.sim.embedded import open_existing
from tradectl.sim.faults import DropRequest
from tradectl.store import halt, intents, latches, lease, safety

D = Decimal
DAY_MS = 86_400_000
ETH = "ETHUSDT"  # where entries are tried; the position is in SOL
ROWS = {SOL: [UP, *[CALM] * 3], ETH: [FLAT] * 4}
KNOBS: dict[str, object] = {
    "ess.enabled": True, "ess.cooldown_minutes": 5, "safety.max_equity_drawdown_pct": "0.15",
    "safety.degraded_equity_drawdown_pct": "0.10", "safety.max_equity_jump_pct": "0.10",
}  # fmt: skip


@dataclass
class Hands:
    """Three clocks. venue_ms is how far the venue's is ahead of where the exchange stands."""

    inner: Clock
    venue_ms: int = 0
    machine_ms: int = 1_760_000_000_000
    process_ms: int = 0

    def now_ms(self) -> int:
        return self.inner.now_ms() + self.venue_ms

    def wall_ms(self) -> int:
        return self.machine_ms

    def monotonic_ms(self) -> int:
        return self.process_ms

    def skew_ms(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        self.pass_by(round(seconds * 1000))

    def pass_by(self, length_ms: int) -> None:
        self.venue_ms += length_ms
        self.machine_ms += length_ms
        self.process_ms += length_ms

    def read(self) -> tuple[int, int, int]:
        return self.venue_ms, self.machine_ms, self.process_ms

    def put(self, at: tuple[int, int, int]) -> None:
        self.venue_ms, self.machine_ms, self.process_ms = at


@dataclass(frozen=True)
class State:
    """What restricts trading, and what decides when it may end. Times are told only as far as they decide."""

    latches: frozenset[tuple[LatchName, str]]
    halt_file: bool
    ess: EssState
    cooled: bool  # the cooldown is over
    stood: bool  # the newest halt of the bot's own has stood long enough to clear itself
    recoveries: int  # of the last 24 hours
    fading: frozenset[str]  # what degraded and has been seen without its condition once
    in_doubt: bool

    @property
    def system(self) -> SystemState:
        if self.halt_file:
            return SystemState.HALTED
        demanded = {LATCH_STATES[name] for name, _ in self.latches}
        return next((one for one in STRICTEST if one in demanded), SystemState.NORMAL)

    @property
    def entries(self) -> bool:
        """On ETH, the one symbol that an order in doubt is of."""
        return not self.halt_file and not self.latches

    def __str__(self) -> str:
        held = sorted(name.value + (f"({scope})" if scope else "") for name, scope in self.latches)
        more = [word for word, on in (("halt file", self.halt_file), ("cooled", self.cooled), ("stood", self.stood),
                                      ("in doubt", self.in_doubt)) if on]  # fmt: skip
        return f"{self.system.value} {held} ess={self.ess.value} recoveries={self.recoveries} {more} {set(self.fading)}"


STRICTEST = (SystemState.HALTED, SystemState.DEGRADED, SystemState.PAUSED)
LATCH_STATES: dict[LatchName, SystemState | None] = {
    LatchName.KILL_SWITCH: SystemState.HALTED,
    LatchName.HALT: SystemState.HALTED,
    LatchName.ESS_TRIPPED: SystemState.HALTED,
    LatchName.ESS_COOLING: SystemState.DEGRADED,
    LatchName.DEGRADED: SystemState.DEGRADED,
    LatchName.EQUITY_JUMP: SystemState.DEGRADED,
    LatchName.PAUSE: SystemState.PAUSED,
    LatchName.UNKNOWN_ORDER: None,
    LatchName.RECONCILE: None,
}


@dataclass(frozen=True)
class Node:
    """Everything that a state is made of, to come back to it."""

    store: sqlite3.Connection
    halt_text: str | None
    memory: Memory
    clocks: tuple[int, int, int]
    cycle: int


@dataclass
class World:
    """The bot of the moment, and how to put it into a state."""

    folder: Path
    desk: Rig
    hands: Hands
    stack: ExitStack
    calm: Snapshot
    cycle: int = 0

    # Coming back to a state.

    def save(self) -> Node:
        copy = sqlite3.connect(":memory:", isolation_level=None)
        self.desk.db.conn.backup(copy)
        return Node(copy, halt.read(self.store), deepcopy(self.desk.bot.memory), self.hands.read(), self.cycle)

    def load(self, node: Node) -> None:
        """The bot as it was then; the lease is this process's again, as it was."""
        node.store.backup(self.desk.db.conn)
        self.hands.put(node.clocks)
        self.cycle = node.cycle
        self.desk.plan.always = None
        if (halt.read(self.store) is None) != (node.halt_text is None):
            if node.halt_text is None:
                halt.remove(self.store)
            else:
                halt.write(self.store, node.halt_text)
        row = self.desk.read(lease.current)
        assert row is not None
        self._wire(row.epoch, deepcopy(node.memory))

    def _wire(self, epoch: int, memory: Memory) -> None:
        self.desk.bot = replace(self.desk.bot, clock=self.hands, stepped=False, epoch=epoch, memory=memory)
        self.desk.at_clock(lambda at_ms: at_ms)  # a door of that epoch

    @property
    def store(self) -> str:
        return str(self.desk.db.path)

    def look(self) -> State:
        with self.desk.db.read() as conn:
            active = latches.active(conn)
            ess, seen = safety.ess(conn), safety.seen_time(conn)
            lately = safety.recoveries(conn, seen.total_ms - DAY_MS)
            doubtful = bool(intents.in_doubt(conn))
        halted_file = halt.read(self.store) is not None
        state = State(
            latches=frozenset((one.name, one.scope) for one in active),
            halt_file=halted_file,
            ess=ess.state,
            cooled=ess.state is EssState.COOLING_DOWN and not left_ms(ess, self.desk.config.ess),
            stood=any(one.name is LatchName.HALT for one in active)
            and seen.halted_ms is not None
            and seen.total_ms - seen.halted_ms >= 300_000,
            recoveries=len(lately),
            fading=frozenset(self.desk.bot.memory.clean),
            in_doubt=doubtful,
        )
        assert state.system is (SystemState.HALTED if halted_file else system_state(active)), state
        return state

    def waits(self) -> tuple[int, int | None, tuple[int, ...]]:
        """What the waits stand at, to the millisecond: cooled, how long a halt has stood, ages of recoveries."""
        with self.desk.db.read() as conn:
            ess, seen = safety.ess(conn), safety.seen_time(conn)
            lately = safety.recoveries(conn, 0)
        stood = None if seen.halted_ms is None else seen.total_ms - seen.halted_ms
        return ess.cooled_ms, stood, tuple(seen.total_ms - at_ms for at_ms in lately)

    # What can happen to it.

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.desk.run(work)

    def sees(self, snapshot: Snapshot, *, between: bool = False) -> None:
        """One cycle of the machine, or a pass between cycles, on that picture."""
        bot = self.desk.bot
        self.cycle += not between
        now = replace(snapshot, at_ms=bot.clock.now_ms())
        books = engine_state.load_books(bot, now)
        judged = guarding.judge(bot, now, books, cycle=None if between else self.cycle)
        self.run(guarding.sweep_if_halted(bot, now))
        if not between:
            with bot.db.transaction() as conn:
                guarding.keep_time(bot, conn, bot.clock.wall_ms())
                guarding.keep_baseline(conn, now, books, judged)

    def restart(self) -> None:
        """The process ends and another one begins: the store is opened anew, and start-up recovers."""
        at = self.hands.read()
        self.stack.close()
        self._open()
        self.hands.put((at[0], at[1], 0))
        row = self.desk.read(lease.current)
        assert row is not None
        self._wire(row.epoch, self.desk.bot.memory)

    def _open(self) -> None:
        self.desk = self.stack.enter_context(rig(self.folder, ROWS, KNOBS))
        self.hands.inner = self.desk.bot.clock

    def in_doubt(self) -> None:
        """An entry is sent, and nothing comes back."""
        self.desk.plan.before_faults["place"] = [DropRequest()]
        self.run(self.desk.bot.door.submit(self.desk.entry(qty="1", symbol=ETH)))

    # What it permits, by the one door.

    def permits_entry(self) -> bool:
        refuse(self.desk, "probe", "en")
        try:
            self.run(self.desk.bot.door.submit(self.desk.entry(qty="1", symbol=ETH)))
        except EntryRefused:
            return False
        return True

    def permits_protection(self) -> bool:
        """A stop reaches the venue."""
        refuse(self.desk, "probe", "st")
        asked = len(self.desk.plan.names("place"))
        draft = stop_draft(SOL, Side.LONG, D(1), D(90), TriggerBy.LAST, "probe")
        self.run(self.desk.bot.door.submit(draft))
        return len(self.desk.plan.names("place")) == asked + 1


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A bot that holds one position with its stop, in calm, after its first cycle."""
    with ExitStack() as stack:
        desk = stack.enter_context(rig(folder, ROWS, KNOBS))
        desk.cycle()
        for order in desk.snapshot().orders:
            if not order.protective:  # a target that rests is the sweep's to cancel; here nothing at the venue moves
                desk.run(desk.embedded.venue.cancel(SOL, order.order_id, desk.bot.clock.now_ms(), 2**53))
        made = World(folder, desk, Hands(desk.bot.clock), stack, desk.snapshot(), cycle=1)
        row = desk.read(lease.current)
        assert row is not None
        made._wire(row.epoch, desk.bot.memory)
        token = MACHINE.set(Machine(made.hands.wall_ms, _exchange))
        try:
            yield made
        finally:
            MACHINE.reset(token)
            made.stack.close()


def _exchange(path: Path) -> Desk:
    found = open_existing(path, wall_ms=lambda: 0, durable=False)
    return Desk(found.venue, found.clock)


# What a cycle may see.


def margin(calm: Snapshot, share: str) -> Snapshot:
    return replace(calm, account=replace(calm.account, initial_margin=calm.equity * D(share)))


def lost(calm: Snapshot, share: str) -> Snapshot:
    """An open loss of so much of equity, by the position's mark."""
    (position,) = calm.positions
    loss = calm.equity * D(share)
    mark = position.mark_price - loss / position.qty
    under = replace(position, mark_price=mark, unrealised=position.unrealised - loss)
    account = replace(calm.account, unrealised=calm.account.unrealised - loss)
    return replace(calm, account=account, positions=(under,))


def jumped(calm: Snapshot) -> Snapshot:
    more = replace(calm.account, wallet_balance=calm.account.wallet_balance + 2_000)
    return replace(calm, account=more)


def foreign(calm: Snapshot) -> Snapshot:
    order = OrderFact(
        "o999", None, SOL, OrderSide.BUY, OrderType.LIMIT, OrderStatus.NEW, D(1), D(0), None, 1, 1, price=D(50)
    )
    return replace(calm, orders=(*calm.orders, order))
