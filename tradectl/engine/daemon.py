"""Cycle after cycle until it is told to stop: Ctrl-C and SIGTERM finish the cycle, report, and release the lease.

On a stepped clock this process moves the market by one base candle and then decides; a cycle that did not complete is
run again at the same instant before the market moves. On a wall clock it runs every `engine.cycle_seconds`.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tradectl import logs
from tradectl.config.schema import Config
from tradectl.domain.candle import INTERVALS_MS
from tradectl.domain.intent import Intent
from tradectl.domain.ledger import ClosedTrade
from tradectl.domain.system_state import Latch
from tradectl.domain.tags import Tag
from tradectl.engine import guard_session, guarding, record
from tradectl.engine.assemble import Assembled, RunOptions, assemble
from tradectl.engine.between import look_after
from tradectl.engine.bot import Bot
from tradectl.engine.cycle import run_cycle
from tradectl.engine.cycle_report import CycleReport
from tradectl.engine.emergency import import_emergency
from tradectl.engine.ending import insist
from tradectl.engine.recover import recover, restore
from tradectl.engine.session_report import SessionReport, held_positions
from tradectl.engine.state import take_in
from tradectl.errors import (
    Busy,
    EntryRefused,
    LeaseHeld,
    StoreBusy,
    StoreUnwritable,
    ToolError,
    TradectlError,
    VenueUnreachable,
)
from tradectl.execution.protect_blind import protect_blind
from tradectl.store import cycles, emergency_orders, intents, latches, lease, ledger, session
from tradectl.store.connection import Connection

_log = logs.get("engine.daemon")

RETRY_SECONDS = 1.0  # before a failed cycle is tried again
HEARTBEAT_SECONDS = 5.0
LAST_LOOK_S = 10.0  # for taking in what the last orders came to
FAULTS_IN_A_ROW = 5  # unexpected errors before the bot stops itself


@dataclass(slots=True)
class Run:
    """The counters of this run of the process."""

    options: RunOptions
    cycles: int = 0
    failed: int = 0
    faults_in_a_row: int = 0
    signals: int = 0
    entries: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    held_back: Counter[str] = field(default_factory=Counter)  # cycles that a gate ended before any signal
    equity_start: Decimal | None = None
    venue_from_ms: int = 0
    end_reason: str = ""
    last: CycleReport | None = None
    number: int = 0  # of the last complete cycle, and the market time it decided at; as the store has them
    decided_ms: int = 0

    def count(self, report: CycleReport) -> None:
        self.cycles += 1
        self.faults_in_a_row = 0
        self.signals += report.signals
        self.last = report
        self.number = report.number
        if self.equity_start is None:
            self.equity_start = report.equity_before
            self.venue_from_ms = report.snapshot.at_ms
        for decision in report.decisions:
            self.entries += decision.outcome == "entered"
            if decision.outcome == "refused":
                (self.held_back if decision.signal is None else self.refusals)[decision.code] += 1
            elif decision.outcome in ("error", "not_filled"):
                self.held_back[decision.code] += 1


def run(
    config: Config,
    options: RunOptions,
    *,
    log_path: str,
    wall_ms: Callable[[], int],
    on_clock: Callable[[Callable[[], int]], None],
) -> SessionReport:
    """The whole life of a bot process. `on_clock` is handed the venue's clock as long as there is one.

    Raises TradectlError when it cannot start or must not go on. A store that is locked when it ends costs no report:
    what could not be written is in `unwritten`.
    """
    with ExitStack() as stack:
        assembled = assemble(config, options, wall_ms=wall_ms, stack=stack)
        on_clock(assembled.bot.clock.now_ms)
        stack.callback(on_clock, wall_ms)  # what is said from then on has no venue clock to be stamped with
        report = asyncio.run(_live_until_signalled(assembled, options, log_path))
    return replace(report, unwritten=tuple(assembled.unwritten))


@dataclass(slots=True)
class Stop:
    """How a bot is told to finish its cycle and end."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""

    def tell(self, reason: str) -> None:
        self.reason = reason
        _log.emit(Tag.SESSION, f"{reason}: finishing the cycle")
        self.event.set()


async def live(assembled: Assembled, options: RunOptions, log_path: str, stop: Stop) -> SessionReport:
    """Recovery, then cycle after cycle until its end; time passes on the event loop's clock."""
    bot = assembled.bot
    tally = Run(options, venue_from_ms=bot.clock.now_ms())
    _log.emit(
        Tag.SESSION,
        f"session {assembled.session.number} in {options.session_mode} mode on {bot.venue.name}",
        account=bot.db.identity.account,
        symbols=",".join(bot.symbols),
        interval=bot.config.perps.interval,
        store=bot.db.path,
        epoch=bot.epoch,
    )
    if bot.guard:
        guard_session.say_start(bot)
    elif not bot.config.perps.enabled:
        _log.emit(Tag.SESSION, "Perps trading disabled: no entries; positions stay protected", level=30)
    restore(bot)
    with bot.db.read() as conn:
        progress = cycles.progress(conn)
    tally.number, tally.decided_ms = progress.cycle, progress.venue_ms
    now = asyncio.get_running_loop().time
    deadline = now() + options.for_seconds if options.for_seconds is not None else None
    while not stop.event.is_set():
        began = now()
        moved: bool | None = None
        if options.cycles is not None and tally.cycles >= options.cycles:
            tally.end_reason = f"{options.cycles} cycles done"
        elif deadline is not None and now() >= deadline:
            tally.end_reason = f"{options.for_seconds:g} s have passed"
        elif (moved := _advance(assembled, tally)) is False:
            tally.end_reason = "the market data ended"
        if tally.end_reason:
            break
        done = bool(moved) and await _attempt(assembled, tally)
        await _wait(assembled, stop, deadline, began, done)
    tally.end_reason = tally.end_reason or stop.reason
    await _last_look(bot, tally)
    return _finish(assembled, tally, log_path)


