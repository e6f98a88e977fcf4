"""The sweep: by id, stops kept, no failure ends it; recorded before it leaves, wherever that can be (promises 1, 5)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradectl.config.load import load
from tradectl.domain.intent import IntentState, Purpose, exit_draft, stop_draft
from tradectl.domain.order import BracketLeg, Confirmed, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Protection, Side, coverage
from tradectl.execution.closing import left_behind, reduce_to
from tradectl.execution.submit import Door
from tradectl.execution.sweep import EmergencyDoor, Hands, must_go, sweep
from tradectl.sim.embedded import Embedded, open_embedded
from tradectl.sim.faults import Call, DropRequest, Fault, LoseAnswer, Refuse
from tradectl.store import emergency, intents
from tradectl.store.database import Database
from tradectl.store.identity import Identity

NOW = 1_700_000_000_000
D = Decimal
LAST = TriggerBy.LAST


@dataclass
class Plan:
    """Faults of cancels by order id: what happens to the request before, and to the answer after."""

    ahead: dict[str, Fault] = field(default_factory=dict)
    behind: dict[str, Fault] = field(default_factory=dict)
    placing: list[Callable[[], object]] = field(default_factory=list)

    def before(self, call: Call) -> Fault | None:
        return self.ahead.get(call.subject)

    def after(self, call: Call) -> Fault | None:
        if call.name == "place" and self.placing:
            self.placing.pop()()
        return self.behind.get(call.subject)


@dataclass
class World:
    db: Database
    market: Embedded
    faults: Plan
    placed: int = 0

    def place(self, side: OrderSide, kind: OrderType, qty: str | None, **rest: Any) -> str:
        at_ms = self.market.clock.now_ms()
        self.placed += 1
        request = OrderRequest(
            f"someone-{self.placed}", "BTCUSDT", side, kind, D(qty) if qty else None, at_ms, at_ms + 5000, **rest
        )
        outcome = asyncio.run(self.market.venue.place(request))
        assert isinstance(outcome, Confirmed), outcome
        return outcome.order.order_id

    def long(self) -> None:
        price = self.price()
        self.place(
            OrderSide.BUY,
            OrderType.MARKET,
            "0.010",
            stop=BracketLeg((price * D("0.9")).quantize(D(1)), LAST),
            target=BracketLeg((price * D("1.2")).quantize(D(1)), LAST),
        )

    def limit(self, factor: str = "0.8") -> str:
        price = (self.price() * D(factor)).quantize(D(1))
        return self.place(OrderSide.BUY, OrderType.LIMIT, "0.010", price=price)

    def price(self) -> Decimal:
        return asyncio.run(self.market.venue.ticker("BTCUSDT")).last

    def hands(self, *, store: bool = True) -> Hands:
        venue, clock = self.market.venue, self.market.clock
        door = Door(self.db, venue, clock, epoch=0, actor="ann", recv_window_ms=5000) if store else None
        spare = EmergencyDoor(str(self.db.path), venue, clock, actor="ann", store_tag="abc123", recv_window_ms=5000)
        return Hands(door, spare)

    def sweep(self, hands: Hands | None = None) -> dict[str, str]:
        done = asyncio.run(sweep(hands or self.hands(), self.snapshot(), reason="drill"))
        return {one.order.order_id: one.result for one in done}

    def snapshot(self):
        return asyncio.run(self.market.venue.snapshot())

    def open_ids(self) -> set[str]:
        return {order.order_id for order in self.snapshot().orders}


def build(folder: Path) -> World:
    folder.mkdir(parents=True, exist_ok=True)
    faults = Plan()
    market = open_embedded(load(()).config, None, symbols=("BTCUSDT",), wall_ms=lambda: NOW, faults=faults)
    stamp = Identity("default", "sim", "paper", "abc123", "USDT", None)
    db = Database.create(folder / "store.db", stamp, NOW, lock_wait_ms=10, durable=False)
    return World(db, market, faults)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = build(tmp_path)
    yield made
    made.db.close()


@pytest.fixture
def locked(world: World) -> Iterator[sqlite3.Connection]:
    conn = sqlite3.connect(world.db.path, isolation_level=None)
    conn.execute("BEGIN IMMEDIATE")
    yield conn
    conn.close()


def test_keeps_the_attached_stop_and_cancels_the_rest(world: World) -> None:
    world.long()
    entry = world.limit()
    results = world.sweep()
    assert results[entry] == "cancelled"
    left = world.snapshot().orders
    assert [order.protective for order in left] == [True]
    assert sorted(results.values()) == ["cancelled", "cancelled", "kept"]


def test_a_cancel_the_venue_refuses_does_not_end_the_sweep(world: World) -> None:
    first, second = world.limit("0.7"), world.limit("0.8")
    world.faults.ahead[first] = Refuse("too_busy", "later")
    assert world.sweep() == {first: "failed", second: "cancelled"}
    assert world.open_ids() == {first}


def test_an_order_that_ended_meanwhile_is_gone_not_failed(world: World) -> None:
    entry = world.limit()
    stale = world.snapshot()
    assert world.sweep() == {entry: "cancelled"}
    done = asyncio.run(sweep(world.hands(), stale, reason="drill"))
    assert [one.result for one in done] == ["gone"]


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_cancel_without_an_answer_is_unknown_and_in_doubt(world: World, lost: str) -> None:
    first, second = world.limit("0.7"), world.limit("0.8")
    if lost == "request":
        world.faults.ahead[first] = DropRequest()
    else:
        world.faults.behind[first] = LoseAnswer()
    assert world.sweep() == {first: "unknown", second: "cancelled"}
    with world.db.read() as conn:
        assert [(one.cancels_order_id, one.state) for one in intents.in_doubt(conn)] == [(first, IntentState.UNKNOWN)]


def test_a_locked_store_turns_to_the_emergency_journal_and_stays_there(
    world: World, locked: sqlite3.Connection
) -> None:
    ids = {world.limit("0.7"), world.limit("0.8")}
    hands = world.hands()
    assert set(world.sweep(hands).values()) == {"cancelled"}
    assert world.open_ids() == set()
    waiting = emergency.waiting(world.db.path)
    assert [one["body"]["step"] for one in waiting] == ["recorded", "confirmed"] * 2
    assert {one["body"]["cancels"] for one in waiting} == ids
    assert {one["kind"] for one in waiting} == {"emergency"}
    assert "locked" in hands.store_trouble


def test_what_can_be_recorded_nowhere_is_not_sent(world: World, locked: sqlite3.Connection) -> None:
    entry = world.limit()
    emergency.path_of(world.db.path).mkdir()
    assert world.sweep() == {entry: "failed"}
    assert world.open_ids() == {entry}


def test_the_emergency_journal_takes_no_entry(world: World) -> None:
    spare = EmergencyDoor(
        str(world.db.path), world.market.venue, world.market.clock, actor="ann", store_tag="", recv_window_ms=5000
    )
    stop = stop_draft("BTCUSDT", Side.LONG, D("0.01"), D(100), LAST, "x")
    entry = replace(stop)
    object.__setattr__(entry, "purpose", Purpose.ENTRY)  # a draft that no constructor makes
    with pytest.raises(ValueError, match="can only reduce"):
        asyncio.run(spare.submit(entry))
    assert emergency.waiting(world.db.path) == []


def test_a_close_whose_store_fails_after_sending_is_not_sent_twice(world: World, tmp_path: Path) -> None:
    world.long()
    blocker = sqlite3.connect(world.db.path, isolation_level=None)
    world.faults.placing.append(lambda: blocker.execute("BEGIN IMMEDIATE"))
    position = world.snapshot().positions[0]
    done = asyncio.run(
        reduce_to(world.hands(), world.market.venue, position, leave=D("0.006"), max_market_qty=D(100), reason="news")
    )
    blocker.close()
    assert (done.left_qty, done.problem) == (D("0.006"), "")
    assert emergency.waiting(world.db.path) == []


def test_a_close_goes_in_pieces_of_the_venues_largest_order(world: World) -> None:
    world.long()
    position = world.snapshot().positions[0]
    done = asyncio.run(
        reduce_to(world.hands(), world.market.venue, position, leave=D(0), max_market_qty=D("0.004"), reason="news")
    )
    assert done.gone and not done.problem
    with world.db.read() as conn:
        sizes = [one.qty for one in intents.latest(conn, None, 5) if one.purpose is Purpose.CLOSE]
    assert sizes == [D("0.002"), D("0.004"), D("0.004")]


def test_a_close_of_unknown_outcome_is_not_asked_for_again(world: World) -> None:
    world.long()
    with world.db.read() as conn:
        next_number = len(intents.latest(conn, None, 5)) + 1
    world.faults.ahead[f"tdc.abc123.cl.{next_number}"] = DropRequest()
    position = world.snapshot().positions[0]
    done = asyncio.run(
        reduce_to(world.hands(), world.market.venue, position, leave=D(0), max_market_qty=D(100), reason="news")
    )
    assert "unknown" in done.problem and done.left_qty == D("0.010")
    assert len(done.sent) == 1
    assert exit_draft("BTCUSDT", Side.LONG, D(1), "x", operator=True).purpose is Purpose.CLOSE


def test_only_our_own_and_attached_leftovers_are_ours_to_cancel(world: World) -> None:
    world.long()
    world.place(
        OrderSide.SELL,
        OrderType.STOP_MARKET,
        "0.010",
        trigger_price=(world.price() * D("0.8")).quantize(D(1)),
        trigger_by=LAST,
        reduce_only=True,
    )
    world.limit()
    ours, others = left_behind(world.snapshot(), "BTCUSDT", "abc123")
    assert all(order.parent_id is not None for order in ours) and len(ours) == 2
    assert [order.client_id for order in others] == ["someone-2"]


ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["entry limit", "entry stop", "stop", "close stop", "target limit", "target"]),
        st.integers(60, 95),
    ),
    max_size=8,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=ORDERS, bracket=st.booleans())
def test_whatever_rests_no_exposure_is_left_and_no_cover_is_lost(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[str, int]], bracket: bool
) -> None:
    """Any mixture of resting orders: afterwards nothing can add exposure, and stops cover what they covered."""
    world = build(tmp_path_factory.mktemp("sweep"))
    if bracket:
        world.long()
    else:
        world.place(OrderSide.BUY, OrderType.MARKET, "0.010")
    price = world.price()
    sell, buy = OrderSide.SELL, OrderSide.BUY
    for kind, level in wanted:
        below = (price * level / 100).quantize(D(1))
        above = (price * (200 - level) / 100).quantize(D(1))
        if kind == "entry limit":
            world.place(buy, OrderType.LIMIT, "0.010", price=below)
        elif kind == "entry stop":
            world.place(buy, OrderType.STOP_MARKET, "0.010", trigger_price=above, trigger_by=LAST)
        elif kind == "target limit":
            world.place(sell, OrderType.LIMIT, "0.010", price=above, reduce_only=True)
        elif kind == "target":
            world.place(
                sell, OrderType.TAKE_PROFIT_MARKET, "0.010", trigger_price=above, trigger_by=LAST, reduce_only=True
            )
        else:
            world.place(
                sell,
                OrderType.STOP_MARKET,
                None if kind == "close stop" else "0.005",
                trigger_price=below,
                trigger_by=LAST,
                reduce_only=True,
                close_position=kind == "close stop",
            )
    before = world.snapshot()
    covered = coverage(before.positions[0], before.orders)
    world.sweep()
    after = world.snapshot()
    world.db.close()
    assert [order for order in after.orders if must_go(order)] == []
    assert coverage(after.positions[0], after.orders) == covered
    assert (covered.protection is Protection.COVERED) or not bracket
