"""What happens in a world, carried out: machines that die or go wrong, people at the exchange, operators' commands.

Commands are the operations that the command line calls, each in a process of its own, with its own way to the venue.
What a command claims at its end is kept as a `Claim`, for the checker to hold against the truth of that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from tradectl.domain.order import OrderSide, OrderType
from tradectl.domain.position import coverage
from tradectl.errors import ExitCode, TradectlError
from tradectl.operations import (
    ess,
    flatten,
    killswitch_activate,
    killswitch_clear,
    orders_cancel,
    pause,
    policy,
    positions_close,
    reconcile,
    stops_move,
    stops_place,
)
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk, StoreRef, open_store, open_venue
from tradectl.operations.orders_find import Ended
from tradectl.operations.stop_rules import stop_rules
from tradectl.scenarios.chaos.draw import PEOPLE, Happening
from tradectl.scenarios.chaos.fates import RandomFates, Weather
from tradectl.scenarios.machine import Died, Machine, Steps
from tradectl.scenarios.wire import Fate
from tradectl.scenarios.world import Bot, World
from tradectl.sim import views
from tradectl.sim.ops import SetSymbolStatus, Transfer
from tradectl.sim.state import TRADING
from tradectl.store import fence

NAME = "ann"
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
    loosened: set[str] = field(default_factory=set)  # symbols whose stops an operator has moved away
    adopted: set[str] = field(default_factory=set)  # symbols that an operator has had managed
    halted: set[str] = field(default_factory=set)  # symbols in which the venue takes no order now
    disk: str = ""
    wall_offset_ms: int = 0
    bot: Bot | None = None
    bot_steps: Steps | None = None
    on_claim: Callable[[Claim], None] = lambda claim: None
    _count: int = 0

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
        elif one.kind == "disk":
            self._set_disk(one.args["disk"])
            await asyncio.sleep(one.args["for_ms"] / 1000)
            self._set_disk("")

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
        machine = self.world.machine(Steps(fatal=one.args.get("dies_at", 0)), fates)
        machine.disk = self.disk
        command = getattr(self, f"_{one.kind}")
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

    async def _killswitch(self, one: Happening, machine: Machine, *, flatten: bool = False) -> ExitCode:
        path = str(self.world.store)
        if machine.disk:  # the store cannot be written: the fence leaves a halt file beside it
            fenced = fence.by_halt_file(path, by=NAME, reason="drill", why=f"the disk is {machine.disk}")
        else:
            fenced = fence.fence(path, by=NAME, reason="drill", wait_ms=0)
        done = await killswitch_activate.apply(fenced, flatten=flatten, ask_flatten=bool, actor=NAME)
        return done.exit_code

    async def _killswitch_flatten(self, one: Happening, machine: Machine) -> ExitCode:
        return await self._killswitch(one, machine, flatten=True)

    async def _clear(self, one: Happening, machine: Machine) -> ExitCode:
        books = Books.must_open(StoreRef(self.world.store, "named"))
        try:
            planned = await killswitch_clear.plan(books, actor=NAME)
            if planned.active:
                killswitch_clear.refuse(planned, override=one.args["override"])
                killswitch_clear.apply(books, planned, approver=NAME, reason="over", override=one.args["override"])
        finally:
            books.close()
        return ExitCode.OK

    async def _pause(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            pause.pause(db, by=NAME, reason="lunch")
        return ExitCode.OK

    async def _ess_trip(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            ess.trip(db, by=NAME, reason="drill")
        return ExitCode.OK

    async def _ess_reset(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            ess.reset(db, by=NAME, reason="over", override=False)
        return ExitCode.OK

    async def _policy(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            chosen = policy.choose(("DEFENSIVE", "NORMAL", "AGGRESSIVE")[int(one.args["pick"] * 3)])
            policy.put(db, chosen, by=NAME, reason="drill")
        return ExitCode.OK

    async def _resume(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            pause.resume(db, by=NAME, reason="back")
        return ExitCode.OK

    async def _close(self, one: Happening, machine: Machine, share: str = "1") -> ExitCode:
        async with self._desk(exit_=True) as (books, desk):
            planned = await positions_close.plan(books, desk, one.args["symbol"], Decimal(share))
            done = await positions_close.apply(books, desk, planned, reason="news", actor=NAME)
            return done.exit_code

    async def _close_part(self, one: Happening, machine: Machine) -> ExitCode:
        return await self._close(one, machine, "0.5")

    async def _place_missing(self, one: Happening, machine: Machine) -> ExitCode:
        async with self._desk(exit_=True) as (books, desk):
            rules = stop_rules(books, ())
            planned = await stops_place.plan(books, desk, rules)
            if not planned.missing:
                return planned.exit_code
            choice = stops_place.OnBreached(("close", "tighten")[one.args["pick"] < 0.5])
            done = await stops_place.apply(books, desk, rules, planned, on_breached=choice, reason="naked", actor=NAME)
            return done.exit_code

    async def _tighten(self, one: Happening, machine: Machine) -> ExitCode:
        """A tenth of the way from the stop that stands to the mark, or half of it."""
        return await self._move(one, Decimal("0.1") if one.args["pick"] < 0.5 else Decimal("0.5"))

    async def _loosen(self, one: Happening, machine: Machine) -> ExitCode:
        self.loosened.add(one.args["symbol"])
        return await self._move(one, Decimal("-0.3"))

    async def _move(self, one: Happening, share: Decimal) -> ExitCode:
        symbol = one.args["symbol"]
        async with self._desk(exit_=True) as (books, desk):
            snapshot = await desk.venue.snapshot()
            position = snapshot.position(symbol)
            if position is None:
                return ExitCode.REFUSED
            level = coverage(position, snapshot.orders).loosest_price or position.mark_price * Decimal("0.98")
            rules = stop_rules(books, ())
            planned = await stops_move.plan(books, desk, symbol, level + (position.mark_price - level) * share)
            if planned.nothing:
                return planned.exit_code
            stops_move.refuse(planned, override=share < 0)
            done = await stops_move.apply(books, desk, rules, planned, override=share < 0, reason="moved", actor=NAME)
            return done.exit_code

    async def _reconcile(self, one: Happening, machine: Machine, adopt: frozenset[str] = frozenset()) -> ExitCode:
        self.adopted |= adopt
        async with self._desk() as (books, desk):
            rules = stop_rules(books, ())
            found = await reconcile.plan(books, desk, rules, adopt)
            if not found.anything_to_do:
                return found.exit_code
            return (await reconcile.apply(books, desk, rules, found, reason="drill", actor=NAME)).exit_code

    async def _adopt(self, one: Happening, machine: Machine) -> ExitCode:
        return await self._reconcile(one, machine, frozenset({one.args["symbol"]}))

    async def _cancel_order(self, one: Happening, machine: Machine) -> ExitCode:
        """Some order of the symbol; a stop that its position needs is refused, as no override is given."""
        async with self._desk(exit_=True) as (books, desk):
            resting = [o for o in (await desk.venue.snapshot()).orders if o.symbol == one.args["symbol"]]
            if not resting:
                return ExitCode.REFUSED
            named = resting[int(one.args["pick"] * len(resting))].order_id
            planned = await orders_cancel.plan(books, desk, named)
            if not isinstance(planned, orders_cancel.CancelPlan):
                return ExitCode.OK if isinstance(planned, Ended) else ExitCode.DRIFT
            orders_cancel.refuse(planned, planned.cover, override=False)
            done = await orders_cancel.apply(books, desk, planned, reason="drill", actor=NAME, override=False)
            return ExitCode.OK if isinstance(done, Ended) else done.exit_code

    async def _flatten(self, one: Happening, machine: Machine) -> ExitCode:
        async with self._desk(exit_=True) as (books, desk):
            planned = await flatten.plan(books, desk, ())
            if planned.nothing:
                return flatten.nothing_done(books, planned).exit_code
            done = await flatten.apply(
                books,
                desk,
                planned,
                reason="drill",
                actor=NAME,
                on_done=lambda each: None,
                on_fault=self._fault_of_ours,
            )
            return done.exit_code

    def _fault_of_ours(self, error: Exception) -> str:
        self.world.faults_of_ours.append(f"flatten: {type(error).__name__}: {error}")
        return "on record"

    @asynccontextmanager
    async def _desk(self, *, exit_: bool = False) -> AsyncIterator[tuple[Books, Desk]]:
        """The store and the venue as an operator's command opens them."""
        ref = StoreRef(self.world.store, "named")
        books = Books.open_for_exit(ref) if exit_ else Books.must_open(ref)
        try:
            yield books, open_venue(books.path, books.identity(), books.db, for_exit=exit_)
        finally:
            books.close()

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

    def _fates(self, name: str) -> RandomFates:
        return RandomFates(self.world.dice(f"fates:{name}"), self.weather)