async def _last_look(bot: Bot, tally: Run) -> None:
    """What the last orders came to, taken into the books; what cannot be read now, the next run takes in."""
    if tally.last is None:
        return
    try:
        async with asyncio.timeout(LAST_LOOK_S):
            tally.last.snapshot, _ = await take_in(bot, await bot.venue.snapshot())
    except (Busy, StoreUnwritable, TimeoutError) as error:
        said = error.what if isinstance(error, TradectlError) else f"no answer within {LAST_LOOK_S} s"
        _log.emit(Tag.SESSION, f"the last fills are left for the next run: {said}", level=30)


async def _live_until_signalled(assembled: Assembled, options: RunOptions, log_path: str) -> SessionReport:
    stop = Stop()
    _listen(stop)
    return await live(assembled, options, log_path, stop)


def _listen(stop: Stop) -> None:
    """The first signal finishes the cycle; a second one ends the process where it stands."""
    loop = asyncio.get_running_loop()

    def told(number: int) -> None:
        # From here on a signal interrupts whatever is running, also a wait for the store, and not the loop's next turn.
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.default_int_handler)
        stop.tell(f"stopped by {signal.Signals(number).name}")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told, number)


def _advance(assembled: Assembled, tally: Run) -> bool | None:
    """Moves a stepped market on, unless the cycle of the present instant has still to be run.

    False at the end of its data, None when the exchange could not be reached: tried again like a failed cycle.
    """
    ground = assembled.ground
    try:
        if ground.wall or tally.decided_ms < ground.market_ms():
            return True
        return ground.step()
    except VenueUnreachable as error:
        tally.failed += 1
        _log.emit(
            Tag.SAFETY_EXECUTION_ERROR, f"the market could not be moved on: {error.what}", error="VenueUnreachable"
        )
        return None


async def _attempt(assembled: Assembled, tally: Run) -> bool:
    """One cycle. False when it could not be completed; nothing is guessed, and the same instant is tried again."""
    bot = assembled.bot
    try:
        if bot.memory.acted_blind:  # before anything is decided: a stop in doubt among it may arrive yet
            import_emergency(bot)
            bot.memory.acted_blind = False
        if not bot.memory.recovered and not await recover(bot):
            tally.failed += 1
            return False
        market_ms = assembled.ground.market_ms()
        report = await run_cycle(bot, tally.number + 1)
        tally.count(report)
        tally.decided_ms = market_ms
        return True
    except EntryRefused as refusal:
        if refusal.code == "lease":
            raise LeaseHeld(refusal.what, where=refusal.where, why=refusal.why, hint=refusal.hint) from refusal
        raise
    except (Busy, StoreUnwritable) as error:
        tally.failed += 1
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"cycle not completed: {error.what}", error=type(error).__name__)
        guarding.aborted(bot)
        if isinstance(error, StoreBusy | StoreUnwritable):
            await _protect_blind(bot)
        return False
    except TradectlError:
        raise
    except Exception as error:
        tally.failed += 1
        tally.faults_in_a_row += 1
        logs.trace("engine.daemon", f"cycle failed: {type(error).__name__}: {error}")
        if tally.faults_in_a_row >= FAULTS_IN_A_ROW:
            raise ToolError(
                f"{FAULTS_IN_A_ROW} cycles in a row failed with an error of the bot itself",
                why=f"{type(error).__name__}: {error}",
                hint="positions keep their stops at the venue; look at the log, then tradectl positions list",
            ) from error
        return False


async def _protect_blind(bot: Bot) -> None:
    """The store cannot be written: entries have stopped with it, protection goes on without it (promise 1)."""
    memory = bot.memory
    memory.acted_blind = True
    try:
        snapshot = await bot.venue.snapshot()
        skew_ms = bot.protection.max_skew_ms
        waiting = {symbol: expires_ms + skew_ms for symbol, expires_ms in bot.door.unsettled.items()}
        beside = emergency_orders.stops_under_way(bot.db.path)  # an operator's among them
        waiting |= {symbol: expires_ms + skew_ms for symbol, expires_ms in beside.items()}
        waiting |= memory.blind_waiting
        memory.blind_waiting = await protect_blind(
            bot.emergency, snapshot, bot.instruments, bot.protection, memory.books, waiting, memory.strikes
        )
    except VenueUnreachable as error:
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"neither store nor venue can be reached: {error.what}", level=50)


