"""A position above the venue's largest market order gets its stops, and gets out, in as many orders as that takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_kit import FLAT, SAG, SOL, UP, D, Rig, refuse, rig

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.position import Protection, coverage
from tradectl.execution.protect import protect
from tradectl.execution.unprotectable import Strikes
from tradectl.sim.ops import CancelOrder
from tradectl.store import ledger

LISTED = {"tick_size": "0.01", "qty_step": "0.1", "min_qty": "0.1"}
SMALL_ORDERS = {"sim.instruments": {SOL: {**LISTED, "max_market_qty": "3"}}}
TURN = [FLAT] * 40 + [UP, *[SAG] * 12]


def protect_now(desk: Rig, strikes: Strikes | None = None) -> None:
    desk.run(
        protect(
            desk.db,
            desk.bot.door,
            desk.snapshot(),
            desk.read(ledger.open_trades),
            dict(desk.bot.instruments),
            desk.bot.protection,
            desk.bot.clock.now_ms(),
            strikes=strikes,
        )
    )


def large_position_without_stops(desk: Rig) -> None:
    for qty in ("3", "3", "2"):
        assert desk.run(desk.bot.door.submit(desk.entry(qty))).confirmed
    desk.cycle()
    host = desk.embedded.host
    for order in desk.snapshot().orders:
        now = host.state.server_ms
        host.execute(CancelOrder(SOL, order.order_id, now, now + 5000))


def quantities(desk: Rig, purpose: Purpose) -> list[str]:
    return [str(one.qty) for one in desk.intents() if one.purpose is purpose and one.state is IntentState.CONFIRMED]


def test_its_missing_stops_are_placed_in_slices_that_cover_all_of_it(tmp_path: Path) -> None:
    with rig(tmp_path, [FLAT] * 10, SMALL_ORDERS) as desk:
        large_position_without_stops(desk)
        protect_now(desk)
        snapshot = desk.snapshot()
        assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED
        assert quantities(desk, Purpose.STOP) == ["2.7", "2.7", "2.6"]


def test_it_is_closed_in_slices_when_the_venue_takes_no_stop(tmp_path: Path) -> None:
    with rig(tmp_path, [FLAT] * 10, SMALL_ORDERS) as desk:
        large_position_without_stops(desk)
        refuse(desk, "no", "st")
        strikes = Strikes()
        protect_now(desk, strikes)
        assert quantities(desk, Purpose.EXIT) == []
        protect_now(desk, strikes)
        assert desk.snapshot().position(SOL) is None
        assert quantities(desk, Purpose.EXIT) == ["2.7", "2.7", "2.6"]


@pytest.mark.parametrize("most", ["3", "100"])
def test_early_exit_leaves_the_whole_position_whatever_the_largest_order_is(tmp_path: Path, most: str) -> None:
    knobs = {
        "sim.instruments": {SOL: {**LISTED, "max_market_qty": most}},
        "perps.early_exit_on_cross": True,
        "perps.stop_loss_pct": D("0.05"),
        "perps.take_profit_pct": D("0.10"),
    }
    with rig(tmp_path, TURN, knobs) as desk:
        while desk.read(ledger.totals).trades == 0:
            desk.cycle()
        (trade,) = desk.read(ledger.trades, 5)
        assert trade.exit_reason == "market"
        out = [D(qty) for qty in quantities(desk, Purpose.EXIT)]
        assert sum(out) == trade.max_qty > 3
        assert (len(out) > 1) == (most == "3")
