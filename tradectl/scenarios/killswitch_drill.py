"""`killswitch drill`: the kill switch against a bot that hangs, on the simulated exchange, with an operator's config.

Everything is the real thing: the bot and the commands are started as an operator starts them, on files of their own in
a folder that is thrown away. Nothing of a real account is read or touched.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import text
from tradectl.domain.order import BracketLeg, Confirmed, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.system_state import first_blocking
from tradectl.errors import ExitCode, NotAvailable, Refused, TradectlError
from tradectl.operations.opening import exchange_file
from tradectl.sim.embedded import Existing, open_existing
from tradectl.sim.ops import PlaceOrder
from tradectl.store import cycles, halt, latches
from tradectl.store.database import Database

WARM_CYCLES = 400  # of the bot, for positions of its own where its strategy finds any
_START_S = 60.0  # longest wait for a process to do what it was started for
_POLL_S = 0.05
_BARE_STARTS = 3
_STOP_SHARE, _ENTRY_SHARE = Decimal("0.9"), Decimal("0.8")  # of the price: of a drill's own stop and resting order


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. `evidence` is what was seen; `ms` how long it took, where that matters."""

    name: str
    passed: bool
    evidence: str
    ms: int | None = None


@dataclass(slots=True)
class Drill:
    """`bare_ms`: the fastest of some starts of a bare Python, to hold the fence's time against."""

    account: str
    config: tuple[Path, ...]
    bare_ms: int = 0
    steps: list[Step] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.OK if self.passed else ExitCode.REFUSED


OnStep = Callable[[Step], None]


