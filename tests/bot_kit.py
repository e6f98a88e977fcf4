"""A real bot on hand-made candles: assembled as `run` assembles it, moved cycle by cycle by the test.

The store and the exchange are files in the test's folder, the wall clock is the test's own. `Plan` makes calls of the
venue go wrong and can do something just before or after one of them.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from tradectl import logs
from tradectl.config.schema import Config
from tradectl.domain.intent import Intent, IntentDraft, entry_drafts
from tradectl.domain.order import TriggerBy
from tradectl.domain.ports import Clock
from tradectl.domain.position import Side
from tradectl.domain.signal import Admitted, Signal, Sized
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import Latch, LatchName
from tradectl.engine.assemble import Assembled, RunOptions, assemble
from tradectl.engine.bot import Bot
from tradectl.engine.cycle import run_cycle
from tradectl.engine.cycle_report import CycleReport
from tradectl.engine.recover import recover, restore
from tradectl.execution.observe import Evident, StoreEvidence
from tradectl.execution.submit import Door
from tradectl.execution.sweep import EmergencyDoor
from tradectl.sim.embedded import Embedded
from tradectl.sim.faults import Call, Fault, Refuse
from tradectl.sim.venue import SimVenue
from tradectl.store import cycles, intents, latches
from tradectl.store.database import Database
from tradectl.venue.pace import Pace
from tradectl.venue.paced import PacedVenue

D = Decimal
T = TypeVar("T")
SOL = "SOLUSDT"
FIVE_MS = 300_000
DAY_MS = 86_400_000
START_MS = 1_700_006_400_000 // DAY_MS * DAY_MS  # a UTC midnight
WALL_MS = 1_760_000_000_000
FLAT = ("100", "100.1", "99.9", "100")  # open, high, low, close
UP = ("100", "100.6", "99.9", "100.5")  # after flat candles: the fast average crosses above the slow one
CALM = ("100.5", "100.6", "100.4", "100.5")  # after UP: neither stop nor target
CRASH = ("100.5", "100.6", "99.5", "99.6")  # just through a stop 1% below the entry
RALLY = ("100.5", "104", "100.4", "103.5")  # through a target 2% above
SAG = ("100.5", "100.6", "99.6", "99.7")  # not to the stop; a few of them turn the averages round

Row = tuple[str, str, str, str]

# Fast enough averages, and guards that tests switch on where they are what is tested.
PLAIN: dict[str, object] = {
    "perps.max_requests_per_second": 1000,
    "perps.max_requests_per_minute": 60000,
    "risk_management.crisis_mode.volatility_multiplier": D(1000),
    "risk.signal_cooldown_hours": D(0),
    "safety.max_equity_drawdown_pct": D(1),
    "safety.degraded_equity_drawdown_pct": D(1),
    "ess.enabled": False,
    "sim.funding_rate": D(0),
}


def configure(knobs: Mapping[str, object] | None = None) -> Config:
    """Built-in defaults, PLAIN, and some dotted snake_case knobs changed."""
    tree: dict[str, Any] = {}
    for key, value in {**PLAIN, **(knobs or {})}.items():
        *path, name = key.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[name] = value
    return Config.model_validate(tree)


def candle_file(folder: Path, rows: Sequence[Row], symbol: str = SOL, start_ms: int = START_MS) -> Path:
    path = folder / f"TEST_{symbol}_5m.csv"
    lines = [f"{start_ms + index * FIVE_MS},{','.join(row)},10" for index, row in enumerate(rows)]
    path.write_text("ts,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
    return path


@dataclass
class Wall:
    """This machine's clock, in the test's hand."""

    at_ms: int = WALL_MS

    def __call__(self) -> int:
        return self.at_ms


@dataclass
class Plan:
    """A fault plan: `before` and `after` map a call's name to faults, one per such call, None for none.

    `always` is asked first, about every call, as long as it stands.
    """

    before_faults: dict[str, list[Fault | None]] = field(default_factory=dict)
    after_faults: dict[str, list[Fault | None]] = field(default_factory=dict)
    on_before: Callable[[Call], None] | None = None
    always: Callable[[Call], Fault | None] | None = None
    calls: list[Call] = field(default_factory=list)

    def before(self, call: Call) -> Fault | None:
        self.calls.append(call)
        if self.on_before is not None:
            self.on_before(call)
        if self.always is not None and (fault := self.always(call)) is not None:
            return fault
        return self._next(self.before_faults, call.name)

    def after(self, call: Call) -> Fault | None:
        return self._next(self.after_faults, call.name)

    def names(self, name: str) -> list[Call]:
        return [call for call in self.calls if call.name == name]

    @staticmethod
    def _next(faults: dict[str, list[Fault | None]], name: str) -> Fault | None:
        waiting = faults.get(name)
        return waiting.pop(0) if waiting else None


@dataclass
class Ticking:
    """A clock that a test reads along: `on_read` sees every reading of venue time and may move it.

    `on_slept` follows every sleep, for what happens whenever time passes.
    """

    inner: Clock
    on_read: Callable[[int], int] = int
    on_slept: Callable[[], object] = bool

    def now_ms(self) -> int:
        return self.on_read(self.inner.now_ms())

    def monotonic_ms(self) -> int:
        return self.inner.monotonic_ms()

    def wall_ms(self) -> int:
        return self.inner.wall_ms()

    def skew_ms(self) -> int:
        return self.inner.skew_ms()

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)
        self.on_slept()


@dataclass
class Rig:
    """One assembled bot. `plan` stands in front of every call to the exchange."""

    config: Config
    assembled: Assembled
    bot: Bot
    plan: Plan
    wall: Wall
    runner: asyncio.Runner

    @property
    def db(self) -> Database:
        return self.bot.db

    @property
    def embedded(self) -> Embedded:
        return embedded_of(self.assembled)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def step(self, times: int = 1) -> None:
        """Moves the market without a cycle."""
        for _ in range(times):
            assert self.embedded.step(), "the candles have ended"

    def cycle(self, *, step: bool = True) -> CycleReport:
        if step:
            self.step()
        with self.db.read() as conn:
            number = cycles.progress(conn).cycle + 1
        return self.run(run_cycle(self.bot, number))

    def start(self) -> bool:
        restore(self.bot)
        return self.run(recover(self.bot))

    def snapshot(self) -> Snapshot:
        return self.run(self.embedded.venue.snapshot())

    def at_clock(self, on_read: Callable[[int], int]) -> Ticking:
        """Puts a watched clock under the bot's door."""
        clock = Ticking(self.bot.clock, on_read)
        self.bot = replace(self.bot, door=_door(self.bot, clock))
        return clock

    def intents(self) -> list[Intent]:
        """All of them, oldest first."""
        with self.db.read() as conn:
            return intents.latest(conn, None, 1000)[::-1]

    def read(self, what: Callable[..., T], *args: Any) -> T:
        with self.db.read() as conn:
            return what(conn, *args)

    def write(self, what: Callable[..., T], *args: Any, **more: Any) -> T:
        with self.db.transaction() as conn:
            return what(conn, *args, **more)

    @contextmanager
    def elsewhere(self) -> Iterator[Database]:
        """The same store through another connection, as an operator's process has it."""
        with Database.open(self.db.path, expect=None, durable=False) as other:
            yield other

    def latch(self, name: LatchName = LatchName.PAUSE, scope: str = "", reason: str = "maintenance") -> None:
        """Set by an operator, through a connection of their own."""
        with self.elsewhere() as other, other.transaction() as conn:
            latches.set_latch(conn, Latch(name, scope, "ann", WALL_MS, reason))

    def entry(self, qty: str = "2", stop: str = "99", target: str | None = "102", symbol: str = SOL) -> IntentDraft:
        """An entry draft as sizing makes it."""
        return entry_drafts(self.sized(qty, stop, target, symbol), TriggerBy.LAST)[0]

    def sized(self, qty: str = "2", stop: str = "99", target: str | None = "102", symbol: str = SOL) -> Sized:
        signal = Signal(symbol, "ma_cross", Side.LONG, D("0.7"), D(100), START_MS, ("by hand",))
        amount = D(qty)
        return Sized(
            admitted=Admitted(signal, ()),
            instrument=self.bot.instruments[symbol],
            side=Side.LONG,
            qty=amount,
            slices=(amount,),
            reference_price=D(100),
            notional=amount * 100,
            leverage=D(5),
            initial_margin=amount * 20,
            stop_price=D(stop),
            target_price=D(target) if target else None,
            risk_amount=amount * (100 - D(stop)),
            caps=(),
            verdicts=(),
        )


