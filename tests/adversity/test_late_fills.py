"""A fill that enters the venue's list late, behind the cursor, while its position shows: once in the books, in time.

What stands in for it keeps the quantity right until then, and makes way whatever became of its trade meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from books import compare
from bot_kit import CALM, SOL, UP, D, Rig, rig

from tradectl.domain.fill import AccountEvent
from tradectl.domain.order import Confirmed, OrderFact, OrderRequest, OrderSide, OrderType
from tradectl.domain.ports import Venue
from tradectl.engine.bot import Memory
from tradectl.execution.ingest import ingest
from tradectl.execution.reconcile_apply import Reconciler
from tradectl.execution.reconcile_read import find
from tradectl.sim import views
from tradectl.sim.faults import Call, Distort, DropRequest, LoseAnswer, Thin
from tradectl.sim.ops import PlaceOrder
from tradectl.store import invented, ledger, positions, risk
from tradectl.venue.through import Through

TWO = ("ETHUSDT", SOL)
FIRST = 3  # the event that the first entry's fill is


class Gap(Through):
    """A list of account events that lacks some, and has those that came after them."""

    def __init__(self, inner: Venue) -> None:
        super().__init__(inner)
        self.hidden: frozenset[int] = frozenset()
        self.asked: list[int] = []  # after which event

    async def account_events(self, after_seq: int, limit: int) -> list[AccountEvent]:
        self.asked.append(after_seq)
        page = await self._inner.account_events(after_seq, limit)
        return [event for event in page if event.seq not in self.hidden]


def gap(desk: Rig, *hidden: int) -> Gap:
    venue = Gap(desk.bot.venue._inner)
    desk.bot.venue._inner = venue
    venue.hidden = frozenset(hidden)
    return venue


def by_hand(desk: Rig, side: OrderSide, qty: Decimal, symbol: str, *, reduce_only: bool = False) -> OrderFact:
    host = desk.embedded.host
    now_ms = host.state.server_ms
    request = OrderRequest(
        f"web-{host.state.next_order}", symbol, side, OrderType.MARKET, qty, now_ms, now_ms + 5_000,
        reduce_only=reduce_only,
    )  # fmt: skip
    reply = host.execute(PlaceOrder(request, now_ms)).reply
    assert isinstance(reply, Confirmed), reply
    return reply.order


def held(desk: Rig) -> dict[str, Decimal]:
    return {one.symbol: one.qty for one in views.snapshot(desk.embedded.host.state).positions if one.qty}


def booked(desk: Rig) -> dict[str, Decimal]:
    return {symbol: trade.lot.qty for symbol, trade in desk.read(ledger.open_trades).items()}


def late_first_fill(desk: Rig) -> tuple[Gap, str]:
    """Two entries; the first one's fill is not listed, the second one's is, and moves the cursor past it."""
    venue = gap(desk, FIRST)
    desk.cycle()
    desk.cycle()
    symbol = desk.intents()[0].symbol
    assert booked(desk) == held(desk) and [one.symbol for one in desk.read(invented.stand_ins)] == [symbol]
    assert desk.read(ledger.cursor) > FIRST
    return venue, symbol


@contextmanager
def two(folder: Path) -> Iterator[Rig]:
    """A rig whose books and exchange agree to the last digit once the block is over."""
    with rig(folder, {name: [UP, *[CALM] * 12] for name in TWO}) as desk:
        yield desk
        assert desk.read(invented.stand_ins) == [] and booked(desk) == held(desk)
        assert not [one for one in desk.run(find(desk.db, desk.bot.venue)).findings if one.blocks]
    assert [one for one in compare(folder / "bot.db").differences if "(web-" not in one] == []


def test_it_is_read_once_the_list_has_it_although_books_and_venue_agree(tmp_path: Path) -> None:
    with two(tmp_path) as desk:
        venue, _ = late_first_fill(desk)
        venue.hidden = frozenset()
        desk.cycle()


def test_while_something_stands_in_the_list_is_read_over_now_and_then_and_not_in_every_cycle(tmp_path: Path) -> None:
    knobs: dict[str, object] = {"engine.reconcile_seconds": 1200, "engine.closed_trades_seconds": 3600}
    with rig(tmp_path, {name: [UP, *[CALM] * 12] for name in TWO}, knobs) as desk:
        venue = gap(desk, FIRST)
        desk.cycle()
        while not desk.read(invented.stand_ins):
            desk.bot.memory.reconciled_ms = None
            desk.cycle()
        desk.cycle()
        venue.asked.clear()
        for _ in range(8):
            desk.cycle()
        assert sum(after < FIRST for after in venue.asked) == 2


def test_it_makes_its_stand_in_go_after_the_position_was_reduced(tmp_path: Path) -> None:
    with two(tmp_path) as desk:
        venue, symbol = late_first_fill(desk)
        by_hand(desk, OrderSide.SELL, D("20"), symbol, reduce_only=True)
        desk.cycle()
        venue.hidden = frozenset()
        for _ in range(2):
            desk.cycle()


def test_it_makes_its_stand_in_go_after_the_position_was_closed(tmp_path: Path) -> None:
    with two(tmp_path) as desk:
        venue, symbol = late_first_fill(desk)
        by_hand(desk, OrderSide.SELL, held(desk)[symbol], symbol, reduce_only=True)
        desk.latch()
        desk.cycle()
        before = desk.read(ledger.trades, 10)
        assert [trade.symbol for trade in before] == [symbol]
        venue.hidden = frozenset()
        for _ in range(2):
            desk.cycle()
        (after,) = desk.read(ledger.trades, 10)
        assert after.fees > before[0].fees and after.net == after.gross - after.fees


def test_an_operator_s_reconcile_takes_it_in_without_the_bot(tmp_path: Path) -> None:
    """It reads from behind the cursor as well: what came late is in its plan, and booked by it."""
    with two(tmp_path) as desk:
        venue, _ = late_first_fill(desk)
        venue.hidden = frozenset()
        plan = desk.run(find(desk.db, desk.bot.venue))
        assert [one.kind.value for one in plan.actions] == ["book"]
        bot = desk.bot
        hands = Reconciler(bot.db, bot.venue, bot.clock, bot.door, bot.instruments, bot.protection, actor="ann")
        (done,) = desk.run(hands.apply(plan))
        assert done.sentence == "1 fills booked"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_round_trip_of_a_stand_in_leaves_nothing_in_the_risk_of_the_day(tmp_path: Path, restarted: bool) -> None:
    with two(tmp_path) as desk:
        venue, symbol = late_first_fill(desk)
        by_hand(desk, OrderSide.SELL, held(desk)[symbol], symbol, reduce_only=True)
        desk.latch()
        desk.cycle()
        venue.hidden = frozenset()
        if restarted:
            desk.bot = replace(desk.bot, memory=Memory(cursor=desk.read(ledger.cursor)))
            assert desk.start()
        for _ in range(2):
            desk.cycle()
        counters, totals = desk.read(risk.load), desk.read(ledger.totals)
        assert counters is not None and counters.realised_today == totals.net


def test_a_stand_in_that_took_somebody_else_s_quantity_shrinks_to_what_its_order_filled(tmp_path: Path) -> None:
    """The venue showed an entry in doubt and a person's order together; the entry had filled half of it."""
    with rig(tmp_path, [UP, *[CALM] * 12]) as desk:
        desk.plan.before_faults = {"place": [Thin(0.5)], "find_order": [DropRequest()] * 8}
        desk.plan.after_faults["place"] = [LoseAnswer()]
        desk.plan.before_faults["account_events"] = [Distort(tail=99)] * 30
        bought: list[Decimal] = []

        def on(call: Call) -> None:
            if call.name == "snapshot" and held(desk) and not bought:
                bought.append(held(desk)[SOL])
                by_hand(desk, OrderSide.BUY, bought[0], SOL)

        desk.plan.on_before = on
        for _ in range(2):
            desk.bot.memory.reconciled_ms = None
            desk.cycle()
        (stands,) = desk.read(invented.stand_ins)
        assert stands.qty == 2 * bought[0] and booked(desk) == held(desk)
        desk.plan.before_faults.clear()
        for _ in range(3):
            desk.cycle()
        assert desk.read(invented.stand_ins) == [] and booked(desk) == held(desk) == {SOL: 2 * bought[0]}
        assert not [one for one in desk.run(find(desk.db, desk.bot.venue)).findings if one.blocks]
        ours = desk.read(positions.of, SOL)
        assert ours is not None and ours.entry_qty == bought[0]
    assert [one for one in compare(tmp_path / "bot.db").differences if "(web-" not in one] == []


