"""Orders in doubt: settled on evidence only, and their symbol stays blocked until then (promises 1, 3 and 4)."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_kit import FLAT, SOL, WALL_MS, D, Rig, rig

from tradectl.domain.intent import Intent, IntentState, cancel_draft, stop_draft
from tradectl.domain.order import OrderSide, TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.system_state import Latch, LatchName
from tradectl.execution.resolve import Resolution, adopt_doubt, resolve
from tradectl.sim.faults import DropRequest, LoseAnswer
from tradectl.store import intents, journal, latches, outbox


@pytest.fixture
def desk(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 10) as made:
        yield made


def doubtful(desk: Rig, *, arrived: bool) -> Intent:
    if arrived:
        desk.plan.after_faults["place"] = [LoseAnswer()]
    else:
        desk.plan.before_faults["place"] = [DropRequest()]
    return desk.run(desk.bot.door.submit(desk.entry())).intent


def ask(desk: Rig, epoch: int = 0) -> tuple[Resolution, ...]:
    skew_ms = desk.config.venue.max_clock_skew_ms
    return desk.run(resolve(desk.db, desk.bot.venue, desk.bot.clock, max_skew_ms=skew_ms, epoch=epoch))


def expire(desk: Rig) -> None:
    """Venue time passes over window and skew bound."""
    config = desk.config.venue
    desk.run(desk.bot.clock.sleep((config.recv_window_ms + config.max_clock_skew_ms + 1) / 1000))


def blocked(desk: Rig) -> bool:
    return desk.read(latches.get, LatchName.UNKNOWN_ORDER, SOL) is not None


def test_an_order_found_at_the_venue_is_confirmed_and_its_latch_lifted(desk):
    intent = doubtful(desk, arrived=True)
    assert blocked(desk)
    (found,) = ask(desk)
    assert found.resolved and found.intent.state is IntentState.CONFIRMED and found.intent.number == intent.number
    assert found.intent.order_id is not None and not blocked(desk)
    cleared = desk.read(journal.latest, 1)[0]
    assert cleared.subject == "latch:unknown_order" and cleared.body["result"] == "cleared"


def test_an_order_not_found_before_it_expires_stays_in_doubt(desk):
    intent = doubtful(desk, arrived=False)
    for _ in range(3):
        (found,) = ask(desk)
        assert not found.resolved and "window is still open" in found.sentence
    assert desk.read(intents.get, intent.number).searches == 0 and blocked(desk)


def test_the_window_ends_only_after_the_skew_bound(desk):
    doubtful(desk, arrived=False)
    desk.run(desk.bot.clock.sleep((desk.config.venue.recv_window_ms + desk.config.venue.max_clock_skew_ms) / 1000))
    (found,) = ask(desk)
    assert not found.resolved
    desk.run(desk.bot.clock.sleep(0.001))
    (found,) = ask(desk)
    assert found.resolved


def test_two_complete_searches_after_expiry_prove_that_it_was_not_placed(desk):
    intent = doubtful(desk, arrived=False)
    expire(desk)
    before = len(desk.plan.names("find_order"))
    (found,) = ask(desk)
    assert found.intent.state is IntentState.NOT_PLACED
    assert [call.subject for call in desk.plan.names("find_order")[before:]] == [intent.client_id] * 2
    assert not blocked(desk)


def test_a_search_that_fails_does_not_count(desk):
    doubtful(desk, arrived=False)
    expire(desk)
    tries = 1 + len(desk.config.execution.read_backoff_seconds)
    desk.plan.before_faults["find_order"] = [None, *[DropRequest()] * tries]  # the first search succeeds
    (found,) = ask(desk)
    assert not found.resolved and "could not be searched" in found.sentence
    assert desk.read(intents.in_doubt)[0].searches == 1 and blocked(desk)
    (found,) = ask(desk)
    assert found.intent.state is IntentState.NOT_PLACED and found.intent.searches == 2


@pytest.mark.parametrize("source", ["server_time_ms", "find_order"])
@pytest.mark.parametrize("arrived", [True, False])
def test_an_unreadable_source_changes_nothing(desk, source, arrived):
    intent = doubtful(desk, arrived=arrived)
    expire(desk)
    tries = 1 + len(desk.config.execution.read_backoff_seconds)
    desk.plan.before_faults[source] = [DropRequest()] * tries
    before = desk.read(journal.head)
    (found,) = ask(desk)
    assert not found.resolved
    assert desk.read(intents.get, intent.number) == intent and blocked(desk)
    assert desk.read(journal.head) == before


def test_one_symbol_stays_blocked_while_any_of_its_orders_is_in_doubt(desk):
    doubtful(desk, arrived=True)
    desk.plan.before_faults["place"] = [DropRequest()]
    desk.run(desk.bot.door.submit(stop_draft(SOL, Side.LONG, D(2), D(99), TriggerBy.LAST, "test")))
    results = ask(desk)
    assert [result.resolved for result in results] == [True, False] and blocked(desk)
    expire(desk)
    ask(desk)
    assert not blocked(desk)


def test_a_cancel_is_settled_by_whether_its_order_is_still_open(desk):
    desk.run(desk.bot.door.submit(desk.entry()))
    stop, target = desk.snapshot().orders
    desk.plan.after_faults["cancel"] = [LoseAnswer()]
    gone = desk.run(desk.bot.door.submit(cancel_draft(SOL, OrderSide.SELL, target.order_id, "test"))).intent
    desk.plan.before_faults["cancel"] = [DropRequest()]
    stays = desk.run(desk.bot.door.submit(cancel_draft(SOL, OrderSide.SELL, stop.order_id, "test"))).intent
    ask(desk)
    assert desk.read(intents.get, gone.number).state is IntentState.CONFIRMED
    assert desk.read(intents.get, stays.number).state is IntentState.UNKNOWN, "it may yet arrive"
    expire(desk)
    ask(desk)
    assert desk.read(intents.get, stays.number).state is IntentState.NOT_PLACED


# What a crash leaves behind.


def cut_after_sending(desk: Rig) -> Intent:
    """The request leaves, and the store fails before the outcome is recorded."""
    desk.db.conn.execute(
        "CREATE TEMP TRIGGER cut BEFORE UPDATE OF state ON main.intents BEGIN SELECT RAISE(ABORT, 'cut'); END"
    )
    with pytest.raises(Exception, match="cut"):
        desk.run(desk.bot.door.submit(desk.entry()))
    desk.db.conn.execute("DROP TRIGGER cut")
    (intent,) = desk.read(intents.in_doubt)
    assert intent.state is IntentState.RECORDED
    return intent


def test_what_was_recorded_or_sent_is_unknown_at_start_up_and_blocks_its_symbol(desk):
    recorded = cut_after_sending(desk)
    with desk.db.transaction() as conn:
        sent = intents.record(conn, desk.entry(), created_ms=1, expires_ms=2, epoch=1, actor="bot")
        intents.advance(conn, sent.number, IntentState.SENT, at_ms=1)
    adopt_doubt(desk.db, desk.bot.clock, reason="found in flight at start-up")
    states = {intent.number: intent.state for intent in desk.read(intents.in_doubt)}
    assert states == {recorded.number: IntentState.UNKNOWN, sent.number: IntentState.UNKNOWN}
    assert blocked(desk)
    assert {alert.type for alert in desk.read(outbox.pending, 10)} == {"safety_unknown_order"}


def test_start_up_finds_what_was_in_flight_and_takes_in_its_fills(desk):
    intent = cut_after_sending(desk)
    assert desk.start()
    assert desk.read(intents.get, intent.number).state is IntentState.CONFIRMED
    assert not blocked(desk)


def test_a_running_bot_asks_about_the_order_whose_outcome_it_could_not_record(desk):
    """No restart is needed: its own intent, left RECORDED, is in doubt in the next cycle."""
    intent = cut_after_sending(desk)
    (found,) = ask(desk, epoch=desk.bot.epoch)
    assert found.intent.number == intent.number and found.intent.state is IntentState.CONFIRMED
    assert not blocked(desk)


def test_another_processs_order_under_way_is_not_judged_by_the_running_bot_before_its_window_is_over(desk):
    now = desk.bot.clock.now_ms()
    with desk.db.transaction() as conn:
        theirs = intents.record(conn, desk.entry(), created_ms=now, expires_ms=now + 3_600_000, epoch=0, actor="ann")
    assert ask(desk, epoch=desk.bot.epoch) == ()
    assert desk.read(intents.get, theirs.number).state is IntentState.RECORDED


def test_the_order_of_a_command_that_died_is_settled_by_the_running_bot_once_its_window_is_over(desk):
    with desk.db.transaction() as conn:
        theirs = intents.record(conn, desk.entry(), created_ms=1, expires_ms=2, epoch=0, actor="ann")
    (found,) = ask(desk, epoch=desk.bot.epoch)
    assert found.intent.number == theirs.number and found.intent.state is IntentState.NOT_PLACED
    assert not blocked(desk)


def test_a_latch_left_by_a_crash_after_its_order_was_settled_is_lifted(desk):
    """The order was settled, and the process died before the latch was cleared: nothing is in doubt any more."""
    desk.write(latches.set_latch, Latch(LatchName.UNKNOWN_ORDER, SOL, "bot", WALL_MS, "outcome unknown"))
    assert ask(desk) == () and not blocked(desk)


def test_only_the_bots_own_kind_of_latch_is_lifted(desk):
    doubtful(desk, arrived=True)
    desk.latch(LatchName.PAUSE)
    ask(desk)
    assert [latch.name for latch in desk.read(latches.active)] == [LatchName.PAUSE]
