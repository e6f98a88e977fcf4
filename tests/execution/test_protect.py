"""Every position covered, at first sight, in every state; nothing unexpected is destroyed (promises 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bot_kit import CALM, FIVE_MS, FLAT, SOL, D, Rig, Row, lines, refuse, rig
from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.intent import IntentState, Purpose, stop_draft
from tradectl.domain.money import text
from tradectl.domain.order import BracketLeg, OrderFact, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Protection, Side, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import LatchName
from tradectl.execution.ingest import ingest
from tradectl.execution.protect import Protected, protect
from tradectl.execution.stop_level import stop_price
from tradectl.execution.unprotectable import Strikes
from tradectl.sim.faults import Delay, DropRequest, Refuse
from tradectl.sim.ops import CancelOrder, PlaceOrder
from tradectl.store import halt, ledger, outbox

LAST = TriggerBy.LAST


@pytest.fixture
def desk(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 10) as made:
        yield made


def outsider(desk: Rig, side: OrderSide, qty: str, kind: OrderType = OrderType.MARKET, **more: object) -> OrderFact:
    """Somebody else trades on this account: an order without any id of ours."""
    host = desk.embedded.host
    now = host.state.server_ms
    plain = OrderRequest(f"other-{host.state.next_order}", SOL, side, kind, D(qty), now, now + 5000)
    reply = host.execute(PlaceOrder(replace(plain, **more), now)).reply  # type: ignore[arg-type]
    return reply.order  # type: ignore[union-attr]


def strip(desk: Rig, keep: int = 0) -> None:
    """Somebody cancels the stops of the position, but for the first `keep`."""
    host = desk.embedded.host
    for order in [order for order in desk.snapshot().orders if order.protective][keep:]:
        now = host.state.server_ms
        host.execute(CancelOrder(SOL, order.order_id, now, now + 5000))


def hold(desk: Rig, qty: str = "2", stop: str = "99") -> None:
    """A position of ours whose stop was taken away, as the books know it."""
    assert desk.run(desk.bot.door.submit(desk.entry(qty, stop))).confirmed
    desk.cycle()


def go(desk: Rig, snapshot: Snapshot | None = None, strikes: Strikes | None = None) -> Protected:
    return desk.run(
        protect(
            desk.db,
            desk.bot.door,
            snapshot or desk.snapshot(),
            desk.read(ledger.open_trades),
            dict(desk.bot.instruments),
            desk.bot.protection,
            desk.bot.clock.now_ms(),
            strikes=strikes,
        )
    )


def cover(desk: Rig) -> Protection:
    snapshot = desk.snapshot()
    (position,) = snapshot.positions
    return coverage(position, snapshot.orders).protection


def sent(desk: Rig, purpose: Purpose) -> list[tuple[str, str | None]]:
    return [
        (str(one.qty), str(one.trigger_price) if one.trigger_price is not None else None)
        for one in desk.intents()
        if one.purpose is purpose
    ]


@pytest.mark.parametrize("how", ["normal", "paused", "halted by a latch", "halted by a file", "unknown order"])
def test_a_naked_position_gets_its_planned_stop_at_first_sight_in_every_state(desk, how):
    hold(desk, stop="98.5")
    strip(desk)
    if how == "paused":
        desk.latch(LatchName.PAUSE)
    elif how == "halted by a latch":
        desk.latch(LatchName.KILL_SWITCH)
    elif how == "halted by a file":
        halt.write(str(desk.db.path), "by ann")
    elif how == "unknown order":
        desk.latch(LatchName.UNKNOWN_ORDER, SOL)
    assert cover(desk) is Protection.NAKED
    done = go(desk)
    assert done.placed == {SOL: "98.5"} and cover(desk) is Protection.COVERED
    assert sent(desk, Purpose.STOP) == [("2", "98.5")]


def test_a_covered_position_is_left_alone(desk):
    hold(desk)
    before = len(desk.intents())
    assert not go(desk).changed and len(desk.intents()) == before


def test_a_position_covered_in_part_gets_the_missing_part(desk):
    hold(desk, "5")
    strip(desk)
    desk.run(desk.bot.door.submit(stop_draft(SOL, Side.LONG, D(2), D("98.8"), LAST, "a part")))
    assert cover(desk) is Protection.SHORT
    go(desk)
    assert cover(desk) is Protection.COVERED
    assert sent(desk, Purpose.STOP) == [("2", "98.8"), ("3", "99")]
    go(desk)
    assert sent(desk, Purpose.STOP)[2:] == [("2", "99")], "what was looser than planned makes way"
    for _ in range(3):
        go(desk)
    assert len(sent(desk, Purpose.STOP)) == 3, "and then it places no more"
    assert sorted(text(order.qty) for order in desk.snapshot().orders if order.protective) == ["2", "3"]


@pytest.mark.parametrize(("side", "expected"), [(OrderSide.BUY, "99"), (OrderSide.SELL, "101")])
def test_a_position_that_nothing_of_ours_explains_gets_the_configured_distance_from_the_mark(desk, side, expected):
    outsider(desk, side, "3")
    mark = desk.snapshot().positions[0].mark_price
    done = go(desk)
    rounded = D(done.placed[SOL])
    assert abs(rounded - mark * (D("0.99") if side is OrderSide.BUY else D("1.01"))) <= D("0.01")
    assert abs(rounded - D(expected)) < D("0.05") and cover(desk) is Protection.COVERED


def test_a_level_that_was_already_passed_is_closed_reduce_only(tmp_path):
    with rig(tmp_path, [FLAT, FLAT, ("100", "100", "98.8", "98.9")]) as desk:
        hold(desk, stop="99")
        strip(desk)
        desk.step(2)
        with lines(desk, tmp_path) as log:
            done = go(desk)
            said = [line for line in log() if "CRITICAL" in line and "SAFETY_NAKED_POSITION" in line]
        assert "already passed" in done.closed[SOL] and desk.snapshot().positions == ()
        exit_ = desk.intents()[-1]
        assert exit_.purpose is Purpose.EXIT and exit_.reduce_only and exit_.qty == 2
        assert len(said) == 1 and "unprotectable position closed" in said[0]
        assert [alert.urgent for alert in desk.read(outbox.pending, 10)][-1] is True


@pytest.mark.parametrize("how", ["normal", "halted"])
def test_a_stop_that_the_venue_keeps_refusing_ends_in_closing_the_position_even_when_halted(desk, how):
    hold(desk)
    strip(desk)
    if how == "halted":
        desk.latch(LatchName.KILL_SWITCH)
    refuse(desk, "max_conditional_orders", "st")
    strikes = Strikes()
    first = go(desk, strikes=strikes)
    assert first.closed == {} and "pass 1 of 2" in first.naked[SOL] and len(desk.snapshot().positions) == 1
    done = go(desk, strikes=strikes)
    assert "the venue keeps refusing its stop" in done.closed[SOL] and desk.snapshot().positions == ()


@pytest.mark.parametrize("fault", [Refuse("too_many_requests", "later"), Delay(6_000)], ids=["throttled", "too late"])
def test_a_stop_refused_once_is_placed_again_and_no_position_is_ended_for_it(desk, fault):
    hold(desk)
    strip(desk)
    desk.plan.before_faults["place"] = [fault]
    done = go(desk)
    assert done.placed == {SOL: "99"} and done.closed == {} and cover(desk) is Protection.COVERED
    states = [one.state for one in desk.intents() if one.purpose is Purpose.STOP]
    assert states == [IntentState.REJECTED, IntentState.CONFIRMED], "a new attempt is a new intent"


def test_a_stop_whose_outcome_is_unknown_closes_nothing(desk):
    hold(desk)
    strip(desk)
    desk.plan.before_faults["place"] = [DropRequest()]
    done = go(desk)
    assert done.closed == {} and "outcome unknown" in done.naked[SOL] and len(desk.snapshot().positions) == 1
    desk.run(desk.bot.clock.sleep(10))  # past its window: no picture taken from now on can miss it
    go(desk)
    assert cover(desk) is Protection.COVERED


# How long it was naked.


def naked_ms(desk: Rig) -> tuple[int | None, int]:
    trade = desk.read(ledger.open_trades)[SOL]
    return trade.naked_since_ms, trade.naked_ms


def test_naked_time_is_measured_from_the_last_look_that_saw_it_covered(desk):
    hold(desk)
    desk.cycle()
    covered_at = desk.bot.clock.now_ms()
    desk.step()
    strip(desk)
    desk.step()
    desk.plan.before_faults["place"] = [DropRequest()]
    go(desk)
    assert naked_ms(desk) == (covered_at, 0), "not from its opening: it was covered for a cycle since"
    desk.run(desk.bot.clock.sleep(7))  # past the window of the first one
    go(desk)
    go(desk)
    since, total = naked_ms(desk)
    assert since is None and total == 2 * FIVE_MS + 7000


def test_an_entry_whose_stop_never_came_is_naked_since_its_opening(tmp_path):
    with rig(tmp_path, [FLAT] * 10) as desk:
        desk.cycle()
        desk.run(desk.bot.door.submit(desk.entry()))
        opened = desk.bot.clock.now_ms()
        strip(desk)
        desk.run(ingest(desk.db, desk.bot.venue, "USDT"))
        desk.run(desk.bot.clock.sleep(3))
        desk.plan.before_faults["place"] = [DropRequest()]
        go(desk)
        assert naked_ms(desk) == (opened, 0)


def test_naked_is_said_and_alerted_once_a_spell(desk, tmp_path):
    hold(desk)
    strip(desk)
    desk.plan.before_faults["place"] = [DropRequest(), DropRequest()]
    with lines(desk, tmp_path) as log:
        go(desk)
        go(desk)
        said = [line for line in log() if "SAFETY_NAKED_POSITION: long 2 SOLUSDT is naked: stops cover 0" in line]
    assert len(said) == 1 and "WARNING" in said[0]
    alerts = [alert for alert in desk.read(outbox.pending, 20) if alert.type == "safety_naked_position"]
    assert len(alerts) == 1 and alerts[0].urgent


def test_a_closed_trade_keeps_what_it_was_naked(tmp_path):
    rows: list[Row] = [FLAT, FLAT, CALM, ("100.5", "100.6", "90", "90.5"), FLAT]
    with rig(tmp_path, rows) as desk:
        hold(desk)
        strip(desk)
        desk.plan.before_faults["place"] = [DropRequest()]
        go(desk)
        started = desk.read(ledger.open_trades)[SOL].naked_since_ms
        desk.cycle()
        desk.cycle()
        desk.cycle()
        (trade,) = desk.read(ledger.trades, 5)
        assert started is not None and trade.naked_ms > 0


# Left-behind and foreign orders.


def test_a_stop_of_ours_left_behind_is_cancelled_and_others_orders_are_not_touched(desk):
    hold(desk)
    strip(desk)
    go(desk)
    foreign = outsider(desk, OrderSide.SELL, "2", OrderType.STOP_MARKET, trigger_price=D(95), reduce_only=True)
    limit = outsider(desk, OrderSide.BUY, "2", OrderType.LIMIT, price=D(90))
    ours = next(order for order in desk.snapshot().orders if order.client_id and order.client_id.startswith("tdc."))
    before = desk.snapshot()
    go(desk, replace(before, positions=()))  # a list that came back empty: the books know better
    assert [one for one in desk.intents() if one.purpose is Purpose.CANCEL] == []
    outsider(desk, OrderSide.SELL, "2", OrderType.MARKET, reduce_only=True)
    desk.run(ingest(desk.db, desk.bot.venue, "USDT"))
    go(desk, replace(desk.snapshot(), orders=before.orders))  # a venue whose position went before its stops
    cancels = [one for one in desk.intents() if one.purpose is Purpose.CANCEL]
    asked = {one.cancels_order_id for one in cancels}
    assert ours.order_id in asked and foreign.order_id not in asked and limit.order_id not in asked
    assert limit.order_id in {order.order_id for order in desk.snapshot().orders}


def test_another_stores_stop_is_left_alone(desk):
    hold(desk)
    theirs = outsider(
        desk, OrderSide.SELL, "2", OrderType.STOP_MARKET, trigger_price=D(95), reduce_only=True,
        client_id="tdc.zzzzzz.st.7",
    )  # fmt: skip
    go(desk, replace(desk.snapshot(), positions=()))
    assert theirs.order_id in {order.order_id for order in desk.snapshot().orders}


def test_a_foreign_stop_counts_as_cover(desk):
    """What protects is what the venue says it is, whoever placed it."""
    hold(desk)
    strip(desk)
    outsider(desk, OrderSide.SELL, "2", OrderType.STOP_MARKET, trigger_price=D(95), reduce_only=True)
    assert not go(desk).changed


# The configured distance.

TICKS: Sequence[str] = ("0.1", "0.01", "0.5", "0.0001")


@given(
    st.sampled_from(TICKS),
    st.integers(1, 10_000_000),
    st.decimals("0.001", "0.5", places=3),
    st.sampled_from(Side),
)
def test_the_configured_stop_lies_behind_the_entry_and_rounds_to_the_smaller_loss(tick, ticks, distance, side):
    size = D(tick)
    entry = size * ticks
    instrument = Instrument(
        SOL, "SOL", "USDT", size, D("0.1"), D("0.1"), D(5), D(1000), (Tier(D(10**9), D(50), D("0.01")),)
    )
    price = stop_price(instrument, side, entry, distance)
    exact = entry * (1 - side.sign * distance)
    assert price % size == 0 and 0 <= (price - exact) * side.sign < size
    assert BracketLeg(price, LAST).trigger_price == price