def run(config: tuple[Path, ...], *, on_step: OnStep) -> Drill:
    """Raises ConfigError for a configuration that cannot be used, NotAvailable where no process can be stopped."""
    if not hasattr(signal, "SIGSTOP"):
        raise NotAvailable("a bot cannot be made to hang on this system", hint="run the drill on Linux or macOS")
    from tradectl.config.load import load

    resolved = load(config).config
    folder = Path(tempfile.mkdtemp(prefix="tradectl-drill-"))
    try:
        drill = Drill(resolved.account, config)
        _Rehearsal(drill, folder, on_step).go()
        return drill
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Rehearsal:
    def __init__(self, drill: Drill, folder: Path, on_step: OnStep) -> None:
        self._drill = drill
        self._on_step = on_step
        self._folder = folder
        self._store = folder / "drill-paper.db"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRADECTL")}
        self._environment = {**kept, "XDG_STATE_HOME": str(folder / "state")}

    def go(self) -> None:
        self._drill.bare_ms = min(
            _timed([sys.executable, "-c", "pass"], self._environment) for _ in range(_BARE_STARTS)
        )
        self._warm()
        self._set_the_scene()
        with self._hung_bot() as bot:
            self._activate(bot)
        self._clear()
        self._activate_locked()

    def _say(self, name: str, passed: bool, evidence: str, ms: int | None = None) -> None:
        step = Step(name, passed, evidence, ms)
        self._drill.steps.append(step)
        self._on_step(step)

    # What the drill stands on.

    def _warm(self) -> None:
        done = self._tradectl("run", "--mode", "paper", "--cycles", str(WARM_CYCLES), "--speed", "max", "--no-fsync")
        if done.returncode:
            raise Refused(
                "the paper bot does not run with this configuration: there is nothing to drill on",
                why=_last_line(done.stderr) or _last_line(done.stdout),
                hint="tradectl run --mode paper --cycles 5",
            )

    def _set_the_scene(self) -> None:
        """At least one position with its stop."""
        with self._exchange() as exchange:
            held = asyncio.run(exchange.venue.snapshot()).positions
            if not held:
                symbol, instrument, qty, price = self._smallest(exchange)
                stop = BracketLeg(instrument.ceil_price(price * _STOP_SHARE), TriggerBy.LAST)
                _place(exchange, symbol, OrderType.MARKET, qty, stop=stop)
            scene = asyncio.run(exchange.venue.snapshot())
        stops = sum(order.protective for order in scene.orders)
        held_now = f"{len(scene.positions)} position{'s' if len(scene.positions) > 1 else ''}"
        self._say("the scene", bool(scene.positions and stops), f"{held_now}, stops resting: {stops}")

    def _rest_an_order(self) -> int:
        """Somebody else's, that could open another position; a bot that is awake would halt at it. How many rest."""
        with self._exchange() as exchange:
            symbol, instrument, qty, price = self._smallest(exchange)
            _place(exchange, symbol, OrderType.LIMIT, qty, price=instrument.floor_price(price * _ENTRY_SHARE))
            return sum(order.can_add_exposure for order in asyncio.run(exchange.venue.snapshot()).orders)

    def _smallest(self, exchange: Existing) -> tuple[str, Instrument, Decimal, Decimal]:
        """(symbol, its instrument, a small order's quantity, the last price): of what is held, or of anything."""
        held = asyncio.run(exchange.venue.snapshot()).positions
        symbol = held[0].symbol if held else next(iter(exchange.host.state.prices))
        instrument = asyncio.run(exchange.venue.instruments())[symbol]
        price = asyncio.run(exchange.venue.ticker(symbol)).last
        qty = max(instrument.min_qty, instrument.floor_qty(instrument.min_notional * 3 / price))
        return symbol, instrument, qty, price

    @contextmanager
    def _hung_bot(self) -> Iterator[subprocess.Popen[bytes]]:
        """A real bot, stopped in the middle of its life: it holds the account and answers nobody."""
        before = self._cycle()
        bot = subprocess.Popen(
            self._argv("run", "--mode", "paper", "--speed", "600", "--no-fsync"),
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            worked = _wait(lambda: bot.poll() is not None or self._cycle() > before) and bot.poll() is None
            bot.send_signal(signal.SIGSTOP)
            adding = self._rest_an_order()
            evidence = f"process {bot.pid} stopped after cycle {self._cycle()}; orders that could open more: {adding}"
            self._say("the bot hangs", worked and bool(adding), evidence)
            yield bot
        finally:
            if bot.poll() is None:
                bot.kill()
            bot.wait()

    def _activate(self, bot: subprocess.Popen[bytes]) -> None:
        with self._exchange() as exchange:
            seen = exchange.host.state.next_seq - 1
        report, fenced_ms = self._kill_switch()
        bare = self._drill.bare_ms
        ratio = f"{fenced_ms / bare:.1f} × a bare Python's start ({bare} ms)" if bare else ""
        self._say("fence committed", report["fenced_by"] == "latch", f"latch set; {ratio}", fenced_ms)
        swept = report["swept"]
        gone = [one for one in swept if one["result"] in ("cancelled", "gone")]
        kept = [one for one in swept if one["result"] == "kept"]
        adding = [one for one in gone if one["why"] == "can add exposure"]
        self._say(
            "swept by id", bool(adding), f"{len(gone)} cancelled, {len(adding)} of them could open; {len(kept)} kept"
        )
        self._say(
            "verified at the venue", bool(report["verified"]), "; ".join(report["left"]) or "read again: as it should"
        )
        self._look_at_the_venue("every position covered")
        bot.send_signal(signal.SIGCONT)
        before = self._cycle()
        woke = _wait(lambda: bot.poll() is not None or self._cycle() > before + 1)
        bot.terminate()
        try:
            bot.wait(_START_S)
        except subprocess.TimeoutExpired:
            bot.kill()
        with self._exchange() as exchange:
            added = [
                event
                for event in asyncio.run(exchange.venue.account_events(seen, 1000))
                if getattr(event, "client_id", None) and ".en." in str(getattr(event, "client_id", ""))
            ]
            resting = [one for one in asyncio.run(exchange.venue.snapshot()).orders if one.can_add_exposure]
        evidence = f"it went on to cycle {self._cycle()}, and entered nothing" if not added else f"{len(added)} fills"
        self._say("the bot wakes up, and opens nothing", woke and not added and not resting, evidence)

    def _clear(self) -> None:
        status = self._json("killswitch", "status")
        latch = status["latch"] or {"set_by": "nobody", "reason": "no latch is set"}
        self._say("status says it", status["active"] is True, f"set by {latch['set_by']}: {latch['reason']}")
        done = self._tradectl("killswitch", "clear", "--approver", "drill", "--reason", "the drill is over", "--yes")
        blocking = self._blocking()
        self._say("cleared", done.returncode == 0 and not blocking, blocking or "no latch forbids entries any more")

    def _activate_locked(self) -> None:
        """Once more while somebody holds the store's lock: a halt file fences then."""
        with Database.open(self._store, expect=None) as db, db.transaction():
            report, fenced_ms = self._kill_switch()
        there = halt.read(str(self._store)) is not None
        self._say(
            "fenced beside a locked store",
            there and report["fenced"] is True,
            f"by {report['fenced_by'].replace('_', ' ')}",
            fenced_ms,
        )

    # How things are asked.

    def _kill_switch(self) -> tuple[dict[str, Any], int]:
        """(the report, from its start until the fence stood)"""
        started_ms = time.time_ns() // 1_000_000
        body = self._json("killswitch", "activate", "--reason", "drill")
        report: dict[str, Any] = body["stores"][0]
        return report, max(int(report["at_ms"]) - started_ms, 0)

    def _look_at_the_venue(self, name: str) -> None:
        body = self._json("stops", "list")
        uncovered = body["uncovered"]
        lines = [
            f"{one['position']['symbol']} {one['position']['qty']}: stop at {one['position']['stop_price']}"
            for one in body["positions"]
        ]
        self._say(name, not uncovered, "; ".join(lines) if not uncovered else f"not covered: {', '.join(uncovered)}")

    def _blocking(self) -> str:
        with Database.open(self._store, expect=None, readonly=True) as db, db.read() as conn:
            latch = first_blocking(latches.active(conn), "")
        return f"{latch.name.value}: {latch.reason}" if latch is not None else ""

    def _cycle(self) -> int:
        try:
            with Database.open(self._store, expect=None, readonly=True) as db, db.read() as conn:
                return cycles.progress(conn).cycle
        except TradectlError:
            return 0

    @contextmanager
    def _exchange(self) -> Iterator[Existing]:
        opened = open_existing(exchange_file(self._store, None), wall_ms=lambda: time.time_ns() // 1_000_000)
        try:
            yield opened
        finally:
            opened.host.close()

    def _json(self, *words: str) -> dict[str, Any]:
        done = self._tradectl(*words, "--json")
        try:
            body: dict[str, Any] = json.loads(done.stdout)
        except ValueError as error:
            said = _last_line(done.stderr) or _last_line(done.stdout)
            raise Refused(f"tradectl {' '.join(words)} gave no answer in the drill", why=said) from error
        return body

    def _argv(self, *words: str) -> list[str]:
        named = [part for path in self._drill.config for part in ("--config", str(path.resolve()))]
        return [sys.executable, "-m", "tradectl", *words, *named, "--state", str(self._store)]

    def _tradectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(*words),
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def _place(exchange: Existing, symbol: str, kind: OrderType, qty: Decimal, **rest: Any) -> None:
    now_ms = asyncio.run(exchange.venue.server_time_ms())
    request = OrderRequest(
        f"drill-{kind.value}", symbol, OrderSide.BUY, kind, qty, timestamp_ms=now_ms, expires_ms=now_ms + 5000, **rest
    )
    outcome = exchange.host.execute(PlaceOrder(request, now_ms)).reply  # somebody else's: it comes by no door of ours
    if not isinstance(outcome, Confirmed):
        raise Refused(f"the drill could not place its {kind.value} of {text(qty)} {symbol}", why=str(outcome))


def _wait(until: Callable[[], bool]) -> bool:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if until():
            return True
        time.sleep(_POLL_S)
    return False


def _timed(argv: list[str], environment: Mapping[str, str]) -> int:
    began = time.monotonic()
    subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return int((time.monotonic() - began) * 1000)


def _last_line(said: str) -> str:
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
