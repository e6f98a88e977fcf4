"""A store that cannot be written stops entries, not protection (promise 1): what was done is imported later."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from books import compare
from bot_kit import CALM, FLAT, SOL, UP, D, Rig, rig

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.engine.bot import Memory
from tradectl.engine.recover import restore
from tradectl.execution.observe import Evident, StoreEvidence
from tradectl.sim.events import Accepted
from tradectl.sim.faults import CONDITIONAL, Distort, DropRequest, LoseAnswer, Refuse
from tradectl.sim.ops import CancelOrder, PlaceOrder
from tradectl.store import cycles, emergency, intents, journal, latches


@contextmanager
def locked(desk: Rig) -> Iterator[None]:
    """Another process's write lock on the store."""
    other = sqlite3.connect(desk.db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def strip(desk: Rig) -> None:
    host = desk.embedded.host
    for order in desk.snapshot().orders_of(SOL):
        host.execute(CancelOrder(SOL, order.order_id, host.state.server_ms, host.state.server_ms + 5000))


def attempt(desk: Rig, tally: daemon.Run) -> bool:
    desk.assembled = replace(desk.assembled, bot=desk.bot)
    return desk.run(daemon._attempt(desk.assembled, tally))


def protection(desk: Rig) -> Protection:
    snapshot = desk.snapshot()
    (position,) = snapshot.positions
    return coverage(position, snapshot.orders).protection


def run_of(desk: Rig) -> daemon.Run:
    with desk.db.read() as conn:
        number = cycles.progress(conn).cycle
    return daemon.Run(RunOptions(), number=number)


def test_a_naked_position_gets_its_planned_stop_while_the_store_is_locked(tmp_path) -> None:
    with rig(tmp_path, [UP, CALM, CALM, FLAT]) as desk:
        desk.cycle()
        planned = next(order.trigger_price for order in desk.snapshot().orders if order.protective)
        strip(desk)
        assert protection(desk) is Protection.NAKED
        tally = run_of(desk)
        with locked(desk):
            assert not attempt(desk, tally)
            assert protection(desk) is Protection.COVERED
            assert not attempt(desk, tally)
        stops = [order for order in desk.snapshot().orders if order.protective]
        assert [order.trigger_price for order in stops] == [planned], "placed once, at the planned price"
        assert len(emergency.waiting(desk.db.path)) == 2
        assert attempt(desk, tally)
        assert emergency.waiting(desk.db.path) == []
        steps = [row.body["step"] for row in desk.read(lambda conn: journal.page(conn, kind="emergency"))]
        assert steps == ["recorded", "confirmed"]


def test_an_unknown_answer_is_not_asked_twice_within_its_window(tmp_path) -> None:
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        strip(desk)
        host = desk.embedded.host
        placed = host.state.next_order
        with locked(desk):
            desk.plan.after_faults["place"] = [LoseAnswer()]
            attempt(desk, run_of(desk))
            attempt(desk, run_of(desk))
        assert host.state.next_order == placed + 1
        assert protection(desk) is Protection.COVERED


def test_a_lost_request_is_followed_by_another_only_when_it_can_no_longer_arrive(tmp_path) -> None:
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        strip(desk)
        with locked(desk):
            desk.plan.before_faults["place"] = [DropRequest()]
            attempt(desk, run_of(desk))
            desk.run(desk.bot.clock.sleep(5.5))  # past the window, within the skew bound
            attempt(desk, run_of(desk))
            assert protection(desk) is Protection.NAKED
            desk.run(desk.bot.clock.sleep(1))
            attempt(desk, run_of(desk))
            assert protection(desk) is Protection.COVERED


def lagging(desk: Rig) -> None:
    """From now on the venue's list of conditional orders is empty; asked for by its id, an order is found."""
    desk.plan.before_faults["snapshot"] = [Distort(empty=frozenset({CONDITIONAL}))] * 100


def stops_placed(desk: Rig) -> int:
    return sum(isinstance(one, Accepted) for one in desk.embedded.host.events_after(0, 10_000))


def test_a_stop_that_a_lagging_list_does_not_show_is_asked_for_and_not_placed_again(tmp_path) -> None:
    with rig(tmp_path, [UP, CALM, CALM, CALM, FLAT]) as desk:
        desk.cycle()
        strip(desk)
        tally, before = run_of(desk), stops_placed(desk)
        lagging(desk)
        with locked(desk):
            for _ in range(3):
                assert not attempt(desk, tally)
            desk.bot = replace(desk.bot, venue=Evident(desk.bot.venue._inner, StoreEvidence(desk.db)))
            assert not attempt(desk, tally), "nor by a process that has placed nothing yet"
            assert stops_placed(desk) == before + 1 and protection(desk) is Protection.COVERED
            assert len(emergency.waiting(desk.db.path)) == 2
            strip(desk)  # found to have ended, it stands for nothing
            assert not attempt(desk, tally)
            assert stops_placed(desk) == before + 2 and protection(desk) is Protection.COVERED
        assert attempt(desk, tally), "and with a store it goes on so"
        assert stops_placed(desk) == before + 2 and protection(desk) is Protection.COVERED


@pytest.mark.parametrize("arrives", [True, False])
def test_one_that_may_yet_arrive_is_waited_for_by_the_first_cycle_with_a_store_too(tmp_path, arrives: bool) -> None:
    with rig(tmp_path, [UP, CALM, CALM, CALM]) as desk:
        desk.cycle()
        strip(desk)
        tally = run_of(desk)
        host = desk.embedded.host
        with locked(desk):
            desk.plan.before_faults["place"] = [DropRequest("on its way, the connection broke")]
            assert not attempt(desk, tally)
        with locked(desk):  # once more: what was recorded waits, and is not lost by the attempt
            assert not attempt(desk, tally)
        assert attempt(desk, tally)
        (lost,) = [one for one in desk.intents() if one.purpose is Purpose.STOP]
        assert lost.state is IntentState.UNKNOWN and protection(desk) is Protection.NAKED, "nothing else was sent"
        assert desk.read(latches.get, LatchName.UNKNOWN_ORDER, SOL) is not None
        if arrives:
            assert isinstance(host.execute(PlaceOrder(lost.request(), host.state.server_ms)).reply, Confirmed)
        assert attempt(desk, tally) and desk.run(desk.bot.clock.sleep(7)) is None and attempt(desk, tally)
        assert protection(desk) is Protection.COVERED
        assert len([one for one in desk.snapshot().orders if one.protective]) == 1
        assert desk.read(intents.in_doubt) == () and emergency.waiting(desk.db.path) == []


def test_a_level_already_passed_closes_the_position_without_the_store_and_the_ledger_catches_up(tmp_path) -> None:
    with rig(tmp_path, [UP, CALM, ("100.5", "100.5", "98", "98"), FLAT]) as desk:
        desk.cycle()
        desk.cycle()
        strip(desk)
        desk.step()
        tally = run_of(desk)
        with locked(desk):
            assert not attempt(desk, tally)
            assert desk.snapshot().positions == ()
        assert attempt(desk, tally)
        store = desk.db.path
    differences = [found for found in compare(store).differences if "has no intent" not in found]
    assert differences == []


def test_no_entry_is_made_while_the_store_is_locked(tmp_path) -> None:
    with rig(tmp_path, [FLAT, UP]) as desk:
        desk.cycle()
        desk.step()
        with locked(desk):
            assert not attempt(desk, run_of(desk))
        assert desk.snapshot().positions == () and desk.intents() == []


def somebody(desk: Rig, qty: str) -> None:
    """A position that nothing of ours explains, without a stop."""
    host = desk.embedded.host
    now_ms = host.state.server_ms
    request = OrderRequest("web-1", SOL, OrderSide.BUY, OrderType.MARKET, D(qty), now_ms, now_ms + 5_000)
    assert isinstance(host.execute(PlaceOrder(request, now_ms)).reply, Confirmed)


FALLEN = ("100.5", "100.5", "97", "97.2")  # beyond the usual stop of whoever bought before it


def test_a_position_that_nobody_can_explain_is_protected_from_the_mark_and_not_closed(tmp_path) -> None:
    """Promise 6 holds without the store as well: its entry says nothing to us."""
    with rig(tmp_path, [FLAT, FALLEN, FLAT]) as desk:
        desk.cycle()
        somebody(desk, "3")
        desk.step()
        with locked(desk):
            for _ in range(2):
                assert not attempt(desk, run_of(desk))
                assert protection(desk) is Protection.COVERED
        (stop,) = desk.snapshot().orders
        assert (stop.qty, stop.trigger_price) == (3, D("96.23")), "1% from the mark of 97.2"
        assert attempt(desk, run_of(desk))
        assert desk.snapshot().position(SOL) is not None


def test_one_whose_stop_the_venue_refuses_is_left_as_it_is(tmp_path) -> None:
    with rig(tmp_path, [FLAT, FLAT, FLAT]) as desk:
        desk.cycle()
        somebody(desk, "3")
        with locked(desk):
            desk.plan.before_faults["place"] = [Refuse("engine_busy", "try later")]
            assert not attempt(desk, run_of(desk))
            position = desk.snapshot().position(SOL)
            assert position is not None and position.qty == 3
            assert not attempt(desk, run_of(desk))
            assert protection(desk) is Protection.COVERED


def test_where_such_positions_are_only_reported_nothing_is_placed_for_them(tmp_path) -> None:
    with rig(tmp_path, [FLAT, FLAT, FLAT], {"safety.protection.unexplained": "report"}) as desk:
        desk.cycle()
        somebody(desk, "3")
        with locked(desk):
            assert not attempt(desk, run_of(desk))
        assert protection(desk) is Protection.NAKED and emergency.waiting(desk.db.path) == []


def test_a_bot_that_has_just_started_knows_its_positions_without_the_store(tmp_path) -> None:
    """The store fails between the start and the first cycle: the level is the planned one all the same."""
    with rig(tmp_path, [FLAT] * 3) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry(stop="98.5"))).confirmed
        desk.cycle()
        strip(desk)
        desk.bot = replace(desk.bot, memory=Memory())
        restore(desk.bot)
        with locked(desk):
            assert not attempt(desk, run_of(desk))
        assert [order.trigger_price for order in desk.snapshot().orders if order.protective] == [D("98.5")]
