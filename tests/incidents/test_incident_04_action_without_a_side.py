"""Incident 04: an action without a side crashed the write-ahead record, and with it everything that came after.

Every kind of action goes into the store before it leaves and comes out of it as it went in (promise 1), through the
emergency journal as well, and in a bot's own day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from bot_kit import SOL, UP, D, Rig, rig
from bot_process import BotDesk
from incident_kit import attempt, held, must_be_seen, sent, strip

from tradectl.domain.intent import (
    Intent,
    IntentDraft,
    IntentState,
    Purpose,
    amend_draft,
    cancel_draft,
    exit_draft,
    stop_draft,
    target_draft,
)
from tradectl.domain.order import OrderFact, OrderSide, TriggerBy
from tradectl.domain.position import Side
from tradectl.execution.submit import TOO_MANY_STOPS
from tradectl.execution.sweep import EmergencyDoor, Hands, Sent
from tradectl.sim.events import Accepted
from tradectl.sim.faults import Refuse
from tradectl.store import emergency, intents

LAST = TriggerBy.LAST
ASKED = (
    "symbol", "purpose", "side", "type", "qty", "price", "trigger_price", "trigger_by", "reduce_only",
    "close_position", "stop", "target", "cancels_order_id", "reason",
)  # fmt: skip


def drafts(desk: Rig) -> dict[Purpose, list[IntentDraft]]:
    """Every shape of every kind of action that there is."""
    close_all = stop_draft(SOL, Side.LONG, D(2), D(99), LAST, "all of it", held=D(2))
    return {
        Purpose.ENTRY: [desk.entry("2"), desk.entry("2", target=None)],
        Purpose.STOP: [
            stop_draft(SOL, Side.SHORT, D("0.5"), D("101.25"), TriggerBy.MARK, "missing"),
            replace(close_all, qty=None, close_position=True),
        ],
        Purpose.TP1: [target_draft(SOL, Side.LONG, "tp1", D(1), D("101.5"), "missing target placed")],
        Purpose.TP2: [target_draft(SOL, Side.SHORT, "tp2", D(1), D("98.5"), "missing target placed", held=D(1))],
        Purpose.EXIT: [exit_draft(SOL, Side.LONG, D("1.5"), "reverse cross")],
        Purpose.CLOSE: [exit_draft(SOL, Side.SHORT, D("0.1"), "by hand", operator=True, held=D(3))],
        Purpose.CANCEL: [cancel_draft(SOL, side, "o7", "sweep") for side in OrderSide],
        Purpose.AMEND: [
            amend_draft("o8", SOL, OrderSide.SELL, D("100.25"), D(2), "moved in place"),
            amend_draft("o8", SOL, OrderSide.BUY, D("100.25"), None, "moved in place"),
        ],
    }


def asked(one: IntentDraft | Intent) -> dict[str, object]:
    return {name: getattr(one, name) for name in ASKED}


def every_action_comes_out_of_the_store_as_it_went_in(desk: Rig) -> None:
    """The check, draft by draft: recorded, and read by another connection."""
    assert drafts(desk).keys() == set(Purpose), "a new kind of action belongs into this list"
    for draft in (one for kind in drafts(desk).values() for one in kind):
        try:
            made = desk.write(intents.record, draft, created_ms=10, expires_ms=5_010, epoch=1, actor="bot")
        except (AttributeError, TypeError, ValueError, sqlite3.Error) as error:
            raise AssertionError(f"a {draft.purpose.value} cannot be recorded: {error}") from error
        with desk.elsewhere() as other, other.read() as conn:
            read = intents.by_client_id(conn, made.client_id)
        assert read == made and asked(made) == asked(draft)
        if draft.purpose is Purpose.ENTRY:  # before the next one: a symbol takes one
            desk.write(intents.advance, made.number, IntentState.NOT_PLACED, at_ms=11)


# The prices of a day on which a bot does all of it. Stop at 99.5, targets at half a stop's distance and at three.
FULL = ("100.7", "101.5", "100.6", "101.4")  # the first target fills: to break-even, the venue has no room for a stop
DAY = [
    UP,  # enters
    ("100.5", "100.8", "100.4", "100.7"),  # places its two targets, and the stop that somebody took away
    FULL,
    ("101.4", "101.6", "101.3", "101.5"),
    ("101.5", "101.6", "100.9", "101.0"),  # turns round: leaves early
    ("101.0", "101.3", "100.9", "101.2"),  # enters again, and an operator closes it
    ("101.2", "101.3", "101.1", "101.2"),
]  # fmt: skip
KNOBS: dict[str, object] = {
    "perps.fast_period": 1,
    "perps.slow_period": 2,
    "perps.early_exit_on_cross": True,
    "exits.targets": [{"distance_r": D("0.5"), "fraction": D("0.5")}, {"distance_r": D(3), "fraction": D("0.5")}],
}


def a_day_of_every_action_is_on_record(folder: Path) -> None:
    """The check, on a bot's own day: each cycle completes, and the record says what the exchange has seen."""
    with rig(folder, DAY, KNOBS) as desk:
        assert attempt(desk)
        strip(desk, SOL)
        for row in DAY[1:6]:
            if row is FULL:
                desk.plan.before_faults["place"] = [None, Refuse(TOO_MANY_STOPS, "no room for another stop")]
            assert attempt(desk), "an action that cannot be recorded ends the cycle"
        assert held(desk)
        closed = BotDesk(folder).call("--state", "bot.db", "positions", "close", SOL, "--reason", "news", "--yes")
        assert closed.returncode == 0, closed.stderr
        assert attempt(desk)
        assert held(desk) == {}
        recorded = {one.client_id: one for one in desk.intents()}
        used = {one.purpose for one in recorded.values()}
        assert used == set(Purpose)
        refused = [one for one in recorded.values() if one.state is not IntentState.CONFIRMED]
        assert [(one.purpose, one.state) for one in refused] == [(Purpose.STOP, IntentState.REJECTED)]
        seen = [event.order for event in desk.embedded.host.events_after(0, 1000) if isinstance(event, Accepted)]
        ours = [order for order in seen if order.client_id is not None]
        assert {order.client_id for order in ours} == {
            one.client_id
            for one in recorded.values()
            if one.purpose not in (Purpose.CANCEL, Purpose.AMEND) and one not in refused
        }
        for order in ours:
            assert same(order, recorded[str(order.client_id)])
        changed = {one.cancels_order_id for one in sent(desk, Purpose.CANCEL, Purpose.AMEND)}
        assert changed <= {order.order_id for order in seen}


