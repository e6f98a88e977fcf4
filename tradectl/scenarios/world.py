"""A world in virtual time: one simulated exchange with its market, processes that use it, and people at its web page.

The exchange is the real matching engine in memory; it outlives every process. Bots and commands are the real code, on
real store files. Whoever wants to see what truly happened watches the exchange from outside (`watch`).
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradectl.config.schema import Config
from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.instrument import Instrument
from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.engine.assemble import Assembled, RunOptions, assemble
from tradectl.engine.daemon import Stop, live
from tradectl.errors import TradectlError
from tradectl.operations.opening import Desk
from tradectl.scenarios.machine import Died, Machine, Steps
from tradectl.scenarios.prices import RoughFeed, Roughness, rough_candles
from tradectl.scenarios.virtual import milliseconds
from tradectl.scenarios.wire import Fates, Wire
from tradectl.sim.exchange import genesis
from tradectl.sim.host import Applied, MemoryHost
from tradectl.sim.line import Past
from tradectl.sim.ops import AdvanceBars, CancelOrder, Op, PlaceOrder
from tradectl.sim.path import LAST_PHASE, point_ms
from tradectl.sim.state import ExchangeState
from tradectl.sim.venue import SimVenue
from tradectl.venue.synced import SyncedClock

START_MS = 1_704_067_200_000  # 2024-01-01T00:00Z
DIED = "died"  # how the life of a process ended that was killed
WARM = 60  # closed candles before the first cycle
Watcher = Callable[[Op, Applied, ExchangeState, ExchangeState], None]  # operation, what it did, state before, after


class Exchange(MemoryHost):
    """The exchange, watched: every operation is told to whoever asked to see it, before anybody else can act on it."""

    def __init__(self, state: ExchangeState) -> None:
        super().__init__(state)
        self.past = Past()
        self.watchers: list[Watcher] = []
        self.by_person = False  # what is being done now is done at the web page

    def execute_many(self, ops: Sequence[Op]) -> tuple[Applied, ...]:
        done = []
        for op in ops:
            before = self.state
            (applied,) = super().execute_many((op,))
            self.past.keep(self.state.server_ms, self.state)
            for watch in self.watchers:
                watch(op, applied, before, self.state)
            done.append(applied)
        return tuple(done)


@dataclass(slots=True)
class Bot:
    """One bot process: running until its task is done."""

    machine: Machine
    stop: Stop
    task: asyncio.Task[str] | None = None
    assembled: Assembled | None = None

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()


@dataclass(frozen=True, slots=True)
class Ground:
    """What a bot in this world stands on (engine.ground)."""

    venue: SimVenue
    clock: SyncedClock
    exchange: Exchange
    feed: RoughFeed
    wall: bool = True
    interval: str = "1m"
    notices: tuple[str, ...] = ()

    @property
    def pace_clock(self) -> SyncedClock:
        return self.clock

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.feed.symbols

    @property
    def instruments(self) -> dict[str, Instrument]:
        return dict(self.exchange.state.instruments)

    def market_ms(self) -> int:
        return self.exchange.state.market_ms

    def last_event_seq(self) -> int:
        return self.exchange.state.next_seq - 1

    def step(self) -> bool:
        return True

    def close(self) -> None:
        """The exchange goes on without it."""


@dataclass
class World:
    """Everything of one scenario. `faults_of_ours`: errors that no operator should ever meet."""

    config: Config
    folder: Path
    seed: int
    instruments: dict[str, Instrument]
    start_prices: dict[str, Decimal]
    minutes: int
    rough: Roughness = field(default_factory=Roughness)
    options: RunOptions = field(default_factory=RunOptions)
    venue: dict[str, Any] = field(default_factory=dict)  # the exchange's own rules, where they are not the usual ones
    start_ms: int = START_MS
    market_of: Callable[[World], RoughFeed] | None = None  # a market that is scripted; None: a rough one, drawn
    exchange: Exchange = field(init=False)
    feed: RoughFeed = field(init=False)
    bots: list[Bot] = field(default_factory=list)
    faults_of_ours: list[str] = field(default_factory=list)
    _pids: int = 100
    _living: set[int] = field(default_factory=set)
    _context: contextvars.Context = field(default_factory=contextvars.copy_context)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.feed = self._rough() if self.market_of is None else self.market_of(self)
        opened_ms = self.start_ms - MINUTE_MS
        state = genesis(self.config.sim, self.instruments, opened_ms)
        self.exchange = Exchange(replace(state, settings=replace(state.settings, **self.venue)))
        self.exchange.execute(AdvanceBars(self.feed.bars(opened_ms)))

    def _rough(self) -> RoughFeed:
        first_ms = self.start_ms - WARM * MINUTE_MS
        candles = {
            symbol: rough_candles(
                self.dice(f"prices:{symbol}"),
                instrument,
                WARM + self.minutes + 2,
                first_ms,
                self.start_prices[symbol],
                self.rough,
            )
            for symbol, instrument in self.instruments.items()
        }
        return RoughFeed(candles, self.start_ms)

    @property
    def store(self) -> Path:
        return self.options.store_path or self.folder / "bot.db"

    def dice(self, name: str) -> random.Random:
        """Chance of its own for everything that needs some: what one draws moves nothing else."""
        return random.Random(f"{self.seed}:{name}")

    def now_ms(self) -> int:
        """True time."""
        return self.start_ms + milliseconds(asyncio.get_running_loop())

    async def until(self, at_ms: int) -> None:
        wait_ms = at_ms - self.now_ms()
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)

    # The market

    async def market(self) -> None:
        """Moves prices along each bar's path, until the candles end."""
        open_ms = self.start_ms
        while bars := self.feed.bars(open_ms):
            for phase in range(LAST_PHASE + 1):
                await self.until(point_ms(bars[0], phase))
                self.exchange.execute(AdvanceBars(bars, (phase,)))
            open_ms += MINUTE_MS

    # Processes

    def machine(self, steps: Steps | None = None, fates: Fates | None = None) -> Machine:
        self._pids += 1
        made = Machine(self._pids, self.start_ms, steps or Steps(), living=self._living.__contains__)
        if fates is not None:
            made.open_sim = lambda path: self.desk(made, fates)
        self._living.add(made.pid)
        return made

    def wire(self, machine: Machine, fates: Fates) -> tuple[SimVenue, SyncedClock]:
        """A process's own way to the exchange, with a clock that it sets by the exchange's answers."""
        clock = SyncedClock(monotonic_ms=machine.monotonic_ms, wall_ms=machine.wall_ms)
        line = Wire(
            machine,
            fates,
            state=lambda: self.exchange.state,
            past=self.exchange.past,
            carry=self.carry,
            heard=clock.observe,
        )
        venue = SimVenue(self.exchange, clock, feed=self.feed, line=line, server_ms=machine.true_ms)
        return venue, clock

    def desk(self, machine: Machine, fates: Fates) -> Desk:
        venue, clock = self.wire(machine, fates)
        return Desk(venue, clock)

    def carry(self, work: Coroutine[Any, Any, Any]) -> None:
        """Something that goes on whatever becomes of who began it."""
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def start_bot(self, fates: Fates, steps: Steps | None = None, **changed: Any) -> Bot:
        """A bot process. It ends by itself only when it is told to, or when it must not go on."""
        machine = self.machine(steps)
        bot = Bot(machine, Stop())
        bot.task = machine.spawn(self._life(bot, fates, replace(self.options, **changed)))
        self.bots.append(bot)
        return bot

    async def kill(self, bot: Bot) -> None:
        """kill -9."""
        bot.machine.kill()
        if bot.task is not None:
            bot.task.cancel()
            await asyncio.wait([bot.task])

    async def _life(self, bot: Bot, fates: Fates, options: RunOptions) -> str:
        machine = bot.machine
        stack = ExitStack()

        def ground(config: Config, chosen: RunOptions, path: Path, wall_ms: Callable[[], int]) -> Ground:
            venue, clock = self.wire(machine, fates)
            return Ground(venue, clock, self.exchange, self.feed)

        try:
            bot.assembled = assemble(self.config, options, wall_ms=machine.wall_ms, stack=stack, open_ground=ground)
            await live(bot.assembled, options, "", bot.stop)
            stack.close()
            return "ended"
        except (Died, asyncio.CancelledError):
            return DIED
        except TradectlError as error:
            self._close(machine, stack)
            if type(error).__name__ == "ToolError":
                self.faults_of_ours.append(f"bot {machine.pid}: {error.what} ({error.why})")
            return f"{type(error).__name__}: {error.what}"
        except Exception as error:
            self.faults_of_ours.append(f"bot {machine.pid}: {type(error).__name__}: {error}")
            return f"fault: {error}"
        finally:
            stack.pop_all()
            machine.bury()
            self._living.discard(machine.pid)

    def _close(self, machine: Machine, stack: ExitStack) -> None:
        try:
            stack.close()
        except (TradectlError, Died) as error:
            self.faults_of_ours.append(f"bot {machine.pid} could not end: {error}")

    def bury(self, machine: Machine) -> None:
        machine.bury()
        self._living.discard(machine.pid)

    # People at the exchange's web page

    def by_hand(
        self,
        symbol: str,
        side: OrderSide,
        type_: OrderType,
        qty: Decimal | None,
        client_id: str,
        **more: Any,
    ) -> Confirmed | None:
        """An order that nothing of ours knows of."""
        now_ms = self.now_ms()
        if type_.conditional:
            more.setdefault("trigger_by", TriggerBy.LAST)
        request = OrderRequest(client_id, symbol, side, type_, qty, now_ms, now_ms + 5_000, **more)
        reply = self._at_the_page(PlaceOrder(request, now_ms)).reply
        return reply if isinstance(reply, Confirmed) else None

    def cancel_by_hand(self, symbol: str, order_id: str) -> None:
        now_ms = self.now_ms()
        self._at_the_page(CancelOrder(symbol, order_id, now_ms, now_ms + 5_000))

    def _at_the_page(self, op: Op) -> Applied:
        self.exchange.by_person = True
        try:
            return self.exchange.execute(op)
        finally:
            self.exchange.by_person = False

    async def end(self) -> None:
        """Everybody goes home: what still runs is stopped."""
        for bot in self.bots:
            if bot.running:
                await self.kill(bot)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
