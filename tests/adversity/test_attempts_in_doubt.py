"""A new attempt follows the old one's known outcome (promises 1, 3 and 5); no alarm about what is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_kit import CALM, SAG, SOL, UP, D, refuse, rig
from protect_kit import TWO, go, naked_alerts, stops_sent
from test_interleavings import close_elsewhere, strip

from tradectl.domain.intent import IntentState, Purpose, exit_draft
from tradectl.domain.position import Protection, Side, coverage
from tradectl.errors import EntryRefused
from tradectl.execution.resolve import adopt_doubt, resolve
from tradectl.execution.unprotectable import Strikes
from tradectl.sim.faults import DropRequest, LoseAnswer
from tradectl.store import intents

# A new attempt follows the old one's known outcome (promises 1, 3 and 5).


@pytest.mark.parametrize("fault", [DropRequest(), LoseAnswer()])
def test_a_stop_in_doubt_is_not_followed_by_a_second_before_its_window_has_passed(tmp_path: Path, fault):
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        strip(desk, SOL)
        before = desk.snapshot()
        faults = desk.plan.after_faults if isinstance(fault, LoseAnswer) else desk.plan.before_faults
        faults["place"] = [fault]
        go(desk)
        again = go(desk, before)
        assert stops_sent(desk) == [IntentState.UNKNOWN]
        if isinstance(fault, DropRequest):
            assert "awaited" in again.waiting[SOL] and not again.changed
        desk.cycle()  # five minutes later
        snapshot = desk.snapshot()
        assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED
        assert len(stops_sent(desk)) == (2 if isinstance(fault, DropRequest) else 1)
        assert desk.read(intents.in_doubt) == ()


def test_a_stop_that_cannot_be_searched_for_leaves_nobody_naked_beyond_its_window(tmp_path: Path):
    with rig(tmp_path, [UP, CALM, CALM], {"execution.read_backoff_seconds": []}) as desk:
        desk.cycle()
        strip(desk, SOL)
        desk.plan.before_faults["place"] = [DropRequest()]
        go(desk)
        window = desk.config.venue.recv_window_ms + desk.config.venue.max_clock_skew_ms
        desk.run(desk.bot.clock.sleep(window / 1000))
        assert SOL in go(desk).waiting, "it may still arrive"
        desk.run(desk.bot.clock.sleep(0.001))
        assert SOL in go(desk).placed, "a complete picture from after its window shows that it is not there"
        assert stops_sent(desk) == [IntentState.UNKNOWN, IntentState.CONFIRMED]


def test_an_exit_killed_between_record_and_send_is_waited_for(tmp_path: Path):
    knobs: dict[str, object] = {"perps.early_exit_on_cross": True}
    with rig(tmp_path, [UP, *[SAG] * 20], knobs) as desk:
        desk.cycle()
        (position,) = desk.snapshot().positions
        armed: list[int] = []

        def die(call) -> None:
            if call.name == "place" and not armed:
                armed.append(1)
                raise KeyboardInterrupt  # the process ends after the record, before the request

        desk.plan.on_before = die
        for _ in range(20):
            try:
                desk.cycle()
            except KeyboardInterrupt:
                break
        assert armed and [one.state for one in desk.intents()][-1] is IntentState.RECORDED
        died_ms = desk.bot.clock.now_ms()
        assert desk.start()
        assert desk.intents()[-1].state is IntentState.NOT_PLACED, "its window was waited for"
        assert desk.bot.clock.now_ms() - died_ms > desk.config.venue.recv_window_ms
        (decision,) = desk.cycle(step=False).decisions
        assert decision.outcome == "exit", "the same candle, now that the first is known not to have been placed"
        states = [one.state for one in desk.intents() if one.purpose is Purpose.EXIT]
        assert states == [IntentState.NOT_PLACED, IntentState.CONFIRMED]
        assert desk.snapshot().positions == () and position.qty > 0


def test_an_early_exit_that_waits_for_another_is_decided_again_on_the_same_candle(tmp_path: Path):
    knobs: dict[str, object] = {"perps.early_exit_on_cross": True}
    with rig(tmp_path, [UP, *[SAG] * 20], knobs) as desk:
        desk.cycle()
        draft = exit_draft(SOL, Side.LONG, D(1), "by hand", operator=True)
        at_ms = desk.bot.clock.now_ms()
        other = desk.write(intents.record, draft, created_ms=at_ms, expires_ms=at_ms + 86_400_000, epoch=0, actor="ann")
        for _ in range(20):
            (decision,) = desk.cycle().decisions
            if decision.code != "no_cross":
                break
        assert (decision.outcome, decision.code) == ("refused", "exit_in_doubt")
        desk.write(intents.advance, other.number, IntentState.NOT_PLACED, at_ms=desk.bot.clock.now_ms())
        (decision,) = desk.cycle(step=False).decisions
        assert decision.outcome == "exit" and desk.snapshot().positions == ()


def test_an_operators_close_under_way_is_waited_for_too(tmp_path: Path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.cycle()
        qty = desk.snapshot().positions[0].qty
        draft = exit_draft(SOL, Side.LONG, qty, "by hand", operator=True)
        at_ms = desk.bot.clock.now_ms()
        desk.write(intents.record, draft, created_ms=at_ms, expires_ms=at_ms + 5000, epoch=0, actor="ann")
        with pytest.raises(EntryRefused) as caught:
            desk.run(desk.bot.door.submit(exit_draft(SOL, Side.LONG, qty, "early")))
        assert caught.value.code == "exit_in_doubt"
        adopt_doubt(desk.db, desk.bot.clock, reason="left behind")
        desk.run(desk.bot.clock.sleep(10))
        desk.run(resolve(desk.db, desk.bot.venue, desk.bot.clock, max_skew_ms=1000))
        assert desk.run(desk.bot.door.submit(exit_draft(SOL, Side.LONG, qty, "early"))).confirmed


# No alarm about a position that is gone.


def test_a_position_closed_by_an_operator_meanwhile_is_neither_alarmed_about_nor_closed(tmp_path: Path):
    with rig(tmp_path, {name: [UP, CALM, CALM] for name in TWO}) as desk:
        desk.cycle()
        for name in TWO:
            strip(desk, name)
        done: list[object] = []

        def act(call) -> None:
            if call.name == "place" and call.symbol == "ETHUSDT" and not done:
                done.append(call)
                close_elsewhere(desk, SOL)

        desk.plan.on_before = act
        protected = go(desk)
        assert done and protected.gone.keys() == {SOL} and protected.changed
        assert not any(SOL in text for text in naked_alerts(desk)), "only ETHUSDT was naked"
        assert [one.symbol for one in desk.intents() if one.purpose in (Purpose.STOP, Purpose.EXIT)] == ["ETHUSDT"]


def test_a_position_closed_while_its_stop_is_refused_is_not_closed_again(tmp_path: Path):
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        strip(desk, SOL)
        refuse(desk, "reduce_only", "st")
        strikes = Strikes()
        assert "pass 1 of 2" in go(desk, strikes=strikes).naked[SOL]

        def act(call) -> None:
            if call.name == "place" and len(desk.plan.names("place")) == 5:  # the entry's, and two of the first pass
                desk.plan.on_before = None
                close_elsewhere(desk, SOL)

        desk.plan.on_before = act
        protected = go(desk, strikes=strikes)
        assert protected.closed == {} and protected.naked == {} and SOL in protected.gone
        assert Purpose.EXIT not in [one.purpose for one in desk.intents()]
        assert not any("unprotectable" in text for text in naked_alerts(desk))


def test_a_fresh_look_that_fails_hides_no_naked_position(tmp_path: Path):
    """An unread venue is never 'gone' (promise 4)."""
    with rig(tmp_path, [UP, CALM], {"execution.read_backoff_seconds": []}) as desk:
        desk.cycle()
        strip(desk, SOL)
        snapshot = desk.snapshot()
        desk.plan.before_faults["snapshot"] = [DropRequest()]
        done = go(desk, snapshot)
        assert SOL in done.placed and len(naked_alerts(desk)) == 1
