"""Bot and operator at the same moment: what one has read is old by the time the other has acted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bot_kit import CALM, FLAT, SOL, UP, WALL_MS, refuse, rig

from tradectl.domain.intent import IntentState, Purpose, exit_draft
from tradectl.domain.position import Side
from tradectl.execution.ingest import ingest
from tradectl.execution.protect import protect
from tradectl.execution.resolve import adopt_doubt, resolve
from tradectl.execution.submit import Door
from tradectl.execution.unprotectable import Strikes
from tradectl.sim.embedded import open_existing
from tradectl.sim.faults import DropRequest, Refuse
from tradectl.sim.ops import CancelOrder, PlaceOrder, SetServerTime
from tradectl.store import journal, ledger, outbox, session

TWO = ("ETHUSDT", SOL)


def close_elsewhere(desk, symbol: str) -> None:
    """What `positions close` does in its own process: closes it all, and takes in the fills."""

    def look(db):
        there = open_existing(desk.embedded.host.path, wall_ms=lambda: WALL_MS, durable=False)

        async def whole() -> None:
            position = (await there.venue.snapshot()).position(symbol)
            assert position is not None
            door = Door(db, there.venue, there.clock, epoch=0, actor="ann", recv_window_ms=5000)
            done = await door.submit(exit_draft(symbol, position.side, abs(position.qty), "by hand", operator=True))
            assert done.confirmed
            await ingest(db, there.venue, "USDT")
            await there.venue.close()

        coroutine = whole()
        with pytest.raises(StopIteration):  # nothing in it waits: it runs to its end inside the bot's own loop
            coroutine.send(None)

    with desk.elsewhere() as other:
        look(other)


def strip(desk, symbol: str) -> None:
    host = desk.embedded.host
    for order in [one for one in desk.snapshot().orders_of(symbol) if one.reduces]:
        host.execute(CancelOrder(symbol, order.order_id, host.state.server_ms, host.state.server_ms + 5000))


def test_a_position_closed_by_an_operator_while_the_bot_protects_does_not_come_back_to_the_books(tmp_path):
    with rig(tmp_path, {name: [UP, CALM, CALM] for name in TWO}) as desk:
        desk.cycle()
        assert len(desk.snapshot().positions) == 2
        for name in TWO:
            strip(desk, name)
        done: list[object] = []

        def act(call) -> None:
            if call.name == "place" and call.symbol == "ETHUSDT" and not done:
                done.append(call)
                close_elsewhere(desk, SOL)

        desk.plan.on_before = act
        desk.cycle()
        assert done, "the operator closed SOL while the bot placed the stop of ETH"
        assert SOL not in desk.read(ledger.open_trades)
        assert desk.snapshot().position(SOL) is None
        assert [trade.symbol for trade in desk.read(ledger.trades, 5)] == [SOL]


def test_a_close_that_did_not_happen_is_not_called_closed(tmp_path):
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        strip(desk, SOL)
        refuse(desk, "no", "st", "ex")
        (position,) = desk.snapshot().positions
        strikes = Strikes()
        for _ in range(2):  # two strikes, then the close
            done = desk.run(
                protect(
                    desk.db, desk.bot.door, desk.snapshot(), desk.read(ledger.open_trades), desk.bot.instruments,
                    desk.bot.protection, desk.bot.clock.now_ms(), strikes=strikes,
                )
            )  # fmt: skip
        assert done.closed == {} and "NOT closed" in done.naked[SOL] and done.changed
        assert desk.snapshot().position(SOL) == position
        texts = [alert.text for alert in desk.read(outbox.pending, 100)]
        assert not any("position closed" in text for text in texts)


def test_an_entry_that_filled_after_its_session_ended_is_taken_in_all_the_same(tmp_path):
    """The bot was stopped before it had seen the fill; then an operator's command takes it in, or nobody could."""
    with rig(tmp_path, [FLAT, UP]) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry())).confirmed
        with desk.db.transaction() as conn:
            session.end(conn, at_ms=desk.bot.clock.now_ms(), reason="stopped by SIGTERM")
        taken = desk.run(ingest(desk.db, desk.bot.venue, "USDT"))
        assert len(taken.fills) == 1 and desk.read(ledger.open_trades)[SOL].lot.qty == 2