def test_an_operator_s_reconcile_takes_back_what_its_order_never_filled(tmp_path: Path) -> None:
    """The bot died before it heard how the order ended; its plan says so, and agrees afterwards."""
    with rig(tmp_path, [UP, *[CALM] * 12]) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry(qty="20"))).confirmed
        gap(desk, *range(1, 50))
        desk.bot.memory.reconciled_ms = None
        desk.cycle()
        (stands,) = desk.read(invented.stand_ins)
        with desk.db.transaction() as conn:
            conn.execute("UPDATE intents SET filled = '15', ended = 'expired' WHERE purpose = 'entry'")
        plan = desk.run(find(desk.db, desk.bot.venue))
        assert plan.actions[0].kind.value == "book" and "taken back" in plan.actions[0].reason
        bot = desk.bot
        hands = Reconciler(bot.db, bot.venue, bot.clock, bot.door, bot.instruments, bot.protection, actor="ann")
        desk.run(hands.apply(plan))
        assert booked(desk) == {SOL: 15} and desk.read(invented.stand_ins)[0].qty == 15 and stands.qty == 20


@pytest.mark.parametrize("again", [False, True], ids=["flat since", "entered again since"])
def test_a_fill_that_an_operator_had_adopted_the_outcome_of_is_not_booked_on_top(tmp_path: Path, again: bool) -> None:
    """A close that the list lacks leaves the books holding what is gone; the operator takes the venue's word for it."""
    with rig(tmp_path, [UP, *[CALM] * 12]) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry(qty="20"))).confirmed
        desk.latch()
        desk.cycle()
        seen = desk.snapshot().event_seq
        venue = gap(desk, *range(seen + 1, seen + 10))
        by_hand(desk, OrderSide.SELL, D("20"), SOL, reduce_only=True)
        assert desk.snapshot().event_seq < seen + 10
        desk.cycle()
        assert booked(desk) == {SOL: 20} and held(desk) == {}
        bot = desk.bot
        hands = Reconciler(bot.db, bot.venue, bot.clock, bot.door, bot.instruments, bot.protection, actor="ann")
        desk.run(hands.apply(desk.run(find(desk.db, bot.venue, adopt=frozenset({SOL})))))
        assert booked(desk) == {}
        venue.hidden = frozenset(range(seen + 1, desk.snapshot().event_seq + 1))
        if again:
            by_hand(desk, OrderSide.BUY, D("5"), SOL)
            desk.cycle()
            assert booked(desk) == {SOL: 5}
        venue.hidden = frozenset()
        desk.run(ingest(desk.db, bot.venue, "USDT", 0))
        assert booked(desk) == held(desk) == ({SOL: 5} if again else {})
        desk.cycle()
        assert not [one for one in desk.run(find(desk.db, bot.venue)).findings if one.blocks and not again]
    differences = compare(tmp_path / "bot.db").differences
    assert [one for one in differences if "(web-" not in one and "adjustment:1 is invented" not in one] == []
