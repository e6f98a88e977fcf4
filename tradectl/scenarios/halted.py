"""The real bot, started on a book that an invariant halts: what it does with it, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from tradectl.config.schema import Config
from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.money import ZERO
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.engine.assemble import RunOptions
from tradectl.risk.pipeline import candles_needed
from tradectl.scenarios import virtual
from tradectl.scenarios.book import Book
from tradectl.scenarios.chaos.fates import RandomFates, Weather
from tradectl.scenarios.effective import SLOWEST_CYCLE_S
from tradectl.scenarios.play import listening
from tradectl.scenarios.scratch import scratch_folder, state_folder
from tradectl.scenarios.scripted import ScriptedFeed
from tradectl.scenarios.stage import Ears
from tradectl.scenarios.world import Bot, Exchange, World
from tradectl.sim import views
from tradectl.store import cycles, latches, risk
from tradectl.store.database import Database
from tradectl.strategy.select import make

HALTS_WITHIN_S = 120
SWEPT_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Halted:
    """reason: of the halt; '' where it did not come. positions: before the bot was there. stops: how many of them are
    still held after its sweep, and covered by the very stops that they had."""

    reason: str
    positions: int
    stops: int
    log: tuple[str, ...]

    @property
    def kept(self) -> bool:
        return self.stops == self.positions


def halted(book: Book, own: Config, peak: Decimal | None) -> Halted:
    """book: as it is after the move. own: the operator's configuration. peak: what the account had at its best, where
    it had lost of it before the first entry."""
    config = _ground(own)
    folder = scratch_folder("proof-")
    try:
        world = _world(book, config, folder)
        ears = Ears(world.now_ms, None)
        with state_folder(folder), listening(ears, logging.INFO):
            return virtual.run(_watch(world, ears, peak))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _world(book: Book, config: Config, folder: Path) -> World:
    """The exchange as it stands, and a market that stands still from here on: what it came near, it does not touch."""
    instruments = dict(book.state.instruments)
    prices = {symbol: one.last for symbol, one in book.state.prices.items()}
    start_ms = book.state.server_ms - book.state.server_ms % MINUTE_MS + MINUTE_MS
    warm = candles_needed(config, make(config).needs) + 2

    def market(world: World) -> ScriptedFeed:
        feed = ScriptedFeed(instruments, prices, warm, world.start_ms, config.symbols()[0], ZERO)
        feed.symbols = tuple(symbol for symbol in config.symbols() if symbol in instruments)
        return feed

    world = World(
        config,
        folder,
        config.sim.seed,
        instruments,
        prices,
        0,
        options=RunOptions(store_path=folder / "bot.db", durable=False, lock_wait_ms=0, config_digest="proof"),
        start_ms=start_ms,
        market_of=market,
    )
    world.exchange = Exchange(book.state)
    return world


def _ground(own: Config) -> Config:
    """What the simulated exchange in virtual time needs; every limit stays the operator's own."""
    return own.model_copy(
        update={
            "perps": own.perps.model_copy(update={"interval": "1m"}),
            "venue": own.venue.model_copy(update={"name": "sim", "base_url": None}),
            "sim": own.sim.model_copy(update={"source": "generated"}),
            "engine": own.engine.model_copy(update={"cycle_seconds": min(own.engine.cycle_seconds, SLOWEST_CYCLE_S)}),
        }
    )


async def _watch(world: World, ears: Ears, peak: Decimal | None) -> Halted:
    stops = {order.order_id for order in views.open_orders(world.exchange.state) if order.protective}
    positions = len(views.snapshot(world.exchange.state).positions)
    market = asyncio.get_running_loop().create_task(world.market())
    try:
        bot = _start(world)
        if peak is not None and await _until(lambda: _cycles(world) > 0):
            await world.kill(bot)
            _remember(world, peak)
            _start(world)
        if not await _until(lambda: _reason(world)):
            return Halted("", positions, 0, _lines(ears))
        await asyncio.sleep(SWEPT_WITHIN_S)
        snapshot = views.snapshot(world.exchange.state)
        kept = tuple(order for order in snapshot.orders if order.order_id in stops)
        covered = [one for one in snapshot.positions if coverage(one, kept).protection is Protection.COVERED]
        return Halted(_reason(world), positions, len(covered), _lines(ears))
    finally:
        market.cancel()
        await world.end()


def _start(world: World) -> Bot:
    return world.start_bot(RandomFates(world.dice(f"bot{len(world.bots)}"), Weather()))


async def _until(so: Callable[[], object]) -> bool:
    for _ in range(HALTS_WITHIN_S):
        if so():
            return True
        await asyncio.sleep(1)
    return False


def _cycles(world: World) -> int:
    if not world.store.exists():
        return 0
    with Database.open(world.store, expect=None, readonly=True) as db, db.read() as conn:
        return cycles.progress(conn).cycle


def _remember(world: World, peak: Decimal) -> None:
    """What the account had at its best, as a bot that had traded it all along would know."""
    with Database.open(world.store, expect=None) as db, db.transaction() as conn:
        state = risk.load(conn)
        if state is not None:
            risk.save(conn, replace(state, peak_equity=max(state.peak_equity, peak)))


def _reason(world: World) -> str:
    if not world.store.exists():
        return ""
    with Database.open(world.store, expect=None, readonly=True) as db, db.read() as conn:
        return next((one.reason for one in latches.active(conn) if one.name is LatchName.HALT), "")


def _lines(ears: Ears) -> tuple[str, ...]:
    return tuple(heard.text for heard in ears.lines if heard.tag.startswith("SAFETY_"))
