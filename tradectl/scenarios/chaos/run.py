"""One seed: its world is drawn, lived through, left to settle, and judged. The same seed leaves the same trace.

live      the bot and everybody else, faults and all, for ACTIVE_MINUTES
settle    the faults stop; the bot goes on until both sides must agree
restart   the bot is stopped and started twice, in a market that stands still: nothing may change
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tradectl import logs
from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.intent import ClientId, Purpose
from tradectl.engine.assemble import RunOptions
from tradectl.errors import ExitCode
from tradectl.operations.killswitch_check import check
from tradectl.scenarios import virtual
from tradectl.scenarios.chaos import trace, verdict
from tradectl.scenarios.chaos.acts import Acts, Claim
from tradectl.scenarios.chaos.bounds import bounds
from tradectl.scenarios.chaos.draw import ACTIVE_MINUTES, SETTLE_MINUTES, Drawn, draw
from tradectl.scenarios.chaos.fates import Weather
from tradectl.scenarios.chaos.halts import Cooldown
from tradectl.scenarios.chaos.watch import Violation, Watch
from tradectl.scenarios.machine import Steps
from tradectl.scenarios.prices import Roughness
from tradectl.scenarios.scratch import scratch_folder, state_folder
from tradectl.scenarios.world import DIED, START_MS, Bot, World
from tradectl.sim import views
from tradectl.sim.attached import conditional_orders
from tradectl.sim.ops import SetSymbolStatus
from tradectl.sim.state import TRADING
from tradectl.store import identity, positions
from tradectl.store.database import Database

REPLAY = "make chaos SEED={seed}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one seed came to. `trace` is a digest over the exchange's history and the store's."""

    seed: int
    violations: tuple[Violation, ...]
    trace: str
    fills: int
    trades: int
    entries: int
    claims: tuple[Claim, ...] = ()
    steps: int = 0
    lived: Mapping[str, int] = field(default_factory=dict)  # what it has come through, by its name: how often

    @property
    def ok(self) -> bool:
        return not self.violations

    def report(self) -> str:
        lines = [f"seed {self.seed}: {len(self.violations)} violations; replay it: {REPLAY.format(seed=self.seed)}"]
        return "\n".join([*lines, *(f"  {one}" for one in self.violations)])


@dataclass
class _Faults(logging.Handler):
    """Errors of the bot's own code, which it survives, and which no scenario may produce."""

    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.ERROR)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.seen.append(record.getMessage())


def run_seed(seed: int, *, drawn: Drawn | None = None, steps: Steps | None = None, keep: Path | None = None) -> Verdict:
    """Lives through one seed. steps: where the first bot dies, and its recovery after it. keep: a folder that stays."""
    drawn = drawn or draw(seed)
    folder = keep or scratch_folder(f"chaos-{os.getpid()}-")
    try:
        with state_folder(folder), _listening() as faults:
            return virtual.run(_Life(drawn, folder, faults, steps).live())
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


