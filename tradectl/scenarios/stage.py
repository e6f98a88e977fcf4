"""One scenario's world while it is played: the exchange, the bot, the operator's hands, and all that was said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tradectl import logs
from tradectl.config.schema import Config
from tradectl.config.secrets import redact
from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.instrument import Instrument
from tradectl.domain.order import Confirmed, OrderFact
from tradectl.domain.position import PositionFact
from tradectl.engine.assemble import RunOptions
from tradectl.errors import ConfigError
from tradectl.risk.pipeline import candles_needed
from tradectl.scenarios import wire
from tradectl.scenarios.chaos.acts import Acts, Claim
from tradectl.scenarios.chaos.draw import Happening
from tradectl.scenarios.chaos.fates import Weather
from tradectl.scenarios.scripted import ScriptedFeed
from tradectl.scenarios.story import Story
from tradectl.scenarios.wire import Fate
from tradectl.scenarios.world import START_MS, World
from tradectl.sim import views
from tradectl.sim.events import Accepted
from tradectl.sim.faults import Answer, Call, Distort, LoseAnswer, Refuse
from tradectl.sim.host import Applied
from tradectl.sim.instruments import listed
from tradectl.sim.ops import Op, PlaceOrder
from tradectl.sim.prices import path_model
from tradectl.sim.state import ExchangeState
from tradectl.store import cycles
from tradectl.store.connection import Connection
from tradectl.store.database import Database
from tradectl.strategy.select import make

DAY_MINUTES = 24 * 60
POLL_S = 1.0
_EVENTS = 100_000
_OTHERS = ("ETHUSDT", "BTCUSDT")


@dataclass(frozen=True, slots=True)
class Heard:
    """A line of the log, as it stands in the file."""

    at_ms: int
    tag: str
    alert: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry order of ours that the exchange has taken."""

    at_ms: int
    client_id: str
    symbol: str
    qty: Decimal


OnLine = Callable[[Heard], None]


class Ears(logging.Handler):
    """Keeps every line that the bot and the commands write."""

    def __init__(self, now_ms: Callable[[], int], on_line: OnLine | None) -> None:
        super().__init__()
        self._now_ms = now_ms
        self._on_line = on_line
        self.lines: list[Heard] = []
        self.faults: list[str] = []  # errors of our own code that it survived
        self.setFormatter(logs.TextFormatter(now_ms, redact))

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.faults.append(record.getMessage())
        tag, alert = getattr(record, "tag", ""), getattr(record, "alert", "")
        heard = Heard(self._now_ms(), tag, alert, self.format(record).replace("\n", " "))
        self.lines.append(heard)
        if self._on_line is not None:
            self._on_line(heard)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong with some calls until a moment."""

    until_ms: int
    fate: Callable[[Call], Fate | None]


class Troubled:
    """What becomes of a call: what the scenario says, else what a good network does with it."""

    def __init__(self, plain: wire.Fates, hands: Hands) -> None:
        self._plain, self._hands = plain, hands

    def of(self, call: Call) -> Fate:
        self._hands.asked += 1
        for fault in self._hands.faults:
            if self._hands.world.now_ms() < fault.until_ms and (fate := fault.fate(call)) is not None:
                return fate
        return self._plain.of(call)


@dataclass
class Hands(Acts):
    """The hands of chaos, on a network whose faults a scenario chooses."""

    faults: list[Fault] = field(default_factory=list)
    asked: int = 0  # requests of all processes

    def _fates(self, name: str) -> wire.Fates:
        return Troubled(super()._fates(name), self)


@dataclass
class Stage:
    """`mark_*`: the state of things when the present round began."""

    story: Story
    world: World
    hands: Hands
    ears: Ears
    feed: ScriptedFeed
    first: str
    other: str
    entries: list[Entry] = field(default_factory=list)
    provoked: set[str] = field(default_factory=set)  # what errors of our own that a step asked for have in their text
    mark_ms: int = 0
    mark_line: int = 0
    mark_asked: int = 0
    mark_stops: Mapping[str, OrderFact] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        return self.world.config

    def market(self, named: str) -> str:
        return self.first if named == "first" else self.other

    def mark(self) -> None:
        self.mark_ms, self.mark_line = self.world.now_ms(), len(self.ears.lines)
        self.mark_asked = self.hands.asked
        self.mark_stops = {order.order_id: order for order in self.orders() if order.protective}

    def since_mark(self) -> list[Heard]:
        return self.ears.lines[self.mark_line :]

    # The exchange's own books

    def positions(self) -> tuple[PositionFact, ...]:
        return views.snapshot(self.world.exchange.state).positions

    def position(self, symbol: str) -> PositionFact | None:
        return next((one for one in self.positions() if one.symbol == symbol), None)

    def orders(self) -> tuple[OrderFact, ...]:
        return views.open_orders(self.world.exchange.state)

    def accepted(self) -> list[Accepted]:
        """Every order that it has taken since the scenario began, children of entries among them."""
        found = self.world.exchange.events_after(0, _EVENTS)
        return [event for event in found if isinstance(event, Accepted)]

    def equity(self) -> Decimal:
        return views.snapshot(self.world.exchange.state).equity

    # The bot's own

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """The store as it is now; None before there is one."""
        if not self.world.store.exists():
            yield None
            return
        with Database.open(self.world.store, expect=None, readonly=True) as db, db.read() as conn:
            yield conn

    def cycle(self) -> int:
        with self.reading() as conn:
            return 0 if conn is None else cycles.progress(conn).cycle

    async def cycles(self, more: int, within_ms: int) -> bool:
        """Until so many cycles were completed from now on."""
        wanted = self.cycle() + more
        return await self.until(lambda: self.cycle() >= wanted, within_ms)

    async def until(self, so: Callable[[], object], within_ms: int) -> bool:
        """Looks once a second of virtual time."""
        end_ms = self.world.now_ms() + within_ms
        while not so():
            if self.world.now_ms() >= end_ms:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def happen(self, kind: str, who: str, symbol: str, **args: object) -> None:
        common = {"symbol": symbol, "override": False, "pick": 0.0, "dies_at": 0, "share": 1.0, "usd": 300}
        await self.hands.happen(Happening(self.world.now_ms(), kind, who, {**common, **args}))

    def claims(self, command: str) -> list[Claim]:
        return [one for one in self.hands.claims if one.command == command]

    def saw(self, op: Op, applied: Applied, before: ExchangeState, after: ExchangeState) -> None:
        """Told of everything that the exchange does, as it does it."""
        if isinstance(op, PlaceOrder) and isinstance(applied.reply, Confirmed):
            request = op.request
            if request.client_id.split(".")[2:3] == ["en"] and not self.world.exchange.by_person:
                self.entries.append(
                    Entry(self.world.now_ms(), request.client_id, request.symbol, request.qty or Decimal(0))
                )


def lost(call: Call) -> Fate | None:
    return Fate(fault=LoseAnswer()) if call.name == "place" else None


def _places(call: Call, purpose: str) -> bool:
    return call.name == "place" and call.subject.split(".")[2:3] == [purpose]


def refused_stop(call: Call) -> Fate | None:
    """The venue takes no stop, in whatever call it comes; that passes by itself."""
    busy = Refuse("engine_busy", "the matching engine is overloaded")
    return Fate(fault=busy) if _places(call, "st") else None


def forbidden_stop(call: Call) -> Fate | None:
    """The venue takes no stop, for a reason that does not pass."""
    never = Refuse("permission_denied", "conditional orders are not allowed in this market")
    return Fate(fault=never) if _places(call, "st") else None


def refused_target(call: Call) -> Fate | None:
    """The first of several targets is not to the venue's liking; the second is."""
    return Fate(fault=Refuse("price", "the price is out of its band")) if _places(call, "t1") else None


