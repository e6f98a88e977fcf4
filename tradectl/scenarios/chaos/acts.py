"""What happens in a world, carried out: machines that die or go wrong, people at the exchange, operators' commands.

Commands are the operations that the command line calls, each in a process of its own, with its own way to the venue.
What a command claims at its end is kept as a `Claim`, for the checker to hold against the truth of that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from tradectl.domain.order import OrderSide, OrderType
from tradectl.domain.system_state import LatchName
from tradectl.errors import ExitCode, TradectlError
from tradectl.scenarios.chaos.draw import PEOPLE, Happening
from tradectl.scenarios.chaos.fates import RandomFates, Weather
from tradectl.scenarios.chaos.operators import Operators
from tradectl.scenarios.machine import Died, Machine, Steps
from tradectl.scenarios.wire import Fate, Fates
from tradectl.scenarios.world import Bot, World
from tradectl.sim import views
from tradectl.sim.ops import SetSymbolStatus, Transfer
from tradectl.sim.state import TRADING
from tradectl.store import latches
from tradectl.store.database import Database

_AT_A_POSITION = ("close", "close_part", "tighten", "loosen", "cancel_order", "adopt")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a command said at its end. `code` None: its process died, and it said nothing."""

    at_ms: int
    command: str
    code: ExitCode | None
    symbol: str = ""
    detail: str = ""
    began_ms: int = 0