async def _wait(assembled: Assembled, stop: Stop, deadline: float | None, began: float, done: bool) -> None:
    """Until the next cycle is due, with the lease kept alive; returns at once when told to stop."""
    now = asyncio.get_running_loop().time
    pause = _pause_seconds(assembled, done) - (now() - began)
    if deadline is not None:
        pause = min(pause, deadline - now())
    if pause <= 0:
        await asyncio.sleep(0)  # lets a signal in
        return
    bot = assembled.bot
    watch_s = float(bot.config.engine.protection_seconds) if done and assembled.ground.wall else None
    until, watch_at = now() + pause, now() + (watch_s or 0)
    while not stop.event.is_set() and (left := until - now()) > 0:
        step = min(left, HEARTBEAT_SECONDS) if watch_s is None else min(left, HEARTBEAT_SECONDS, watch_at - now())
        try:
            await asyncio.wait_for(stop.event.wait(), max(step, 0))
        except TimeoutError:
            _heartbeat(assembled)
        if watch_s is not None and now() >= watch_at and until - now() > 0 and not stop.event.is_set():
            await look_after(bot)
            watch_at = now() + watch_s


def _pause_seconds(assembled: Assembled, done: bool) -> float:
    if not done:
        return RETRY_SECONDS
    if assembled.ground.wall:
        return float(assembled.bot.config.engine.cycle_seconds)
    speed = assembled.speed
    if speed is None:
        return 0.0
    return INTERVALS_MS[assembled.ground.interval] / 1000 / speed


def _heartbeat(assembled: Assembled) -> None:
    bot = assembled.bot
    try:
        with bot.db.transaction() as conn:
            lease.heartbeat(conn, bot.epoch, bot.clock.wall_ms())
    except (Busy, StoreUnwritable) as error:
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"heartbeat not written: {error.what}", level=30)


def _finish(assembled: Assembled, tally: Run, log_path: str) -> SessionReport:
    """Ends the session in the store and sums it up."""
    bot = assembled.bot
    snapshot = tally.last.snapshot if tally.last is not None else None
    closed, active, doubtful = _end_session(assembled, tally)
    record.drain(bot)
    report = SessionReport(
        mode=tally.options.mode,
        end_reason=tally.end_reason,
        cycles=tally.cycles,
        failed_cycles=tally.failed,
        venue_from_ms=tally.venue_from_ms,
        venue_to_ms=bot.clock.now_ms(),
        currency=bot.venue.currency,
        equity_start=tally.equity_start or Decimal(0),
        equity_end=snapshot.equity if snapshot is not None else Decimal(0),
        entries=tally.entries,
        signals=tally.signals,
        trades=tuple(trade for trade in closed if _of_this_run(assembled, trade.number)),
        refusals=tuple(tally.refusals.most_common()),
        held_back=tuple(tally.held_back.most_common()),
        held=held_positions(snapshot) if snapshot is not None else (),
        latches=active,
        in_doubt=len(doubtful),
        state_path=str(bot.db.path),
        log_path=log_path,
        guard=bot.guard,
    )
    _log.emit(
        Tag.SESSION,
        f"session ended: {tally.end_reason}",
        cycles=tally.cycles,
        trades=len(report.trades),
        net=f"{report.net:.2f}",
        equity=f"{report.equity_end:.2f}",
    )
    return report


_Books = tuple[list[ClosedTrade], tuple[Latch, ...], tuple[Intent, ...]]


def _end_session(assembled: Assembled, tally: Run) -> _Books:
    """Ends the session, and reads what the report tells of the books; what the store does not allow is noted."""
    bot = assembled.bot

    def end(conn: Connection) -> _Books:
        session.end(conn, at_ms=bot.clock.now_ms(), reason=tally.end_reason)
        return _books(conn, assembled)

    try:
        return insist(bot.db, end)
    except (StoreBusy, StoreUnwritable) as error:
        trouble = f"the session's end could not be written: {error.what}; the next run goes on with this session"
    _log.emit(Tag.SAFETY_EXECUTION_ERROR, trouble, level=30)
    assembled.unwritten.append(trouble)
    try:
        with bot.db.read() as conn:
            return _books(conn, assembled)
    except (StoreBusy, StoreUnwritable) as error:
        assembled.unwritten.append(
            f"nor could the books be read: trades, latches and doubts are not shown: {error.what}"
        )
        return [], (), ()


def _books(conn: Connection, assembled: Assembled) -> _Books:
    newest = ledger.next_trade_number(conn)
    oldest = min(assembled.carried, default=assembled.first_trade_number)
    return ledger.trades(conn, max(newest - oldest, 1)), latches.active(conn), intents.in_doubt(conn)


def _of_this_run(assembled: Assembled, number: int) -> bool:
    return number >= assembled.first_trade_number or number in assembled.carried
