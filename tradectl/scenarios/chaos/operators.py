"""What operators do in a world: the operations that the command line calls, as it calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from tradectl.domain.position import coverage
from tradectl.errors import ExitCode
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
from tradectl.scenarios.chaos.draw import Happening
from tradectl.scenarios.machine import Machine
from tradectl.scenarios.world import World
from tradectl.store import fence

NAME = "ann"


@dataclass
class Operators:
    """One command a method, by the name of its happening."""

    world: World
    loosened: set[str] = field(default_factory=set)  # symbols whose stops an operator has moved away
    adopted: set[str] = field(default_factory=set)  # symbols that an operator has had managed

    async def killswitch(self, one: Happening, machine: Machine, *, flatten: bool = False) -> ExitCode:
        path = str(self.world.store)
        if machine.disk:  # the store cannot be written: the fence leaves a halt file beside it
            fenced = fence.by_halt_file(path, by=NAME, reason="drill", why=f"the disk is {machine.disk}")
        else:
            fenced = fence.fence(path, by=NAME, reason="drill", wait_ms=0)
        done = await killswitch_activate.apply(fenced, flatten=flatten, ask_flatten=bool, actor=NAME)
        return done.exit_code

    async def killswitch_flatten(self, one: Happening, machine: Machine) -> ExitCode:
        return await self.killswitch(one, machine, flatten=True)

    async def clear(self, one: Happening, machine: Machine) -> ExitCode:
        books = Books.must_open(StoreRef(self.world.store, "named"))
        try:
            planned = await killswitch_clear.plan(books, actor=NAME)
            if planned.active:
                killswitch_clear.refuse(planned, override=one.args["override"])
                killswitch_clear.apply(books, planned, approver=NAME, reason="over", override=one.args["override"])
        finally:
            books.close()
        return ExitCode.OK

    async def pause(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            pause.pause(db, by=NAME, reason="lunch")
        return ExitCode.OK

    async def ess_trip(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            ess.trip(db, by=NAME, reason="drill")
        return ExitCode.OK

    async def ess_reset(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            ess.reset(db, by=NAME, reason="over", override=False)
        return ExitCode.OK

    async def policy(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            chosen = policy.choose(("DEFENSIVE", "NORMAL", "AGGRESSIVE")[int(one.args["pick"] * 3)])
            policy.put(db, chosen, by=NAME, reason="drill")
        return ExitCode.OK

    async def resume(self, one: Happening, machine: Machine) -> ExitCode:
        with open_store(StoreRef(self.world.store, "named")) as db:
            pause.resume(db, by=NAME, reason="back")
        return ExitCode.OK

    async def close(self, one: Happening, machine: Machine, share: str = "1") -> ExitCode:
        async with self._desk(exit_=True) as (books, desk):
            planned = await positions_close.plan(books, desk, one.args["symbol"], Decimal(share))
            done = await positions_close.apply(books, desk, planned, reason="news", actor=NAME)
            return done.exit_code

    async def close_part(self, one: Happening, machine: Machine) -> ExitCode:
        return await self.close(one, machine, "0.5")

    async def place_missing(self, one: Happening, machine: Machine) -> ExitCode:
        async with self._desk(exit_=True) as (books, desk):
            rules = stop_rules(books, ())
            planned = await stops_place.plan(books, desk, rules)
            if not planned.missing:
                return planned.exit_code
            choice = stops_place.OnBreached(("close", "tighten")[one.args["pick"] < 0.5])
            done = await stops_place.apply(books, desk, rules, planned, on_breached=choice, reason="naked", actor=NAME)
            return done.exit_code

    async def tighten(self, one: Happening, machine: Machine) -> ExitCode:
        """A tenth of the way from the stop that stands to the mark, or half of it."""
        return await self._move(one, Decimal("0.1") if one.args["pick"] < 0.5 else Decimal("0.5"))

    async def loosen(self, one: Happening, machine: Machine) -> ExitCode:
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

    async def reconcile(self, one: Happening, machine: Machine, adopt: frozenset[str] = frozenset()) -> ExitCode:
        self.adopted |= adopt
        async with self._desk() as (books, desk):
            rules = stop_rules(books, ())
            found = await reconcile.plan(books, desk, rules, adopt)
            if not found.anything_to_do:
                return found.exit_code
            return (await reconcile.apply(books, desk, rules, found, reason="drill", actor=NAME)).exit_code

    async def adopt(self, one: Happening, machine: Machine) -> ExitCode:
        return await self.reconcile(one, machine, frozenset({one.args["symbol"]}))

    async def cancel_order(self, one: Happening, machine: Machine) -> ExitCode:
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

    async def flatten(self, one: Happening, machine: Machine) -> ExitCode:
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
