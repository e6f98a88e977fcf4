"""The one door: recorded before it leaves, fenced in the recording transaction, unknown on silence, never resent."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_kit import FLAT, SOL, WALL_MS, D, Rig, lines, rig

from tradectl.domain.intent import IntentState, Purpose, cancel_draft, exit_draft, stop_draft
from tradectl.domain.order import Confirmed, OrderSide, Rejected, TriggerBy, Unknown
from tradectl.domain.position import Side
from tradectl.domain.system_state import LatchName
from tradectl.errors import EntryRefused, StoreBusy, VenueUnreachable
from tradectl.execution.submit import Door
from tradectl.sim.faults import Call, Delay, DropRequest, LoseAnswer, Refuse
from tradectl.store import halt, intents, journal, latches, lease, outbox


@pytest.fixture
def desk(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 10) as made:
        yield made


def operator(desk: Rig) -> Door:
    return Door(desk.db, desk.bot.venue, desk.bot.clock, epoch=0, actor="ann", recv_window_ms=5000)


def hold(desk: Rig, qty: str = "2") -> None:
    assert desk.run(desk.bot.door.submit(desk.entry(qty))).confirmed


# Promise 1: write before act.


def test_the_intent_is_committed_before_its_request_reaches_the_venue(desk):
    seen = []

    def look(call: Call) -> None:
        if call.name == "place":
            with desk.elsewhere() as other, other.read() as conn:
                found = intents.by_client_id(conn, call.subject)
                assert found is not None
                written = [row.kind for row in journal.latest(conn, 2)[::-1]]
            seen.append((found.state, found.expires_ms, written))

    desk.plan.on_before = look
    submitted = desk.run(desk.bot.door.submit(desk.entry()))
    assert seen == [(IntentState.RECORDED, submitted.intent.created_ms + 5000, ["intent", "state"])]
    assert submitted.confirmed and submitted.intent.state is IntentState.CONFIRMED
    assert isinstance(submitted.outcome, Confirmed) and submitted.intent.order_id == submitted.outcome.order.order_id


def test_a_cancel_is_committed_before_it_reaches_the_venue_too(desk):
    hold(desk)
    stop = next(order for order in desk.snapshot().orders if order.protective)
    seen = []

    def look(call: Call) -> None:
        if call.name == "cancel":
            with desk.elsewhere() as other, other.read() as conn:
                seen.append([(one.purpose, one.cancels_order_id) for one in intents.in_doubt(conn)])

    desk.plan.on_before = look
    desk.run(desk.bot.door.submit(cancel_draft(SOL, OrderSide.SELL, stop.order_id, "test")))
    assert seen == [[(Purpose.CANCEL, stop.order_id)]]


def test_nothing_is_sent_when_the_intent_cannot_be_recorded(desk):
    with desk.elsewhere() as other, other.transaction(), pytest.raises(StoreBusy):
        desk.run(desk.bot.door.submit(desk.entry()))
    assert desk.plan.names("place") == [] and desk.intents() == []


# Promise 2: the fence.


def test_the_timestamp_is_fixed_before_the_fence_is_checked(desk):
    order: list[str] = []

    def read(now: int) -> int:
        order.append("clock")
        return now

    desk.at_clock(read)
    desk.db.conn.set_trace_callback(order.append)
    submitted = desk.run(desk.bot.door.submit(desk.entry()))
    desk.db.conn.set_trace_callback(None)
    begins = order.index("BEGIN IMMEDIATE")
    assert order[begins - 1] == "clock"
    assert order.index("COMMIT", begins) < order.index("clock", begins), "read again only after the commit"
    assert submitted.intent.request().timestamp_ms == submitted.intent.created_ms


@pytest.mark.parametrize("name", [LatchName.KILL_SWITCH, LatchName.PAUSE])
def test_a_latch_set_by_another_process_an_instant_before_the_commit_refuses_the_entry(desk, name):
    def late(now: int) -> int:
        if not latched:
            latched.append(True)
            desk.latch(name, reason="fire")
        return now

    latched: list[bool] = []
    desk.at_clock(late)
    with pytest.raises(EntryRefused) as caught:
        desk.run(desk.bot.door.submit(desk.entry()))
    assert caught.value.code == name.value and "set by ann: fire" in caught.value.why
    assert desk.intents() == [] and desk.plan.names("place") == []


def test_an_unknown_order_latch_refuses_its_own_symbol_only(tmp_path):
    with rig(tmp_path, {SOL: [FLAT] * 3, "ETHUSDT": [FLAT] * 3}) as desk:
        desk.latch(LatchName.UNKNOWN_ORDER, SOL)
        with pytest.raises(EntryRefused, match="unknown_order"):
            desk.run(desk.bot.door.submit(desk.entry()))
        assert desk.run(desk.bot.door.submit(desk.entry(symbol="ETHUSDT"))).confirmed


def test_a_halt_file_refuses_the_entry_with_its_own_text(desk):
    halt.write(str(desk.db.path), "kill switch by ann: fire")
    with pytest.raises(EntryRefused) as caught:
        desk.run(desk.bot.door.submit(desk.entry()))
    assert caught.value.code == "halt_file" and "by ann: fire" in caught.value.why
    assert desk.intents() == []


@pytest.mark.parametrize("draft", ["entry", "stop", "exit"])
def test_a_lost_lease_refuses_everything_that_the_bot_would_send(desk, draft):
    hold(desk)
    desk.write(lease.acquire, lease.this_holder(), WALL_MS)
    sent = len(desk.plan.names("place"))
    made = {
        "entry": desk.entry(),
        "stop": stop_draft(SOL, Side.LONG, D(1), D(99), TriggerBy.LAST, "test"),
        "exit": exit_draft(SOL, Side.LONG, D(1), "test"),
    }[draft]
    with pytest.raises(EntryRefused) as caught:
        desk.run(desk.bot.door.submit(made))
    assert caught.value.code == "lease"
    assert len(desk.intents()) == 1 and len(desk.plan.names("place")) == sent


def test_a_request_whose_window_has_passed_is_recorded_as_not_placed_and_never_sent(desk):
    late_ms = desk.config.venue.recv_window_ms + 1
    readings: list[int] = []

    def late(now: int) -> int:
        readings.append(now)
        return now if len(readings) == 1 else now + late_ms

    desk.at_clock(late)
    submitted = desk.run(desk.bot.door.submit(desk.entry()))
    assert submitted.outcome is None and submitted.intent.state is IntentState.NOT_PLACED
    assert desk.plan.names("place") == []
    assert submitted.sentence() == "not sent: its window had passed"


def test_a_request_frozen_on_its_way_is_refused_by_the_venue_itself(desk):
    desk.plan.before_faults["place"] = [Delay(desk.config.venue.recv_window_ms + 1)]
    submitted = desk.run(desk.bot.door.submit(desk.entry()))
    assert isinstance(submitted.outcome, Rejected) and submitted.outcome.code == "request_expired"
    assert desk.snapshot().positions == ()


# What stays possible when entries are not.


def halted(desk: Rig, how: str) -> None:
    if how == "latch":
        desk.latch(LatchName.KILL_SWITCH)
    else:
        halt.write(str(desk.db.path), "kill switch by ann")


@pytest.mark.parametrize("how", ["latch", "file"])
def test_when_halted_a_stop_a_cancel_and_an_operators_exit_still_leave(desk, how):
    hold(desk)
    old = next(order for order in desk.snapshot().orders if order.protective)
    halted(desk, how)
    stop = desk.run(desk.bot.door.submit(stop_draft(SOL, Side.LONG, D(2), D("99.2"), TriggerBy.LAST, "test")))
    cancel = desk.run(desk.bot.door.submit(cancel_draft(SOL, OrderSide.SELL, old.order_id, "replaced")))
    close = desk.run(operator(desk).submit(exit_draft(SOL, Side.LONG, D(2), "out", operator=True)))
    assert stop.confirmed and cancel.confirmed and close.confirmed
    assert desk.snapshot().positions == () and close.intent.actor == "ann" and close.intent.epoch == 0


@pytest.mark.parametrize("how", ["latch", "file"])
def test_when_halted_a_managing_exit_is_refused_but_the_last_resort_is_not(desk, how):
    hold(desk)
    halted(desk, how)
    draft = exit_draft(SOL, Side.LONG, D(2), "reverse cross")
    with pytest.raises(EntryRefused) as caught:
        desk.run(desk.bot.door.submit(draft))
    assert caught.value.code == "halted" and len(desk.intents()) == 1
    assert desk.run(desk.bot.door.submit(draft, last_resort=True)).confirmed


def test_a_pause_refuses_entries_and_lets_the_bot_manage(desk):
    hold(desk)
    desk.latch(LatchName.PAUSE)
    with pytest.raises(EntryRefused, match="pause"):
        desk.run(desk.bot.door.submit(desk.entry()))
    assert desk.run(desk.bot.door.submit(exit_draft(SOL, Side.LONG, D(2), "reverse cross"))).confirmed


def test_an_operator_may_not_enter_when_halted_either(desk):
    halted(desk, "latch")
    with pytest.raises(EntryRefused, match="kill_switch"):
        desk.run(operator(desk).submit(desk.entry()))


# Promise 3: outcomes.


@pytest.mark.parametrize("fault", [LoseAnswer(), DropRequest()], ids=["answer lost", "request lost"])
def test_no_answer_is_unknown_and_blocks_the_symbol_with_latch_alert_and_line(desk, fault, tmp_path):
    where = desk.plan.after_faults if isinstance(fault, LoseAnswer) else desk.plan.before_faults
    where["place"] = [fault]
    with lines(desk, tmp_path) as log:
        submitted = desk.run(desk.bot.door.submit(desk.entry()))
        said = [line for line in log() if "SAFETY_UNKNOWN_ORDER:" in line]
    assert isinstance(submitted.outcome, Unknown) and submitted.intent.state is IntentState.UNKNOWN
    latch = desk.read(latches.get, LatchName.UNKNOWN_ORDER, SOL)
    assert latch is not None and fault.reason in latch.reason and submitted.intent.client_id in latch.reason
    (alert,) = desk.read(outbox.pending, 10)
    assert alert.type == "safety_unknown_order" and alert.symbol == SOL
    assert alert.context == {"symbol": SOL, "client_id": submitted.intent.client_id, "qty": "2"}
    assert len(said) == 1 and "WARNING" in said[0]


def test_latch_and_alert_of_an_unknown_order_commit_with_its_state(desk):
    """Cut at the last statement before that commit, none of the three is there."""
    desk.plan.after_faults["place"] = [LoseAnswer()]
    desk.db.conn.execute(
        "CREATE TEMP TRIGGER cut AFTER INSERT ON main.outbox BEGIN SELECT RAISE(ABORT, 'cut here'); END"
    )
    with pytest.raises(Exception, match="cut here"):
        desk.run(desk.bot.door.submit(desk.entry()))
    assert [one.state for one in desk.intents()] == [IntentState.RECORDED], "in doubt: start-up will ask"
    assert desk.read(latches.active) == () and desk.read(outbox.pending, 10) == []


def test_a_venue_that_cannot_be_reached_while_sending_is_unknown_and_not_an_error(desk):
    class Breaking:
        """Breaks the connection in the middle of a placement."""

        def __init__(self, inner: object) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        async def place(self, request: object) -> object:
            raise VenueUnreachable("connection reset by peer")

    door = Door(desk.db, Breaking(desk.bot.venue), desk.bot.clock, epoch=0, actor="ann", recv_window_ms=5000)  # type: ignore[arg-type]
    submitted = desk.run(door.submit(desk.entry()))
    assert submitted.outcome == Unknown("connection reset by peer")
    assert submitted.intent.state is IntentState.UNKNOWN


def test_a_rejection_keeps_the_venues_code_and_blocks_nothing(desk, tmp_path):
    desk.plan.before_faults["place"] = [Refuse("insufficient_margin", "not enough")]
    with lines(desk, tmp_path) as log:
        submitted = desk.run(desk.bot.door.submit(desk.entry()))
        said = [line for line in log() if "SAFETY_ORDER_REJECTED: entry order rejected: insufficient_margin" in line]
    assert submitted.intent.state is IntentState.REJECTED
    assert submitted.intent.detail == "insufficient_margin: not enough" and len(said) == 1
    assert desk.read(latches.active) == ()
    (alert,) = desk.read(outbox.pending, 10)
    assert alert.type == "safety_order_rejected" and not alert.urgent


def test_a_rejected_stop_is_an_urgent_alert(desk):
    hold(desk)
    desk.plan.before_faults["place"] = [Refuse("price_precision", "no")]
    desk.run(desk.bot.door.submit(stop_draft(SOL, Side.LONG, D(2), D(99), TriggerBy.LAST, "test")))
    (alert,) = desk.read(outbox.pending, 10)
    assert alert.urgent


def test_a_stop_that_each_pass_has_refused_is_one_alert_every_few_minutes(desk):
    """A venue without room for it refuses it every 5 s for hours: an alert that is read says it once, and again."""
    hold(desk)
    desk.plan.before_faults["place"] = [Refuse("price_precision", "no")] * 4
    for wait_s in (0, 5, 5, 300):
        desk.run(desk.bot.clock.sleep(wait_s))
        desk.run(desk.bot.door.submit(stop_draft(SOL, Side.LONG, D(2), D(99), TriggerBy.LAST, "test")))
    first, again = desk.read(outbox.pending, 10)
    assert first.text == again.text and again.at_ms - first.at_ms >= 300_000


def test_a_cancel_of_an_order_that_has_ended_is_no_alarm(desk):
    submitted = desk.run(desk.bot.door.submit(cancel_draft(SOL, OrderSide.SELL, "o999", "test")))
    assert isinstance(submitted.outcome, Rejected) and submitted.outcome.code == "order_not_found"
    assert desk.read(outbox.pending, 10) == []


@pytest.mark.parametrize("fault", [LoseAnswer(), DropRequest()], ids=["answer lost", "request lost"])
def test_no_order_is_ever_sent_twice(tmp_path, fault):
    with rig(tmp_path, [FLAT] * 10) as desk:
        where = desk.plan.after_faults if isinstance(fault, LoseAnswer) else desk.plan.before_faults
        where["place"] = [fault]
        desk.run(desk.bot.door.submit(desk.entry()))
        for _ in range(5):
            desk.cycle()
        sent = [call.subject for call in desk.plan.names("place")]
        assert len(sent) == len(set(sent)), sent
        by_id = {one.client_id: one for one in desk.intents()}
        expected = IntentState.CONFIRMED if isinstance(fault, LoseAnswer) else IntentState.NOT_PLACED
        assert by_id[sent[0]].state is expected


def test_a_symbol_is_prepared_only_where_it_differs(desk):
    prepare = desk.bot.door.prepare_symbol
    assert desk.run(prepare(SOL, D(7), "isolated")) is None
    assert [call.name for call in desk.plan.calls if call.changes] == ["set_leverage"]
    assert desk.run(prepare(SOL, D(7), "isolated")) is None
    assert [call.name for call in desk.plan.calls if call.changes] == ["set_leverage"], "it stood already"
    refused = desk.run(prepare(SOL, D(500), "isolated"))
    assert isinstance(refused, Rejected)