class _Life:
    def __init__(self, drawn: Drawn, folder: Path, faults: _Faults, steps: Steps | None) -> None:
        self.drawn = drawn
        self.faults = faults
        options = RunOptions(store_path=folder / "bot.db", durable=False, lock_wait_ms=0, config_digest="chaos")
        self.world = World(
            drawn.config,
            folder,
            drawn.seed,
            drawn.instruments,
            drawn.prices,
            drawn.minutes,
            rough=Roughness(turnover=drawn.turnover),
            options=options,
            venue=drawn.venue,
        )
        self.weather = Weather(chance=drawn.chance, lies=drawn.lies)
        self.acts = Acts(self.world, self.weather, bot_steps=steps, on_claim=self._claimed)
        self.steps = steps
        self.held_to = bounds(drawn.config)
        self.watch = Watch(
            store=self.world.store,
            tag=self._tag,
            limits=self.held_to.limits,
            now_ms=self.world.now_ms,
            touched=self.acts.touched,
            by_person=lambda: self.world.exchange.by_person,
            loosened=self.acts.operators.loosened,
            adopted=self.acts.operators.adopted,
        )
        self.cooldown = Cooldown(self.held_to.cooldown_minutes, self.watch.violate, self.world.now_ms)
        self.world.exchange.watchers.append(self.watch.see)
        self._stamp = ""
        self._good_ms = 0

    def _tag(self) -> str:
        if not self._stamp and self.world.store.exists():
            with self.watch._reading().read() as conn:
                self._stamp = identity.read(conn).store_tag
        return self._stamp

    async def live(self) -> Verdict:
        world = self.world
        market = asyncio.get_running_loop().create_task(world.market())
        keeper = asyncio.get_running_loop().create_task(self.acts.keep_running())
        happenings = [asyncio.get_running_loop().create_task(self.acts.happen(one)) for one in self.drawn.happenings]
        world.carry(self._look_for_naked())
        await world.until(self.drawn.calm_ms)
        self.weather.over, self.weather.outage = True, False
        self.acts._set_disk("")
        for symbol in sorted(self.acts.halted):
            world.exchange.execute(SetSymbolStatus(symbol, TRADING, world.now_ms()))
        self.acts.halted.clear()
        await world.until(self.drawn.calm_ms + (SETTLE_MINUTES - 1) * MINUTE_MS)
        await self._finished(happenings)
        await world.until(START_MS + (ACTIVE_MINUTES + SETTLE_MINUTES) * MINUTE_MS + 5_000)
        await self._stop_bot(keeper)
        market.cancel()
        self._judge()
        await self._restart_twice()
        result = Verdict(
            seed=self.drawn.seed,
            violations=tuple(self.watch.violations),
            trace=trace.digest(world.store, world.exchange),
            fills=sum(1 for _ in world.exchange.account_events(0, verdict.PAGE)),
            trades=self._trades(),
            entries=len(self.watch.accepted),
            claims=tuple(self.acts.claims),
            steps=self.steps.taken if self.steps is not None else 0,
            lived=self._lived(),
        )
        self.watch.close()
        await world.end()
        return result

    async def _finished(self, happenings: list[asyncio.Task[None]]) -> None:
        if happenings:
            await asyncio.wait(happenings)
        for task in happenings:
            if (error := task.exception()) is not None:
                self.watch.violate("no faults of ours", f"a happening failed: {type(error).__name__}: {error}")

    async def _stop_bot(self, keeper: asyncio.Task[None]) -> None:
        if self.acts.bot is not None and not self.acts.bot.running:
            await asyncio.sleep(3)  # it died in the last moment: the service manager starts another
        bot = self.acts.bot
        assert bot is not None
        if not bot.running:
            self.watch.violate("the bot runs", "no bot was running once everything was quiet")
            keeper.cancel()
            return
        bot.stop.tell("the scenario ends")
        done, _ = await asyncio.wait([keeper], timeout=120)
        if not done:
            self.watch.violate("the bot ends", "told to stop, it was still running two minutes later")
            await self.world.kill(bot)
        for one in self.world.bots:
            if one.running and one is not bot:
                await self.world.kill(one)

    def _judge(self) -> None:
        with Database.open(self.world.store, expect=None, readonly=True) as db:
            found = verdict.settled(
                db,
                self.world.exchange,
                self.watch.accepted,
                self.held_to,
                young=frozenset(
                    symbol
                    for symbol in self.watch.naked_since
                    if self._naked_for_ms(symbol) < self.held_to.naked_s * 1000
                ),
                no_room=frozenset(symbol for symbol in self.watch.naked_since if self._left_and_no_room(symbol)),
            )
            for law, what in found:
                self.watch.violate(law, what)
        for fault in (*self.world.faults_of_ours, *self.faults.seen):
            self.watch.violate("no faults of ours", fault)

    async def _restart_twice(self) -> None:
        """In a market that stands still, starting again changes nothing (idempotent recovery)."""
        pictures = []
        for _ in range(2):
            self.acts.start_bot()
            bot = self.acts.bot
            assert bot is not None and bot.task is not None
            await asyncio.sleep(3 * float(self.drawn.config.engine.cycle_seconds) + 10)
            bot.stop.tell("the scenario ends")
            await asyncio.wait([bot.task], timeout=120)
            pictures.append(trace.standing(self.world.store, self.world.exchange))
        if pictures[0] != pictures[1]:
            self.watch.violate("restarting twice equals once", trace.difference(*pictures))

    def _lived(self) -> dict[str, int]:
        """Entries that were accepted, bots that died, calls that went wrong, and what happened by its kind or doer."""
        kinds = Counter(one.kind for one in self.drawn.happenings)
        who = Counter(one.who for one in self.drawn.happenings)
        return {
            "entries": sum(1 for one in self.watch.accepted if _is_entry(one)),
            "deaths": sum(_died(bot) for bot in self.world.bots),
            "faults": self.weather.drawn,
            "outages": kinds["outage"],
            "disks": kinds["disk"],
            "clocks": kinds["clock"],
            "people": who["person"],
            "commands": len(self.acts.claims),
        }

    def _trades(self) -> int:
        return trace.closed_trades(self.world.store)

    # Held against what the exchange knows at that moment

    def _claimed(self, claim: Claim) -> None:
        if claim.command == "clear" and claim.code is not ExitCode.REFUSED:
            self.watch.fenced_ms = None
        if claim.code is not ExitCode.OK:
            return
        if claim.command == "second_bot":
            self.watch.violate("one bot per account", "a second bot was let in while the first one ran")
        picture = views.snapshot(self.world.exchange.state)
        seen = check(picture)
        if claim.command.startswith("killswitch"):
            self.watch.fenced_ms = claim.at_ms
            adding = [order for order in seen.adding if not str(order.client_id).startswith("web-")]
            if adding or seen.naked:
                self._false(
                    claim, f"{len(adding)} orders can add exposure, naked: {[one.symbol for one in seen.naked]}"
                )
        elif claim.command in ("close", "flatten"):
            for position in picture.positions:
                # What is there may have been opened after it looked: by the bot, or by a person.
                if claim.command == "flatten" or position.symbol == claim.symbol:
                    if position.updated_ms < claim.began_ms and not self.watch._raced(position.symbol):
                        self._false(claim, f"{position.symbol} is still open")
        elif claim.command == "place_missing" and seen.naked:
            old = [one.symbol for one in seen.naked if self._naked_for_ms(one.symbol) > claim.at_ms - claim.began_ms]
            if old:
                self._false(claim, f"naked: {', '.join(old)}")
        elif claim.command in ("tighten", "loosen") and self._naked_for_ms(claim.symbol) > 1_000:
            self._false(claim, f"{claim.symbol} is naked")

    def _naked_for_ms(self, symbol: str) -> int:
        since = self.watch.naked_since.get(symbol)
        return 0 if since is None else self.world.now_ms() - since

    def _false(self, claim: Claim, what: str) -> None:
        self.watch.violate("exit codes match outcomes", f"{claim.command} said done and verified: {what}")

    async def _look_for_naked(self) -> None:
        """Once a second: how long each position has been uncovered while somebody could have done something."""
        patience: dict[str, int] = {}  # seconds in all
        of_this_bot: dict[str, int] = {}
        bot = self.acts.bot
        while True:
            await asyncio.sleep(1)
            quiet = self._somebody_could_act()
            if self.acts.bot is not bot:
                bot = self.acts.bot
                of_this_bot.clear()
            for symbol in patience.keys() - self.watch.naked_since.keys():
                del patience[symbol]
                of_this_bot.pop(symbol, None)
            if self.world.store.exists():
                with self.watch._reading().read() as conn:
                    self.cooldown.look(conn)
            for symbol in self.watch.naked_since:
                could = quiet and symbol not in self.acts.halted and not self._left_and_no_room(symbol)
                if not could:
                    continue
                patience[symbol] = patience.get(symbol, 0) + 1
                of_this_bot[symbol] = of_this_bot.get(symbol, 0) + 1
                soon = self.drawn.chance <= 0.05 or self.weather.over
                if patience[symbol] == self.held_to.hard_s or (soon and of_this_bot[symbol] == self.held_to.naked_s):
                    lasted = f"{of_this_bot[symbol]} s of a running bot, {patience[symbol]} s in all"
                    self.watch.violate("no position stays naked", f"{symbol} was naked for {lasted}")

    def _left_and_no_room(self, symbol: str) -> bool:
        """It is not to be closed, as the books do not count it as ours or the configuration halts instead; the venue
        takes no stop for it; an alert says so."""
        state = self.world.exchange.state
        most = state.settings.max_conditional_orders
        if most is None or conditional_orders(state.orders) < most:
            return False
        with self.watch._reading().read() as conn:
            alarmed = verdict.alarmed(conn, symbol, self.watch.naked_since[symbol])
            return alarmed and (self.held_to.halts or symbol not in positions.alive(conn))

    def _somebody_could_act(self) -> bool:
        bot = self.acts.bot
        if bot is None or not bot.running or self.weather.outage or self.acts.disk:
            return False
        return not self.held_to.report_only


def _is_entry(client_id: str) -> bool:
    parsed = ClientId.parse(client_id)
    return parsed is not None and parsed.purpose is Purpose.ENTRY


def _died(bot: Bot) -> bool:
    task = bot.task
    return task is not None and task.done() and not task.cancelled() and task.result() == DIED


@contextmanager
def _listening() -> Iterator[_Faults]:
    handler = _Faults()
    logger = logging.getLogger(logs.ROOT)
    logger.addHandler(handler)
    level = logger.level
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
