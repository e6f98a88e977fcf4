"""Orders larger than the venue takes at once: each part of an entry has its own stop, whatever the others become."""

from __future__ import annotations

from bot_kit import CALM, CRASH, FLAT, SOL, UP, rig
from cycle_kit import TURN, only

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.sim.faults import Refuse
from tradectl.sim.ops import CancelOrder
from tradectl.store import ledger, session

SMALL: dict[str, object] = {f"sim.instruments.{SOL}": {"max_market_qty": 20}}


def test_a_large_entry_is_split_and_each_part_has_its_own_stop(tmp_path):
    with rig(tmp_path, [UP, CRASH, FLAT], SMALL) as desk:
        report = desk.cycle()
        (position,) = report.snapshot.positions
        entries = [one.qty for one in desk.intents()]
        assert len(entries) == 3 and max(entries) <= 20 and sum(entries) == position.qty
        assert coverage(position, report.snapshot.orders).protection is Protection.COVERED
        assert desk.read(session.current).entries == 1, "one entry, whatever the number of its orders"
        desk.cycle()
        (trade,) = desk.read(ledger.trades, 5)
        assert trade.max_qty == position.qty and desk.snapshot().orders == ()


def test_the_part_that_fails_ends_the_entry_and_what_filled_keeps_its_stop(tmp_path):
    with rig(tmp_path, [UP, CALM], SMALL) as desk:
        desk.plan.before_faults["place"] = [None, Refuse("busy", "later")]
        report = desk.cycle()
        assert report.decisions[0].outcome == "entered"
        assert [one.state for one in desk.intents()] == [IntentState.CONFIRMED, IntentState.REJECTED]
        (position,) = report.snapshot.positions
        assert position.qty == desk.intents()[0].qty
        assert coverage(position, report.snapshot.orders).protection is Protection.COVERED


def test_a_fence_between_two_parts_cuts_the_entry_short(tmp_path):
    with rig(tmp_path, [UP, CALM], SMALL) as desk:

        def latch(call):
            if call.name == "place" and len(desk.plan.names("place")) == 1:
                desk.latch(LatchName.KILL_SWITCH, reason="fire")

        desk.plan.on_before = latch
        report = desk.cycle()
        (decision,) = report.decisions
        assert (decision.outcome, decision.code) == ("entered", "kill_switch") and len(desk.intents()) == 1
        assert coverage(report.snapshot.positions[0], report.snapshot.orders).protection is Protection.COVERED


def test_protection_and_early_exit_are_split_as_well(tmp_path):
    knobs = {**SMALL, "perps.early_exit_on_cross": True}
    with rig(tmp_path, [UP, CALM, *TURN], knobs) as desk:
        desk.cycle()
        host = desk.embedded.host
        for order in [order for order in desk.snapshot().orders if order.protective]:
            now = host.state.server_ms
            host.execute(CancelOrder(SOL, order.order_id, now, now + 5000))
        report = desk.cycle()
        stops = [one.qty for one in desk.intents() if one.purpose is Purpose.STOP]
        assert len(stops) == 3 and coverage(report.snapshot.positions[0], report.snapshot.orders).covered_qty == sum(
            stops
        )
        outcomes = [only(desk).outcome for _ in range(20)]
        exits = [one.qty for one in desk.intents() if one.purpose is Purpose.EXIT]
        assert outcomes.count("exit") == 1 and sum(exits) == sum(stops) and len(exits) == 3
        assert desk.snapshot().positions == () and desk.snapshot().orders == ()
