"""Every request that changes an order is counted, and a venue that asks to be left alone afterwards is."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_kit import CALM, SOL, UP, D, Rig, rig

from tradectl.domain.order import OrderFact, OrderRequest, OrderType, Rejected
from tradectl.sim.faults import Refuse

AWAY_MS = 9_000


def again(order: OrderFact, at_ms: int) -> OrderRequest:
    return OrderRequest(
        "web-1", SOL, order.side, OrderType.STOP_MARKET, order.qty, at_ms, at_ms + 5_000,
        trigger_price=order.trigger_price, trigger_by=order.trigger_by, reduce_only=True,
    )  # fmt: skip


async def change(desk: Rig, call: str, stop: OrderFact):
    venue, at_ms = desk.bot.venue, desk.bot.clock.now_ms()
    if call == "place":
        return await venue.place(again(stop, at_ms))
    if call == "cancel":
        return await venue.cancel(SOL, stop.order_id, at_ms, at_ms + 5_000)
    return await venue.amend(SOL, stop.order_id, at_ms, at_ms + 5_000, trigger_price=D("99.9"))


@pytest.mark.parametrize("call", ["place", "cancel", "amend"])
def test_it_counts_and_its_retry_after_is_obeyed(tmp_path: Path, call: str) -> None:
    with rig(tmp_path, [UP, CALM], {"perps.max_requests_per_second": 1}) as desk:
        desk.cycle()
        stop = next(one for one in desk.snapshot().orders if one.protective)
        desk.bot.pace.take_throttled_ms()
        desk.run(desk.bot.clock.sleep(2))
        desk.plan.before_faults[call] = [Refuse("rate_limited", "429", retry_after_ms=AWAY_MS)]
        assert isinstance(desk.run(change(desk, call, stop)), Rejected)
        desk.run(desk.bot.venue.server_time_ms())
        assert desk.bot.pace.take_throttled_ms() == AWAY_MS, "the next read waits for as long as the venue asked"
        assert desk.run(change(desk, call, stop)) is not None
        desk.run(desk.bot.venue.server_time_ms())
        assert desk.bot.pace.take_throttled_ms() == 1_000, "and one that is taken counts against the limit"
