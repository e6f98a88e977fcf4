"""Opening the simulated exchange: for the bot, which moves its market, and for operator commands, which do not.

Both open the same file from their own processes. A stepped market moves only in the bot's process; a wall-clock
market is brought up to the present by whoever opens it first, in bounded chunks, from the checkpoint of its path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tradectl.domain.candle import INTERVALS_MS
from tradectl.domain.instrument import Instrument
from tradectl.domain.ports import Clock
from tradectl.sim.clock import SteppedClock, WallClock, WallMs
from tradectl.sim.exchange import genesis
from tradectl.sim.exchange_file import BUSY_MS
from tradectl.sim.faults import FaultPlan
from tradectl.sim.feed import Feed
from tradectl.sim.filehost import FileHost
from tradectl.sim.host import Host, MemoryHost, apply_all
from tradectl.sim.instruments import listed
from tradectl.sim.market import Market, generated_feed, generated_market, replay_market
from tradectl.sim.ops import Op
from tradectl.sim.prices import anchors_from
from tradectl.sim.stamp import Stamp
from tradectl.sim.state import ExchangeState
from tradectl.sim.venue import SimVenue

if TYPE_CHECKING:
    from tradectl.config.schema import Config

CHUNK_BARS = 500  # most base candles in one commit while catching up with the wall clock


@dataclass(frozen=True, slots=True)
class Embedded:
    """The exchange inside the bot's process."""

    venue: SimVenue
    clock: Clock
    feed: Feed
    host: Host
    stamp: Stamp
    notices: tuple[str, ...]  # what an operator should be told of the market: gaps, mark and funding coverage
    wall: bool

    @property
    def interval(self) -> str:
        """The base candle's interval, by name."""
        return next(name for name, ms in INTERVALS_MS.items() if ms == self.feed.interval_ms)

    @property
    def pace_clock(self) -> Clock:
        """A stepped market stands still while requests wait their turn, so their waits have a clock of their own: how
        many requests a start-up took must not move a later order's time (promise 15)."""
        return self.clock if self.wall else SteppedClock(self.host, self.clock.wall_ms)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.feed.symbols)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self.host.state.instruments

    def market_ms(self) -> int:
        return self.host.state.market_ms

    def last_event_seq(self) -> int:
        return self.host.state.next_seq - 1

    def close(self) -> None:
        self.host.close()

    def step(self) -> bool:
        """Moves the market by one base candle in one commit; False when there is none left.

        On a wall clock the market is instead brought up to the present, and never ends.
        Raises VenueUnreachable when the exchange's file cannot be written within its bound.
        """
        if self.wall:
            catch_up(self.host, self.feed, self.clock.wall_ms())
            return True
        return self.host.advance(lambda state: self.feed.next_ops(state.market_ms), self.feed.checkpoint) is not None


@dataclass(frozen=True, slots=True)
class Existing:
    """An exchange that some bot began, as an operator command sees it."""

    venue: SimVenue
    clock: Clock
    host: FileHost


def catch_up(host: Host, feed: Feed, wall_ms: int) -> None:
    """Applies every base candle that has closed by `wall_ms`, at most CHUNK_BARS in a commit."""
    interval_ms = feed.interval_ms

    def plan(state: ExchangeState) -> tuple[Op, ...] | None:
        ops: list[Op] = []
        at_ms = state.market_ms
        while at_ms + interval_ms <= wall_ms and at_ms < state.market_ms + CHUNK_BARS * interval_ms:
            ops += feed.next_ops(at_ms) or ()
            at_ms += interval_ms
        return tuple(ops) if ops else None

    while host.state.market_ms + interval_ms <= wall_ms:
        host.advance(plan, feed.checkpoint)


def open_embedded(
    config: Config,
    exchange_path: Path | None,
    *,
    wall_ms: WallMs,
    symbols: Sequence[str] | None = None,
    interval: str | None = None,
    replay_files: Sequence[Path] = (),
    replay_symbol: str | None = None,
    durable: bool = True,
    busy_ms: int = BUSY_MS,
    faults: FaultPlan | None = None,
) -> Embedded:
    """The exchange for the bot: begun anew, or continued at its stored time.

    exchange_path: its file; None keeps it in memory. symbols: generated markets (None: the config's). interval: of
    the candles the strategy reads (None: the replay's own, or the config's). replay_files: trade-candle files, which
    make it a replay; replay_symbol with interval declare a file whose name does not say.
    Raises ConfigError (files, intervals, symbols), StoreMismatch (the file is of another market or other settings),
    StoreTooNew, NotAvailable, VenueUnreachable.
    """
    instruments = listed(config.sim.instruments)
    market: Market
    if replay_files:
        market = replay_market(config, instruments, replay_files, replay_symbol, interval)
    else:
        traded = tuple(symbols or config.market.candidate_symbols or (config.perps.symbol,))
        market = generated_market(config, instruments, traded, interval, wall_ms())
    wall = config.sim.clock == "wall"
    host: Host
    if exchange_path is None:
        state, _ = _begin(config, market)
        host, stamp = MemoryHost(state), market.stamp
        feed = market.feed(stamp, {})
    else:
        held = FileHost.open(
            exchange_path,
            stamp=market.stamp,
            create_with=lambda: _begin(config, market),
            durable=durable,
            busy_ms=busy_ms,
        )
        host, stamp = held, held.stamp
        feed = market.feed(stamp, anchors_from(held.checkpoint))
    clock: Clock = WallClock(wall_ms) if wall else SteppedClock(host, wall_ms)
    venue = SimVenue(
        host,
        clock,
        feed=feed,
        faults=faults,
        present=_presence(host, feed, wall_ms) if wall else None,
    )
    return Embedded(venue, clock, feed, host, stamp, market.notices, wall)


def open_existing(
    exchange_path: Path,
    *,
    wall_ms: WallMs,
    durable: bool = True,
    busy_ms: int = BUSY_MS,
    faults: FaultPlan | None = None,
) -> Existing:
    """The exchange for an operator command, from its file alone: no config, no replay files.

    A stepped market stands where the bot left it: orders act at the stored instant, a sleep moves the exchange's
    server time, and candles are not to be had. A wall-clock market is brought up to the present first.
    Raises VenueUnreachable (missing, locked, damaged, unreadable) and StoreTooNew.
    """
    host = FileHost.open(exchange_path, durable=durable, busy_ms=busy_ms)
    if host.stamp.fact("sim.clock") != "wall":
        clock: Clock = SteppedClock(host, wall_ms, commit_sleeps=True)
        return Existing(SimVenue(host, clock, feed=None, faults=faults), clock, host)
    feed = generated_feed(host.stamp, host.state.instruments, anchors_from(host.checkpoint))
    clock = WallClock(wall_ms)
    present = _presence(host, feed, wall_ms)
    present()
    venue = SimVenue(host, clock, feed=feed, faults=faults, present=present)
    return Existing(venue, clock, host)


def _begin(config: Config, market: Market) -> tuple[ExchangeState, str]:
    """A new exchange that has seen one bar, so that there are prices to quote, and its feed's checkpoint."""
    feed = market.feed(market.stamp, {})
    start_ms = feed.first_ms if market.stamp.fact("sim.source") == "replay" else feed.first_ms - feed.interval_ms
    state = genesis(config.sim, market.instruments, start_ms)
    state, _ = apply_all(state, feed.next_ops(start_ms) or ())
    return state, feed.checkpoint()


def _presence(host: Host, feed: Feed, wall_ms: WallMs) -> Callable[[], None]:
    return lambda: catch_up(host, feed, wall_ms())
