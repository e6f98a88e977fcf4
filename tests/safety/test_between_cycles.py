"""What happens between two cycles: a running bot covers and judges every few seconds, however rare its cycles are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from tests.bot_kit import FLAT, rig
from tradectl.config.schema import Config
from tradectl.domain.order import OrderSide, OrderType
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.engine.assemble import RunOptions
from tradectl.engine.between import look_after
from tradectl.scenarios import virtual
from tradectl.scenarios.chaos.draw import draw
from tradectl.scenarios.chaos.fates import RandomFates, Weather
from tradectl.scenarios.world import START_MS, World
from tradectl.sim import views
from tradectl.sim.faults import Call
from tradectl.store import latches
from tradectl.store.database import Database

SOL = "SOLUSDT"
CYCLE_S = 120


def config(protection_s: object) -> Config:
    return Config.model_validate(
        {
            "engine": {"cycle_seconds": CYCLE_S, "protection_seconds": protection_s, "reconcile_seconds": 600},
            "perps": {"symbol": SOL, "interval": "1m", "slow_period": 1000, "fast_period": 900},
            "market": {"candidate_symbols": [SOL]},
        }
    )


def seconds_until(folder: Path, protection_s: object, seen: str) -> float:
    """How long after a person's purchase, ten seconds after a cycle, the bot has answered it."""
    drawn = draw(1)
    (instrument,) = [replace(one, symbol=SOL) for one in list(drawn.instruments.values())[:1]]
    options = RunOptions(store_path=folder / "bot.db", durable=False, lock_wait_ms=0)
    world = World(config(protection_s), folder, 1, {SOL: instrument}, {SOL: Decimal(150)}, 10, options=options)

    async def live() -> float:
        bot = world.start_bot(RandomFates(Random(1), Weather()))
        await world.until(START_MS + 10_000)
        world.by_hand(SOL, OrderSide.BUY, OrderType.MARKET, Decimal(10), "web-1")
        if seen == "halted":  # an order that could add to it
            assert world.by_hand(SOL, OrderSide.BUY, OrderType.LIMIT, Decimal(1), "web-2", price=Decimal(100))
        bought_ms = world.now_ms()
        while not answered():
            await world.until(world.now_ms() + 500)
            assert world.now_ms() < bought_ms + 2 * CYCLE_S * 1000, "nobody looked"
        waited_s = (world.now_ms() - bought_ms) / 1000
        bot.stop.tell("seen")
        assert bot.task is not None
        await bot.task
        await world.end()
        return waited_s

    def answered() -> bool:
        if seen == "covered":
            picture = views.snapshot(world.exchange.state)
            return coverage(picture.positions[0], picture.orders).protection is Protection.COVERED
        with Database.open(world.store, expect=None, readonly=True) as db, db.read() as conn:
            return any(latch.name is LatchName.HALT for latch in latches.active(conn))

    return virtual.run(live())


def test_an_error_of_our_own_in_a_pass_ends_no_bot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A cycle survives one as well, and counts them; what is between two cycles must not be the weaker of the two."""
    with rig(tmp_path, [FLAT] * 3) as desk:

        def breaks(call: Call) -> None:
            raise RuntimeError("a fault of ours")

        desk.plan.on_before = breaks
        desk.run(look_after(desk.bot))
        assert "pass between cycles failed: RuntimeError: a fault of ours" in caplog.text
        desk.plan.on_before = None
        assert desk.cycle().system_state == "NORMAL"


@pytest.mark.parametrize("seen", ["covered", "halted"])
def test_it_is_seen_within_engine_protection_seconds(tmp_path: Path, seen: str) -> None:
    for place, (every_s, most_s) in enumerate([(5, 8), (40, 43)]):
        folder = tmp_path / str(place)
        folder.mkdir()
        waited_s = seconds_until(folder, every_s, seen)
        assert most_s - every_s - 3 < waited_s < most_s, f'"engine.protection_seconds" = {every_s}: {waited_s} s'
    assert waited_s > 20, "the longer wait is the longer one, and still no cycle was waited for"
