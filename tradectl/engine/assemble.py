"""Start-up in order: open and check the store → lease on the account → open the venue → put the bot together.

Whatever fails here fails before anything was placed, with everything opened so far closed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tradectl import logs
from tradectl.alerts.log_sink import LogSink
from tradectl.config.available import BUILT_MODES
from tradectl.config.in_force import limited_of, without_policy
from tradectl.config.in_guard import unexplained
from tradectl.config.schema import Config
from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.money import CURRENCY, text
from tradectl.domain.order import TriggerBy
from tradectl.domain.tags import Tag
from tradectl.engine import preflight
from tradectl.engine.bot import Bot
from tradectl.engine.ending import insist
from tradectl.engine.ground import Ground
from tradectl.engine.listing import Listed
from tradectl.errors import NotAvailable, StoreBusy, StoreMismatch, StoreUnwritable
from tradectl.execution.exits import ExitRules
from tradectl.execution.limited import LimitedDoor
from tradectl.execution.observe import Evident, StoreEvidence
from tradectl.execution.protect import ProtectionRules
from tradectl.execution.submit import Door
from tradectl.execution.sweep import EmergencyDoor
from tradectl.sim.embedded import open_embedded
from tradectl.store import cycles, emergency, guard, halt, lease, ledger, pointers, session, settings
from tradectl.store.connection import Connection
from tradectl.store.database import LOCK_WAIT_MS, Database
from tradectl.store.identity import Identity
from tradectl.strategy.select import make
from tradectl.venue.pace import Pace
from tradectl.venue.paced import PacedVenue

_log = logs.get("engine.assemble")

PAPER = "paper"
MODES = ("paper", "testnet", "live_limited", "live")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `run` was asked for. `speed`: venue seconds per wall second; None is as fast as it can.

    guard: no strategy and no entries; invariants, protection and emergency stop over what something else trades.
    """

    mode: str = PAPER
    guard: bool = False
    cycles: int | None = None
    for_seconds: float | None = None
    speed: float | None = None
    replay: tuple[Path, ...] = ()
    symbol: str | None = None  # declares a replay file that does not name itself
    interval: str | None = None
    store_path: Path | None = None
    durable: bool = True
    fresh: bool = False  # begin the paper account anew; the old files are set aside
    config_digest: str = ""
    lock_wait_ms: int = LOCK_WAIT_MS  # for the store's lock

    @property
    def session_mode(self) -> str:
        """As the session's record has it."""
        return guard.mode_of(self.mode) if self.guard else self.mode


@dataclass(frozen=True, slots=True)
class Assembled:
    bot: Bot
    ground: Ground
    session: session.Session
    first_trade_number: int
    carried: frozenset[int]  # trades that were open when this run began
    speed: float | None
    unwritten: list[str] = field(default_factory=list)  # what could not be written when it ended, a sentence each


def store_path(config: Config, options: RunOptions) -> Path:
    return options.store_path or config.store_path(PAPER)


def exchange_path(path: Path) -> Path:
    """The simulated exchange's own file, beside the store: the other side never shares one with the bot."""
    return path.with_name(f"{path.stem}.exchange{path.suffix or '.db'}")


OpenGround = Callable[[Config, RunOptions, Path, Callable[[], int]], Ground]  # the path: of an exchange's own file


def embedded_ground(config: Config, options: RunOptions, market: Path, wall_ms: Callable[[], int]) -> Ground:
    """The simulated exchange inside the bot's process, in a file of its own."""
    return open_embedded(
        config,
        market,
        wall_ms=wall_ms,
        symbols=(options.symbol,) if options.symbol and not options.replay else None,
        interval=options.interval,
        replay_files=options.replay,
        replay_symbol=options.symbol if options.replay else None,
        durable=options.durable,
    )


def assemble(
    config: Config,
    options: RunOptions,
    *,
    wall_ms: Callable[[], int],
    stack: ExitStack,
    open_ground: OpenGround = embedded_ground,
) -> Assembled:
    """Everything a bot needs, each closed by `stack`.

    Raises StoreRefused and its kin for a store that is not ours, LeaseHeld when another bot holds the account,
    VenueUnreachable, ConfigError or NotAvailable.
    """
    if options.mode not in BUILT_MODES:
        raise NotAvailable(
            f"mode {options.mode} is not available yet", hint="run --mode paper trades on the simulated exchange"
        )
    path = store_path(config, options)
    path.parent.mkdir(parents=True, exist_ok=True)
    market = exchange_path(path)
    if options.fresh:
        _set_aside(path, market, wall_ms)
    db = _open_store(config, path, market, options, wall_ms, stack)
    holder = lease.this_holder()
    with db.transaction() as conn:
        epoch = lease.acquire(conn, holder, wall_ms())
    unwritten: list[str] = []
    stack.callback(_release, db, epoch, wall_ms, unwritten)
    _leave_pointer(db, stack)
    venue = config.venue
    facts = emergency.Facts(db.identity, venue.recv_window_ms, venue.max_clock_skew_ms, options.guard)
    emergency.prepare(db.path, facts)
    if open_ground is embedded_ground:
        _must_have_exchange(db, market)
    ground = open_ground(config, options, market, wall_ms)
    stack.callback(ground.close)
    _must_be_the_same_exchange(db, ground, market)
    for notice in ground.notices:
        _log.emit(Tag.SESSION, notice, level=30 if "gap" in notice else None)
    bot = _bot(_traded(config, ground, options), db, ground, epoch, options)
    with db.transaction() as conn:
        settings.save(conn, _settings(bot))
    running = _session(db, options, ground.clock.now_ms(), wall_ms())
    with db.read() as conn:
        first_trade = ledger.next_trade_number(conn)
        carried = frozenset(trade.number for trade in ledger.open_trades(conn).values())
    return Assembled(bot, ground, running, first_trade, carried, options.speed, unwritten)