def same(order: OrderFact, intent: Intent) -> bool:
    return (
        (order.symbol, order.side, order.type, order.qty, order.price, order.trigger_price, order.reduce_only)
        == (intent.symbol, intent.side, intent.type, intent.qty, intent.price, intent.trigger_price, intent.reduce_only)
        and order.order_id == intent.order_id
    )  # fmt: skip


@contextmanager
def a_cancel_has_no_side() -> Iterator[None]:
    """The old fault: what acts on an order has no side of its own, and the record wants one."""
    real = intents.record

    def record(conn: Any, draft: IntentDraft, **more: Any) -> Intent:
        if draft.purpose in (Purpose.CANCEL, Purpose.AMEND):
            draft = replace(draft, side=None)  # type: ignore[arg-type]
        return real(conn, draft, **more)

    with patch.object(intents, "record", record):
        yield


def test_every_kind_of_action_round_trips_through_the_store(tmp_path: Path) -> None:
    with rig(tmp_path, [UP]) as desk:
        every_action_comes_out_of_the_store_as_it_went_in(desk)


def test_a_bots_day_with_every_kind_of_action_is_on_record_as_the_exchange_saw_it(tmp_path: Path) -> None:
    a_day_of_every_action_is_on_record(tmp_path)


def test_an_action_without_a_side_is_seen_by_the_record(tmp_path: Path) -> None:
    with rig(tmp_path, [UP]) as desk, a_cancel_has_no_side(), must_be_seen("a cancel cannot be recorded"):
        every_action_comes_out_of_the_store_as_it_went_in(desk)


def test_an_action_without_a_side_is_seen_by_a_bots_day(tmp_path: Path) -> None:
    with a_cancel_has_no_side(), must_be_seen("ends the cycle"):
        a_day_of_every_action_is_on_record(tmp_path)


# Beside the store, while it cannot be written


def reducing(desk: Rig) -> list[IntentDraft]:
    kinds = drafts(desk)
    with_size = [one for one in kinds[Purpose.STOP] if not one.close_position]
    return [*with_size, *kinds[Purpose.EXIT], *kinds[Purpose.CLOSE], *kinds[Purpose.CANCEL]]


@pytest.mark.parametrize("which", range(5))
def test_every_kind_that_may_leave_without_the_store_comes_into_it_as_it_was_sent(tmp_path: Path, which: int) -> None:
    with rig(tmp_path, [UP]) as desk:
        attempt(desk)
        draft = reducing(desk)[which]
        door = EmergencyDoor(
            str(desk.db.path), desk.bot.venue, desk.bot.clock, actor="ann", store_tag=desk.db.identity.store_tag,
            recv_window_ms=5_000,
        )  # fmt: skip
        gone = desk.run(door.submit(draft))
        assert isinstance(gone, Sent)
        desk.write(emergency.absorb, desk.db.path, at_ms=1)
        (intent,) = (one for one in desk.intents() if one.number < 0)
        assert asked(intent) == asked(draft)
        assert intent.client_id == gone.client_id or draft.purpose is Purpose.CANCEL
        assert not intent.state.in_doubt and intent.actor == "ann"


def test_no_other_kind_leaves_without_the_store(tmp_path: Path) -> None:
    with rig(tmp_path, [UP]) as desk:
        hands = Hands(None, desk.bot.emergency)
        allowed = {one.purpose for one in reducing(desk)}
        others = [kind[0] for purpose, kind in drafts(desk).items() if purpose not in allowed]
        assert {one.purpose for one in others} == {Purpose.ENTRY, Purpose.TP1, Purpose.TP2, Purpose.AMEND}
        for draft in others:
            with pytest.raises(ValueError):
                desk.run(hands.close(draft))
        assert emergency.waiting(desk.db.path) == []