def cancelled_unseen(call: Call) -> Fate | None:
    """The cancel is carried out, and its answer says that there is no such order: a library has repeated it."""
    return Fate(fault=Answer("order_not_found", "order does not exist")) if call.name == "cancel" else None


def fills_missing(call: Call) -> Fate | None:
    """The venue's list of fills lacks the newest: positions are there before what made them."""
    return Fate(fault=Distort(tail=3)) if call.name == "account_events" else None


def rate_limited(call: Call) -> Fate | None:
    return Fate(fault=Refuse("rate_limited", "too many requests", retry_after_ms=20_000))


def build(config: Config, story: Story, folder: Path, on_line: OnLine | None) -> Stage:
    """The world of a scenario, before anything has happened. Raises ConfigError for a market that nobody lists."""
    first = config.symbols()[0]
    other = next(symbol for symbol in _OTHERS if symbol != first)
    table = listed(config.sim.instruments)
    if first not in table:
        raise ConfigError(
            f"{first} is not listed on the simulated exchange", hint=f"declare it under sim.instruments.{first}"
        )
    instruments: dict[str, Instrument] = {symbol: table[symbol] for symbol in (first, other)}
    declared = config.sim.instruments.get(first)
    prices = {
        symbol: path_model(
            config.sim.seed, instrument, MINUTE_MS, declared.start_price if declared and symbol == first else None
        ).start
        for symbol, instrument in instruments.items()
    }
    warm = max(candles_needed(config, make(config).needs), DAY_MINUTES) + 2

    def market(world: World) -> ScriptedFeed:
        return ScriptedFeed(instruments, prices, warm, world.start_ms, first)

    world = World(
        config,
        folder,
        config.sim.seed,
        instruments,
        prices,
        0,
        options=RunOptions(store_path=folder / "bot.db", durable=False, lock_wait_ms=0, config_digest="scenario"),
        start_ms=START_MS + story.starts_minute * MINUTE_MS,
        market_of=market,
    )
    assert isinstance(world.feed, ScriptedFeed)
    hands = Hands(world, Weather())
    stage = Stage(story, world, hands, Ears(world.now_ms, on_line), world.feed, first, other)
    world.exchange.watchers.append(stage.saw)
    return stage