def _set_aside(path: Path, market: Path, wall_ms: Callable[[], int]) -> None:
    """Renames an older paper account out of the way, never one that a bot still holds or that is not paper.

    Latches, halt file and counters go with it: a fresh account starts unrestricted, which is why only paper has this.
    """
    if path.exists():
        with Database.open(path, expect=None) as db:
            if db.identity.environment != PAPER:
                raise StoreMismatch(
                    f"--fresh is for paper accounts; this store is {db.identity}",
                    where=str(path),
                    hint="name another --state",
                )
            with db.transaction() as conn:
                lease.acquire(conn, lease.this_holder(), wall_ms())
    for old in (path, market, Path(halt.halt_path(str(path))), emergency.path_of(path)):
        if old.exists():
            kept = old.with_name(f"{old.name}.before")  # one generation is kept
            old.replace(kept)
            journal = Path(f"{old}-journal")  # what a killed process left unfinished goes with its file
            if journal.exists():
                journal.replace(f"{kept}-journal")


def _must_have_exchange(db: Database, market: Path) -> None:
    """A store that has traded does not begin another exchange in silence: its positions would be gone from the venue.

    An empty file is what a crash leaves that fell between making the two files, before the first cycle.
    """
    with db.read() as conn:
        cycle = cycles.progress(conn).cycle
    if cycle and not (market.exists() and market.stat().st_size):
        raise StoreMismatch(
            "the simulated exchange that this store traded on is gone",
            where=str(market),
            why=f"the store has been through {cycle} cycles with it",
            hint="put the file back beside the store, or begin the paper account anew: tradectl run --fresh",
        )


def _must_be_the_same_exchange(db: Database, ground: Ground, market: Path) -> None:
    """Refuses an exchange that has seen less than the books: an older copy, or another one."""
    with db.read() as conn:
        booked = ledger.cursor(conn)
    last = ground.last_event_seq()
    if booked > last:
        raise StoreMismatch(
            "the simulated exchange's file is older than the store's books",
            where=str(market),
            why=f"its last event is number {last}, the books have taken in number {booked}",
            hint="put store and exchange back from the same moment, or begin anew: tradectl run --fresh",
        )


def _leave_pointer(db: Database, stack: ExitStack) -> None:
    """So that `killswitch activate` finds this bot without being told where; without it the bot still runs."""
    stamp = db.identity
    try:
        pointer = pointers.write(
            account=stamp.account, venue=stamp.venue, environment=stamp.environment, path=str(db.path)
        )
    except OSError as error:
        _log.emit(
            Tag.SESSION,
            f"no pointer for the kill switch could be left ({error.strerror}): give it --state {db.path}",
            level=30,
        )
        return
    stack.callback(pointers.remove, pointer)


def _open_store(
    config: Config,
    path: Path,
    market: Path,
    options: RunOptions,
    wall_ms: Callable[[], int],
    stack: ExitStack,
) -> Database:
    if path.exists():
        expect = Identity(config.account, config.venue.name, PAPER, "", CURRENCY)
        db = Database.open(
            path,
            expect=expect,
            lock_wait_ms=options.lock_wait_ms,
            durable=options.durable,
            check=True,
            at_ms=wall_ms(),
        )
    else:
        tag = _store_tag(config, market)
        # The exchange's file is named relative to the store, so that the two can be moved together.
        identity = Identity(config.account, config.venue.name, PAPER, tag, CURRENCY, market.name)
        db = Database.create(path, identity, wall_ms(), options.lock_wait_ms, options.durable)
    stack.callback(db.close)
    return db


def _store_tag(config: Config, market: Path) -> str:
    """Six characters that mark our orders. On the simulated exchange they come from the seed, so that the same seed is
    the same run; an exchange file that outlived its store gets another tag, so that its orders are not taken for ours.
    """
    age = market.stat().st_size if market.exists() else 0
    digest = hashlib.sha256(f"{config.account}:{config.sim.seed}:{age}".encode()).digest()
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(alphabet[byte % len(alphabet)] for byte in digest[:6])