@dataclass
class Acts:
    """Hands for what happens. `claims` in the order they were made; `touched`: symbol → when a person traded there."""

    world: World
    weather: Weather
    claims: list[Claim] = field(default_factory=list)
    touched: dict[str, int] = field(default_factory=dict)
    halted: set[str] = field(default_factory=set)  # symbols in which the venue takes no order now
    disk: str = ""
    wall_offset_ms: int = 0
    bot: Bot | None = None
    bot_steps: Steps | None = None
    on_claim: Callable[[Claim], None] = lambda claim: None
    _count: int = 0
    operators: Operators = field(init=False)

    def __post_init__(self) -> None:
        self.operators = Operators(self.world)

    # Machines

    def start_bot(self) -> None:
        steps, self.bot_steps = self.bot_steps, None
        self.bot = self.world.start_bot(self._fates(f"bot{len(self.world.bots)}"), steps)
        self.bot.machine.disk = self.disk
        self.bot.machine.wall_offset_ms = self.wall_offset_ms

    async def keep_running(self) -> None:
        """What a service manager does: whenever the bot is gone, another is started."""
        while True:
            self.start_bot()
            assert self.bot is not None and self.bot.task is not None
            await asyncio.wait([self.bot.task])
            if self.bot.stop.event.is_set():
                return
            await asyncio.sleep(2)

    async def happen(self, one: Happening) -> None:
        await self.world.until(one.at_ms)
        if one.who == "machine":
            await self._machine(one)
        elif one.who == "venue":
            await self._venue(one)
        elif one.who == "person":
            self._person(one)
        else:
            await self._operator(one)

    async def _machine(self, one: Happening) -> None:
        if one.kind == "kill" and self.bot is not None:
            await self.world.kill(self.bot)
        elif one.kind == "clock":
            self.wall_offset_ms = one.args["offset_ms"]
            if self.bot is not None:
                self.bot.machine.wall_offset_ms = self.wall_offset_ms
        elif one.kind == "ambush":
            self.weather.entries_first = one.args.get("entries_first", 0)
            self.weather.ambush = lambda call: self._spring(one, call.symbol)
        elif one.kind == "once_halted":
            await self._once_halted(one)
        elif one.kind == "disk":
            self._set_disk(one.args["disk"])
            await asyncio.sleep(one.args["for_ms"] / 1000)
            self._set_disk("")

    async def _once_halted(self, one: Happening) -> None:
        """An operator's close dies with its order under way, and a person closes what is left."""
        while not self._halted():
            await asyncio.sleep(1)
            if self.weather.over:
                return
        await asyncio.sleep(one.args["wait_ms"] / 1000)
        await self._operator(replace(one, kind="close_part", who="operator"))
        self._person(replace(self._aimed(replace(one, kind="close")), kind="close_all", who="person"))

    def _halted(self) -> bool:
        if not self.world.store.exists():
            return False
        with Database.open(self.world.store, expect=None, readonly=True) as db, db.read() as conn:
            return any(latch.name is LatchName.HALT for latch in latches.active(conn))

    def _spring(self, one: Happening, symbol: str) -> Fate:
        """An entry is being sent just now: it is held up, and something happens meanwhile."""
        what = one.args["then"]
        one = replace(one, args={**one.args, "symbol": symbol})
        if what == "kill":
            self.world.carry(self._kill_now())
        elif what in PEOPLE:
            self._person(replace(one, kind=what, who="person"))
        else:
            self.world.carry(self._operator(replace(one, kind=what, who="operator")))
        return Fate(
            stall_ms=one.args.get("stall_ms", 0),
            out_ms=one.args.get("out_ms", 20),
            abandon_ms=one.args["abandon_ms"],
        )

    async def _kill_now(self) -> None:
        await asyncio.sleep(0.001)
        if self.bot is not None:
            await self.world.kill(self.bot)

    def _set_disk(self, disk: str) -> None:
        self.disk = disk
        if self.bot is not None:
            self.bot.machine.disk = disk

    async def _venue(self, one: Happening) -> None:
        if one.kind == "outage":
            self.weather.outage = True
            await asyncio.sleep(one.args["for_ms"] / 1000)
            self.weather.outage = False
        elif one.kind == "status":
            symbol = one.args["symbol"]
            self.world.exchange.execute(SetSymbolStatus(symbol, one.args["status"], self.world.now_ms()))
            self.halted.add(symbol)
            await asyncio.sleep(one.args["for_ms"] / 1000)
            self.world.exchange.execute(SetSymbolStatus(symbol, TRADING, self.world.now_ms()))
            self.halted.discard(symbol)
        elif one.kind == "cancels_stop":
            for order in views.open_orders(self.world.exchange.state):
                if order.symbol == one.args["symbol"] and order.protective:
                    self.touched[order.symbol] = self.world.now_ms()
                    self.world.cancel_by_hand(order.symbol, order.order_id)
                    return

    # People at the exchange's own page

    def _person(self, one: Happening) -> None:
        world, symbol = self.world, one.args["symbol"]
        self._count += 1
        client_id = f"web-{self._count}"
        self.touched[symbol] = world.now_ms()
        state = world.exchange.state
        position = state.positions.get(symbol)
        held = position.lot.qty if position is not None else Decimal(0)
        instrument = state.instruments[symbol]
        last = state.prices[symbol].last
        lot = Decimal(one.args.get("usd", 300)) * Decimal(one.args["share"])
        qty = max(instrument.floor_qty(lot / last), instrument.min_qty)
        if one.kind in ("buy", "sell"):
            side = OrderSide.BUY if one.kind == "buy" else OrderSide.SELL
            world.by_hand(symbol, side, OrderType.MARKET, qty, client_id)
        elif one.kind == "close_all" and held:
            side = OrderSide.SELL if held > 0 else OrderSide.BUY
            share = max(instrument.floor_qty(abs(held) * Decimal(one.args["share"])), instrument.min_qty)
            world.by_hand(symbol, side, OrderType.MARKET, share, client_id, reduce_only=True)
        elif one.kind in ("cancel_stop", "cancel_target"):
            for order in views.open_orders(state):
                wanted = order.protective if one.kind == "cancel_stop" else order.take_profit
                if order.symbol == symbol and wanted:
                    world.cancel_by_hand(symbol, order.order_id)
                    return
        elif one.kind == "resting":
            price = instrument.floor_price(last * Decimal("0.97"))
            world.by_hand(symbol, OrderSide.BUY, OrderType.LIMIT, qty, client_id, price=price)
        elif one.kind == "own_stop" and held:
            side = OrderSide.SELL if held > 0 else OrderSide.BUY
            away = Decimal("0.98") if held > 0 else Decimal("1.02")
            trigger = instrument.floor_price(last * away)
            world.by_hand(
                symbol, side, OrderType.STOP_MARKET, abs(held), client_id, trigger_price=trigger, reduce_only=True
            )
        elif one.kind == "other_store":
            price = instrument.floor_price(last * Decimal("0.95"))
            world.by_hand(symbol, OrderSide.BUY, OrderType.LIMIT, qty, f"tdc.zzzzzz.en.{self._count}", price=price)
        elif one.kind in ("deposit", "withdraw"):
            amount = Decimal(500) * (1 if one.kind == "deposit" else -1)
            world.exchange.execute(Transfer(amount, world.now_ms()))

    # Operators

    async def _operator(self, one: Happening) -> None:
        self._count += 1
        one = self._aimed(one)
        fates = self._fates(f"operator{self._count}")
        machine = self.world.machine(
            Steps(fatal=one.args.get("dies_at", 0), fatal_at=one.args.get("dies_as_it", "")), fates
        )
        machine.disk = self.disk
        command = getattr(self.operators, one.kind, None) or getattr(self, f"_{one.kind}")
        await self._as_process(machine, one.kind, one.args["symbol"], command(one, machine))

    def _aimed(self, one: Happening) -> Happening:
        """At a symbol that holds something, where the drawn one holds nothing."""
        held = self.world.exchange.state.positions
        if one.kind not in _AT_A_POSITION or not held or one.args["symbol"] in held:
            return one
        return replace(one, args={**one.args, "symbol": min(held)})

    async def _as_process(
        self, machine: Machine, name: str, symbol: str, work: Coroutine[Any, Any, ExitCode | None]
    ) -> None:
        """Runs a command as the command line would: its errors are its exit codes."""
        began_ms, detail = self.world.now_ms(), ""
        try:
            code = await machine.spawn(work)
        except (Died, asyncio.CancelledError):
            code = None
        except TradectlError as error:
            code, detail = error.exit_code, error.what
            if type(error).__name__ == "ToolError":
                self.world.faults_of_ours.append(f"{name}: {error.what}")
        except Exception as error:
            code, detail = ExitCode.USAGE, repr(error)
            self.world.faults_of_ours.append(f"{name}: {type(error).__name__}: {error}")
        finally:
            self.world.bury(machine)
        claim = Claim(self.world.now_ms(), name, code, symbol, detail, began_ms)
        self.claims.append(claim)
        self.on_claim(claim)

    async def _second_bot(self, one: Happening, machine: Machine) -> ExitCode | None:
        """Another bot on the same store while one holds it: it must be turned away."""
        if self.bot is None or not self.bot.running:
            return None
        other = self.world.start_bot(self._fates("second"))
        assert other.task is not None
        await asyncio.wait([other.task], timeout=30)
        if other.task.done():
            return ExitCode.LEASE if other.task.result().startswith("LeaseHeld") else ExitCode.OK
        both = self.bot.running  # else the first had died, and this one holds the account now
        other.stop.tell("the first one is to go on")
        return ExitCode.OK if both else None

    def _fates(self, name: str) -> Fates:
        return RandomFates(self.world.dice(f"fates:{name}"), self.weather)
