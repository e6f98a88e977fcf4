"""Recovering is idempotent: however often a bot has to start again, the books and the orders at the venue come out the
same (promise 10). The market stands still from the first death on, and entries are paused: nothing else happens.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from deaths import AGAIN, WORLDS, born, dying, short_lives, spread, steps_of

from tradectl.domain.intent import ClientId, stop_draft
from tradectl.domain.order import TriggerBy
from tradectl.engine import reconciling, recover
from tradectl.execution import protect
from tradectl.scenarios import virtual
from tradectl.scenarios.chaos import run
from tradectl.scenarios.chaos.draw import Happening
from tradectl.scenarios.scratch import state_folder
from tradectl.sim import views
from tradectl.store import latches, ledger, positions
from tradectl.store.database import Database

CHOSEN = 5  # first deaths in each world
ARRIVED_SECONDS = 60  # by then everything that was on its way is there
SETTLED_SECONDS = 100  # longer than any doubt, and a reconciliation
Picture = dict[str, object]


class Standstill(run._Life):
    """A world that stops when its first bot dies, but for the bots that are started after it.

    `later`: the step at which each of them dies; 0: it settles and is told to end.
    """

    later: tuple[int, ...] = ()

    async def until_it_stands(self) -> Picture:
        world, loop = self.world, asyncio.get_running_loop()
        going_on = [loop.create_task(world.market())]
        going_on += [loop.create_task(self.acts.happen(one)) for one in self.drawn.happenings]
        await self._bot("died")
        for task in going_on:
            task.cancel()
        self.weather.over = True
        await asyncio.sleep(ARRIVED_SECONDS)
        await self.acts.happen(Happening(world.now_ms(), "pause", "operator", {"symbol": ""}))
        for step in self.later:
            await self._bot("died" if step else "ended")
        found = picture(self)
        self.watch.close()
        await world.end()
        return found

    async def _bot(self, end: str) -> None:
        self.acts.start_bot()
        bot = self.acts.bot
        assert bot is not None and bot.task is not None
        if end == "ended":
            await asyncio.sleep(SETTLED_SECONDS)
            bot.stop.tell("everything is settled")
        done, _ = await asyncio.wait([bot.task], timeout=600)
        assert done and bot.task.result() == end


def after(folder: Path, name: str, death: int, *later: int) -> Picture:
    """What stands when the last of the bots that followed that death has settled."""
    folder.mkdir(parents=True)
    with short_lives(), dying((death, *later)), state_folder(folder), run._listening() as faults:
        life = Standstill(WORLDS[name], folder, faults, None)
        life.later = later
        stands = virtual.run(life.until_it_stands())
        assert not (life.world.faults_of_ours or faults.seen)
    return stands


def picture(life: Standstill) -> Picture:
    """Books and orders, without the numbers that another attempt takes."""
    truth = views.snapshot(life.world.exchange.state)
    with Database.open(life.world.store, expect=None, readonly=True) as db, db.read() as conn:
        return {
            "orders": sorted(
                f"{_purpose(one.client_id)} {one.symbol} {one.side} {one.type} {one.remaining_qty} at "
                f"{one.price or one.trigger_price} {'reduces' if one.reduces else 'ADDS'}"
                for one in truth.orders
            ),
            "held": {one.symbol: one.qty for one in truth.positions},
            "open trades": {one.symbol: (one.lot, one.stop_price) for one in ledger.open_trades(conn).values()},
            "positions": {
                one.symbol: (one.side, one.state, one.entry_qty, one.stop_price, one.break_even, one.trailing)
                for one in positions.alive(conn).values()
            },
            "targets": {one.symbol: one.targets for one in positions.alive(conn).values()},
            "fills": ledger.execution_ids(conn),
            "totals": ledger.totals(conn),
            "latches": sorted((one.name.value, one.scope) for one in latches.active(conn)),
        }


def _purpose(client_id: str | None) -> str:
    found = ClientId.parse(client_id)
    return "attached" if found is None else found.purpose.value


def differing(one: Picture, other: Picture) -> list[str]:
    return [f"{name}: {one[name]} and {other[name]}" for name in one if one[name] != other[name]]


def deaths_of(name: str, count: int) -> list[int]:
    """About so many steps, all over the part of a life in which something happens."""
    log = steps_of(name)
    return [step for step in spread(log[: len(log) * 6 // 10], count) if step > born(log)]


def comes_to_the_same(folder: Path, name: str, death: int, again: int) -> Picture:
    """The check, for one first death: a second start changes nothing, and neither does a recovery that is cut short."""
    once = after(folder / "once", name, death, 0)
    assert differing(once, after(folder / "twice", name, death, 0, 0)) == [], f"{name}: first death at step {death}"
    cut = after(folder / "cut", name, death, again, 0)
    assert differing(once, cut) == [], f"{name}: deaths at steps {death} and {again}"
    return once


@pytest.mark.parametrize("name", WORLDS)
def test_however_often_a_bot_starts_again_books_and_orders_come_out_the_same(tmp_path: Path, name: str) -> None:
    stands = [
        comes_to_the_same(tmp_path / str(death), name, death, AGAIN[(4 * place) % len(AGAIN)])
        for place, death in enumerate(deaths_of(name, CHOSEN))
    ]
    holding = [one for one in stands if one["held"]]
    assert holding and all(one["orders"] for one in holding), "they stand with something in them"


def test_a_start_that_places_its_stops_anew_is_seen(tmp_path: Path) -> None:
    """The check can fail."""
    real = reconciling.reconcile

    async def and_protect(bot: Any, seen: Any) -> Any:
        done = await real(bot, seen)
        for position in seen.positions:
            instrument, price = bot.instruments[position.symbol], position.mark_price * 9 / 10
            level = instrument.floor_price(price)
            draft = stop_draft(position.symbol, position.side, abs(position.qty), level, TriggerBy.LAST, "at start-up")
            await bot.door.submit(draft)
        return done

    name = "a quiet network"
    with (
        patch.object(recover, "reconcile", and_protect),
        patch.object(protect._Pass, "_put_in_order", _leave_them),
        pytest.raises(AssertionError, match="first death at step"),
    ):
        for death in deaths_of(name, CHOSEN):
            comes_to_the_same(tmp_path / str(death), name, death, AGAIN[0])


async def _leave_them(*_: Any) -> None:
    return None


@pytest.mark.slow
@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("name", WORLDS)
def test_wherever_a_bot_dies_it_comes_to_the_same(tmp_path: Path, name: str, again: int) -> None:
    for death in deaths_of(name, 60):
        comes_to_the_same(tmp_path / str(death), name, death, again)
        shutil.rmtree(tmp_path / str(death))