def embedded_of(assembled: Assembled) -> Embedded:
    assert isinstance(assembled.ground, Embedded)
    return assembled.ground


def _door(bot: Bot, clock: Clock) -> Door:
    return Door(
        bot.db, bot.venue, clock, epoch=bot.epoch, actor="bot", recv_window_ms=bot.config.venue.recv_window_ms,
        spacing_ms=bot.config.execution.symbol_spacing_ms, turn=bot.pace.turn, limited=bot.door.limited,
    )  # fmt: skip


def _behind(plan: Plan, assembled: Assembled, config: Config) -> Bot:
    """The assembled bot with `plan` in front of its venue."""
    bot, embedded = assembled.bot, embedded_of(assembled)
    inner = SimVenue(embedded.host, embedded.clock, feed=embedded.feed, faults=plan)
    pace = Pace(config.perps.max_requests_per_second, config.perps.max_requests_per_minute, bot.clock)
    backoff = [float(pause) for pause in config.execution.read_backoff_seconds]
    venue = Evident(PacedVenue(inner, pace, bot.clock, backoff), StoreEvidence(bot.db), booked_next=True)
    emergency = EmergencyDoor(
        str(bot.db.path), venue, bot.clock, actor="bot", store_tag=bot.db.identity.store_tag,
        recv_window_ms=config.venue.recv_window_ms,
    )  # fmt: skip
    changed = replace(bot, venue=venue, pace=pace, emergency=emergency)
    return replace(changed, door=_door(changed, bot.clock))


