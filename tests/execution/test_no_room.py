"""Stops moved in place, where the venue takes none beside them: never less than what has to be covered (promise 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import FLAT, SOL, D, Rig, rig

from tradectl.domain.intent import Purpose, cancel_draft, stop_draft
from tradectl.domain.order import TriggerBy
from tradectl.domain.position import Protection, Side, coverage
from tradectl.execution.protect import protect
from tradectl.execution.submit import TOO_MANY_STOPS
from tradectl.sim import views
from tradectl.sim.faults import Call, DropRequest, Refuse
from tradectl.store import ledger, positions

LISTED = {SOL: {"tick_size": "0.01", "qty_step": "0.1", "min_qty": "0.1", "max_market_qty": "10"}}


def cover(desk: Rig) -> Protection:
    snapshot = views.snapshot(desk.embedded.host.state)
    return coverage(snapshot.positions[0], snapshot.orders).protection


def go(desk: Rig, most: str) -> None:
    instruments = {SOL: replace(desk.bot.instruments[SOL], max_market_qty=D(most))}
    trades = desk.read(ledger.open_trades)
    work = protect(
        desk.db, desk.bot.door, desk.snapshot(), trades, instruments, desk.bot.protection, desk.bot.clock.now_ms()
    )
    desk.run(work)


@pytest.mark.parametrize(
    ("qty", "old", "most"),
    [("8", ["8"], "3"), ("8", ["5", "3"], "3"), ("8", ["4", "4"], "10"), ("6", ["8"], "3"), ("6", ["4", "4"], "10")],
)
def test_a_stop_larger_than_the_largest_order_is_moved_whole(
    tmp_path: Path, qty: str, old: Sequence[str], most: str
) -> None:
    """The venue has lowered its largest market order, and takes no more stops: what stands is not made smaller."""
    with rig(tmp_path, [FLAT] * 10, {"sim.instruments": LISTED}) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry(qty, "98"))).confirmed
        desk.cycle()
        (attached,) = [order for order in desk.snapshot().orders if order.protective]
        for part in old:
            draft = stop_draft(SOL, Side.LONG, D(part), D(98), TriggerBy.LAST, "by hand")
            assert desk.run(desk.bot.door.submit(draft)).confirmed
        desk.run(desk.bot.door.submit(cancel_draft(SOL, attached.side, attached.order_id, "by hand")))
        ours = desk.read(positions.of, SOL)
        assert ours is not None
        desk.write(positions.set_stop, ours, D("98.5"), why="tighter", actor="ann", at_ms=1)
        uncovered: list[Call] = []
        desk.plan.on_before = lambda call: None if cover(desk) is Protection.COVERED else uncovered.append(call)
        desk.plan.before_faults["place"] = [Refuse(TOO_MANY_STOPS, "no room")] * 100
        for _ in range(3):
            go(desk, most)
        assert cover(desk) is Protection.COVERED and not uncovered
        stops = [order for order in desk.snapshot().orders if order.protective]
        assert {order.trigger_price for order in stops} == {D("98.5")}
        assert sum((order.qty for order in stops), Decimal()) == D(qty), "and no more than that"
        assert Purpose.EXIT not in [one.purpose for one in desk.intents()]


def test_an_enlargement_of_unknown_outcome_is_waited_for_and_closes_nothing(tmp_path: Path) -> None:
    """What is known to be refused is the stop beside it; the amendment may have arrived."""
    with rig(tmp_path, [FLAT] * 10, {"sim.instruments": LISTED}) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("6", "98"))).confirmed
        desk.cycle()
        (attached,) = [order for order in desk.snapshot().orders if order.protective]
        draft = stop_draft(SOL, Side.LONG, D(4), D(98), TriggerBy.LAST, "by hand")
        assert desk.run(desk.bot.door.submit(draft)).confirmed
        desk.run(desk.bot.door.submit(cancel_draft(SOL, attached.side, attached.order_id, "by hand")))
        desk.plan.before_faults["place"] = [Refuse(TOO_MANY_STOPS, "no room")] * 100
        desk.plan.before_faults["amend"] = [DropRequest()]
        go(desk, "10")
        assert Purpose.EXIT not in [one.purpose for one in desk.intents()]
        assert [one.state.value for one in desk.intents() if one.purpose is Purpose.AMEND] == ["unknown"]
        assert desk.snapshot().positions