def _traded(config: Config, ground: Ground, options: RunOptions) -> Config:
    """The config with the markets that are really there: a replay's files decide symbols and interval."""
    interval = options.interval or (ground.interval if options.replay else config.perps.interval)
    symbols = ground.symbols
    perps = config.perps.model_copy(update={"symbol": symbols[0], "interval": interval})
    market = config.market.model_copy(update={"candidate_symbols": symbols})
    return config.model_copy(update={"perps": perps, "market": market})


def _bot(config: Config, db: Database, ground: Ground, epoch: int, options: RunOptions) -> Bot:
    clock = ground.clock
    pace = Pace(config.perps.max_requests_per_second, config.perps.max_requests_per_minute, ground.pace_clock)
    paced = PacedVenue(ground.venue, pace, clock, [float(s) for s in config.execution.read_backoff_seconds])
    venue = Evident(paced, StoreEvidence(db), booked_next=True)
    door = Door(
        db,
        venue,
        clock,
        epoch=epoch,
        actor="bot",
        recv_window_ms=config.venue.recv_window_ms,
        spacing_ms=config.execution.symbol_spacing_ms,
        turn=pace.turn,
        limited=LimitedDoor(limited_of(config), venue.attaches_brackets) if options.mode == LIVE_LIMITED else None,
    )
    trigger_by = TriggerBy(config.perps.trigger_by)
    return Bot(
        config=config,
        db=db,
        venue=venue,
        pace=pace,
        clock=clock,
        door=door,
        strategy=None if options.guard else make(config),
        instruments=Listed(ground.instruments),
        symbols=config.symbols(),
        epoch=epoch,
        alerts=LogSink(db, config.alerts.per_type_seconds),
        emergency=EmergencyDoor(
            str(db.path),
            venue,
            clock,
            actor="bot",
            store_tag=db.identity.store_tag,
            recv_window_ms=config.venue.recv_window_ms,
        ),
        config_digest=options.config_digest,
        stepped=not ground.wall,
        protection=ProtectionRules(
            config.perps.stop_loss_pct,
            trigger_by,
            db.identity.store_tag,
            config.venue.max_clock_skew_ms,
            unexplained=unexplained(config, guard=options.guard) == "protect",
            strikes=config.safety.protection.strikes,
            grace_ms=config.safety.protection.grace_seconds * 1000,
            close=config.safety.protection.on_unprotectable == "close",
        ),
        exits=ExitRules(
            store_tag=db.identity.store_tag,
            break_even=config.exits.break_even_after_tp1,
            trailing_atr_min=config.exits.trailing_activation_atr_min,
            trailing_multiple=config.exits.trailing_atr_multiple,
            taker_fee=config.sim.taker_fee,
        ),
    )


def _settings(bot: Bot) -> dict[str, str]:
    """What operators' commands go by where no configuration is named."""
    return {
        "perps.stop_loss_pct": text(bot.protection.stop_loss_pct),
        "perps.trigger_by": bot.protection.trigger_by.value,
        "safety.protection.unexplained": "protect" if bot.protection.unexplained else "report",
        "safety.protection.on_unprotectable": "close" if bot.protection.close else "halt",
        "policy.profile": bot.config.policy.profile,
        **{f"policy.without.{name}": text(value) for name, value in without_policy(bot.config, bot.limited).items()},
        **{f"ess.{name}": str(value) for name, value in bot.config.ess.model_dump().items()},
        "strategy.sides": ",".join(sorted(side.value for side in bot.sides)),
    }


def _session(db: Database, options: RunOptions, venue_ms: int, now_ms: int) -> session.Session:
    """Goes on with the session of the same kind and config that a crash cut short, or starts a new one."""
    mode = options.session_mode
    with db.transaction() as conn:
        running = session.current(conn)
        if running is not None and running.config_digest == options.config_digest and running.mode == mode:
            _preflight(conn, options, venue_ms, now_ms, resumed=True)
            resumed = session.resume(conn, at_ms=venue_ms)
            return resumed or running
        _preflight(conn, options, venue_ms, now_ms, resumed=False)
        if running is not None:
            other = "another config" if running.mode == mode else f"another purpose: {mode}"
            session.end(conn, at_ms=venue_ms, reason=f"superseded by a run with {other}")
        fresh = session.start(
            conn, mode=mode, config_digest=options.config_digest, started_ms=venue_ms, started_wall_ms=now_ms
        )
        return fresh


def _preflight(conn: Connection, options: RunOptions, venue_ms: int, now_ms: int, *, resumed: bool) -> None:
    if options.guard:
        return  # it enters nothing
    digest, mode = options.config_digest, options.mode
    preflight.at_start(conn, mode=mode, config_digest=digest, resumed=resumed, wall_ms=now_ms, venue_ms=venue_ms)


def _release(db: Database, epoch: int, wall_ms: Callable[[], int], unwritten: list[str]) -> None:
    try:
        insist(db, lambda conn: lease.release(conn, epoch, wall_ms()))
    except (StoreBusy, StoreUnwritable) as error:
        sentence = f"the lease could not be released: {error.what}; the next bot takes it over from this process"
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, sentence, level=30)
        unwritten.append(sentence)