@contextmanager
def rig(
    folder: Path,
    rows: Sequence[Row] | Mapping[str, Sequence[Row]] | None,
    knobs: Mapping[str, object] | None = None,
    *,
    warm: int = 40,
    ready: bool = True,
    start_ms: int = START_MS,
    mode: str = "paper",
    guard: bool = False,
) -> Iterator[Rig]:
    """A bot on `rows` (of one symbol, or by symbol; None: generated prices) after `warm` flat candles.

    The flat candles are put before the rows and have passed when this returns; `ready` also runs start-up's recovery.
    The exchange begins with its first bar already traded.
    """
    config = configure(knobs)
    by_symbol = {} if rows is None else dict(rows) if isinstance(rows, Mapping) else {SOL: rows}
    files = tuple(
        candle_file(folder, [FLAT] * warm + list(part), symbol, start_ms) for symbol, part in by_symbol.items()
    )
    wall = Wall()
    plan = Plan()
    options = RunOptions(mode=mode, guard=guard, replay=files, store_path=folder / "bot.db", durable=False)
    with ExitStack() as stack, asyncio.Runner() as runner:
        assembled = assemble(config, options, wall_ms=wall, stack=stack)
        made = Rig(config, assembled, _behind(plan, assembled, assembled.bot.config), plan, wall, runner)
        if files and embedded_of(assembled).host.state.market_ms < start_ms + warm * FIVE_MS:
            made.step(warm - 1)
        if ready:
            assert made.start()
        yield made


@contextmanager
def lines(rig_: Rig, folder: Path, *, level: str = "DEBUG", fmt: str = "text") -> Iterator[Callable[[], list[str]]]:
    """The bot's own log file while the block lasts; call it for the lines so far."""
    path = folder / "logs" / "trading.log"
    close = logs.set_up(
        path=path,
        level=level,
        fmt=fmt,
        console=io.StringIO(),
        colour=False,
        now_ms=rig_.bot.clock.now_ms,
        redact=lambda text: text,
    )
    try:
        yield lambda: path.read_text(encoding="utf-8").splitlines()
    finally:
        close()


def refuse(desk: Rig, code: str, *codes: str, retry_after_ms: int | None = None) -> None:
    """From now on the venue takes none of our orders of these purposes ('st', 'ex', …; see ClientId)."""
    marks = [f".{each}." for each in codes]
    fault = Refuse(code, "no", retry_after_ms=retry_after_ms)
    desk.plan.always = lambda call: (
        fault if call.name == "place" and any(one in call.subject for one in marks) else None
    )


def count_commits(db: Database) -> list[str]:
    """Every COMMIT of this connection from now on, in a list that grows."""
    seen: list[str] = []
    db.conn.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    return seen
