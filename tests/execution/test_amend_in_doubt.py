"""Amendments of which no answer came: settled by what the order is in every respect, and waited for (promise 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import CALM, SOL, UP, D, Rig, rig

from tradectl.domain.intent import Intent, IntentDraft, IntentState, Purpose, amend_draft, stop_draft
from tradectl.domain.order import Confirmed, OrderFact, TriggerBy
from tradectl.domain.position import Side
from tradectl.execution.protect import Protected, protect
from tradectl.execution.resolve import Resolution, resolve
from tradectl.sim.faults import DropRequest, LoseAnswer
from tradectl.sim.ops import AmendOrder, CancelOrder
from tradectl.store import intents, ledger, positions


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Rig]:
    """A bot that holds SOL, with its stop."""
    with rig(tmp_path, [UP, *[CALM] * 12]) as made:
        made.cycle()
        yield made


def stops(desk: Rig) -> list[OrderFact]:
    return [one for one in desk.snapshot().orders if one.protective]


def send(desk: Rig, draft: IntentDraft) -> Intent:
    return desk.run(desk.bot.door.submit(draft)).intent


def ask(desk: Rig) -> tuple[Resolution, ...]:
    skew_ms = desk.config.venue.max_clock_skew_ms
    return desk.run(resolve(desk.db, desk.bot.venue, desk.bot.clock, max_skew_ms=skew_ms))


def expire(desk: Rig) -> None:
    config = desk.config.venue
    desk.run(desk.bot.clock.sleep((config.recv_window_ms + config.max_clock_skew_ms + 1) / 1000))


def arrive(desk: Rig, lost: Intent) -> object:
    """The amendment that was on its way reaches the exchange."""
    host = desk.embedded.host
    assert lost.cancels_order_id is not None
    change = AmendOrder(
        SOL, lost.cancels_order_id, host.state.server_ms, lost.expires_ms, trigger_price=lost.trigger_price,
        qty=lost.qty,
    )  # fmt: skip
    return host.execute(change).reply


def resized(stop: OrderFact, by: str) -> IntentDraft:
    assert stop.trigger_price is not None
    return amend_draft(stop.order_id, SOL, stop.side, stop.trigger_price, stop.qty + D(by), "another size, same level")


@pytest.mark.parametrize("by", ["-1", "1"])
def test_another_size_at_the_same_level_is_in_doubt_until_it_cannot_arrive_any_more(desk: Rig, by: str) -> None:
    (stop,) = stops(desk)
    desk.plan.before_faults["amend"] = [DropRequest()]
    lost = send(desk, resized(stop, by))
    (found,) = ask(desk)
    assert not found.resolved and "may yet arrive" in found.sentence
    expire(desk)
    (found,) = ask(desk)
    assert found.intent.number == lost.number and found.intent.state is IntentState.NOT_PLACED
    assert [one.qty for one in stops(desk)] == [stop.qty]


def test_another_size_that_arrived_is_found_so(desk: Rig) -> None:
    (stop,) = stops(desk)
    desk.plan.after_faults["amend"] = [LoseAnswer()]
    send(desk, resized(stop, "-1"))
    (found,) = ask(desk)
    assert found.intent.state is IntentState.CONFIRMED


# While it may yet arrive, nothing else is done with the stops of its symbol.


def go(desk: Rig) -> Protected:
    return desk.run(
        protect(
            desk.db, desk.bot.door, desk.run(desk.bot.venue.snapshot()), desk.read(ledger.open_trades),
            dict(desk.bot.instruments), desk.bot.protection, desk.bot.clock.now_ms(),
        )
    )  # fmt: skip


def want(desk: Rig, level: str) -> None:
    ours = desk.read(positions.of, SOL)
    desk.write(positions.set_stop, ours, Decimal(level), why="trails", actor="bot", at_ms=1)


def no_room(desk: Rig) -> None:
    """The venue takes no further conditional order."""
    state = desk.embedded.host.state
    full = sum(one.type.conditional for one in desk.snapshot().orders)
    desk.embedded.host._state = replace(state, settings=replace(state.settings, max_conditional_orders=full))


def test_a_stop_is_not_moved_again_while_its_last_move_is_in_doubt(desk: Rig) -> None:
    no_room(desk)
    want(desk, "99.8")
    desk.plan.before_faults["amend"] = [DropRequest()]
    go(desk)
    lost = desk.intents()[-1]
    assert (lost.purpose, lost.state) == (Purpose.AMEND, IntentState.UNKNOWN)
    want(desk, "100.1")
    go(desk)
    assert desk.intents()[-1] == lost, "nothing overtakes it"
    assert isinstance(arrive(desk, lost), Confirmed)
    assert [one.trigger_price for one in stops(desk)] == [D("99.8")]
    expire(desk)
    ask(desk)
    go(desk)
    assert [one.trigger_price for one in stops(desk)] == [D("100.1")], "and then the stop is moved on"


def test_a_position_covered_in_part_waits_for_the_stop_that_may_be_enlarged_yet(desk: Rig) -> None:
    (stop,) = stops(desk)
    assert send(desk, resized(stop, "-10")).state is IntentState.CONFIRMED
    desk.plan.before_faults["amend"] = [DropRequest()]
    (stop,) = stops(desk)
    lost = send(desk, resized(stop, "10"))
    waited = go(desk)
    assert "is awaited" in waited.waiting[SOL] and desk.intents()[-1] == lost
    assert isinstance(arrive(desk, lost), Confirmed)
    go(desk)
    assert [one.qty for one in stops(desk)] == [stop.qty + 10], "covered once, by the one stop"


# A stop in doubt that stands, and that we have changed since.


def part_in_doubt(desk: Rig) -> OrderFact:
    """A stop for 20 of the position that stands there, and its answer was lost."""
    (attached,) = stops(desk)
    host = desk.embedded.host
    host.execute(CancelOrder(SOL, attached.order_id, host.state.server_ms, host.state.server_ms + 5_000))
    desk.plan.after_faults["place"] = [LoseAnswer()]
    made = send(desk, stop_draft(SOL, Side.LONG, D(20), D("99.5"), TriggerBy.LAST, "part"))
    assert made.state is IntentState.UNKNOWN
    (stop,) = stops(desk)
    return stop


def test_one_that_we_enlarged_is_still_the_stop_that_was_in_doubt(desk: Rig) -> None:
    stop = part_in_doubt(desk)
    assert send(desk, resized(stop, "10")).state is IntentState.CONFIRMED
    (found,) = ask(desk)
    assert found.intent.state is IntentState.CONFIRMED and found.intent.order_id == stop.order_id


def test_one_that_is_larger_than_anything_we_asked_for_is_another_order(desk: Rig) -> None:
    stop = part_in_doubt(desk)
    assert send(desk, resized(stop, "10")).state is IntentState.CONFIRMED
    host = desk.embedded.host
    now_ms = host.state.server_ms
    host.execute(AmendOrder(SOL, stop.order_id, now_ms, now_ms + 5_000, trigger_price=None, qty=stop.qty + 25))
    (found,) = ask(desk)
    assert not found.resolved and "another order" in found.sentence
    with desk.db.read() as conn:
        assert [one.state for one in intents.in_doubt(conn)] == [IntentState.UNKNOWN]