@pytest.mark.parametrize("fault", [None, Refuse("engine_busy", "try later"), DropRequest()])
def test_an_order_taken_for_doubtful_by_another_process_while_under_way_keeps_its_outcome(tmp_path, fault):
    """A bot that starts adopts what it finds in flight, an operator's close among it."""
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.cycle()
        position = desk.snapshot().position(SOL)

        def act(call) -> None:
            if call.name == "place":
                with desk.elsewhere() as other:
                    adopt_doubt(other, desk.bot.clock, reason="found in flight at start-up")

        desk.plan.on_before = act
        desk.plan.before_faults["place"] = [fault]
        door = Door(desk.db, desk.bot.venue, desk.bot.clock, epoch=0, actor="ann", recv_window_ms=5000)
        done = desk.run(door.submit(exit_draft(SOL, Side.LONG, position.qty, "by hand", operator=True)))
        expected = {type(None): IntentState.CONFIRMED, Refuse: IntentState.NOT_PLACED, DropRequest: IntentState.UNKNOWN}
        assert done.intent.state is expected[type(fault)] and desk.intents()[-1].state is done.intent.state


def test_an_order_settled_by_another_process_first_is_no_error(tmp_path):
    with rig(tmp_path, [UP, CALM], ready=True) as desk:
        desk.plan.before_faults["place"] = [DropRequest()]
        assert not desk.run(desk.bot.door.submit(desk.entry())).confirmed
        desk.step()

        def act(call) -> None:
            if call.name == "find_order" and not call.subject.startswith("x") and not done:
                done.append(call)
                desk.plan.on_before = None
                with desk.elsewhere() as other:
                    drive(resolve(other, desk.bot.venue, desk.bot.clock, max_skew_ms=1000, actor="ann"))

        done: list[object] = []
        desk.plan.on_before = act
        found = desk.run(resolve(desk.db, desk.bot.venue, desk.bot.clock, max_skew_ms=1000, epoch=desk.bot.epoch))
        assert done and [one.resolved for one in found] == [True]
        assert desk.intents()[-1].state is IntentState.NOT_PLACED


@pytest.mark.parametrize("settled", [False, True])
def test_a_bot_thawed_after_its_order_was_judged_by_another_process_sends_nothing_and_goes_on(tmp_path, settled):
    """Frozen between its commit and its sending; meanwhile `reconcile --apply` has taken it for in doubt, and asked."""
    with rig(tmp_path, [FLAT] * 4) as desk:
        frozen: list[int] = []

        def on_read(now_ms: int) -> int:
            if not frozen and any(one.state is IntentState.RECORDED for one in desk.intents()):
                frozen.append(now_ms)
                desk.embedded.host.execute(SetServerTime(now_ms + 60_000))
                with desk.elsewhere() as other:
                    adopt_doubt(other, desk.bot.clock, reason="left by a bot that is gone")
                    if settled:
                        drive(resolve(other, desk.bot.venue, desk.bot.clock, max_skew_ms=1000, actor="ann"))
                return desk.bot.clock.now_ms()
            return now_ms

        desk.at_clock(on_read)
        done = desk.run(desk.bot.door.submit(desk.entry()))
        assert frozen and done.outcome is None and done.intent.state is IntentState.NOT_PLACED
        assert desk.plan.names("place") == [] and desk.snapshot().positions == ()
        outcomes = [row.body["to"] for row in desk.read(lambda conn: journal.page(conn, kind="outcome"))]
        assert sorted(outcomes) == ["not_placed", "unknown"], "told once"
        desk.cycle()


def drive(coroutine) -> None:
    """Runs what never really waits, inside the bot's own loop."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def test_an_entry_that_arrives_while_it_is_asked_about_is_not_entered_twice(tmp_path):
    """The account was read before the order in doubt arrived: the gates must not decide on that old picture."""
    with rig(tmp_path, [FLAT, UP]) as desk:
        desk.cycle()
        assert desk.run(desk.bot.door.prepare_symbol(SOL, desk.config.perps.leverage, "isolated")) is None
        desk.plan.before_faults["place"] = [DropRequest("on its way")]
        lost = desk.run(desk.bot.door.submit(desk.entry()))
        assert lost.intent.state is IntentState.UNKNOWN
        host = desk.embedded.host

        def act(call) -> None:
            if call.name == "find_order":
                desk.plan.on_before = None
                late = replace(lost.intent.request(), expires_ms=host.state.server_ms + 5000)
                host.execute(PlaceOrder(late, host.state.server_ms))

        desk.plan.on_before = act
        report = desk.cycle()
        entries = [one for one in desk.intents() if one.purpose is Purpose.ENTRY]
        assert [one.state for one in entries] == [IntentState.CONFIRMED]
        assert report.snapshot.position(SOL).qty == 2 and report.decisions[0].code == "occupied"
