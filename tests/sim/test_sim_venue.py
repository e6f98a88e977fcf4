"""The simulated exchange as a venue: outcomes, searches, clocks and the fault hook."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from sim_actions import SYMBOL, client_id, config, in_memory, wall

from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.fill import Fill
from tradectl.domain.order import (
    BracketLeg,
    Confirmed,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Rejected,
    TriggerBy,
    Unknown,
)
from tradectl.domain.ports import Venue
from tradectl.errors import VenueUnreachable
from tradectl.sim.embedded import Embedded, open_embedded, open_existing
from tradectl.sim.faults import Call, Delay, DropRequest, Fault, LoseAnswer, Refuse
from tradectl.sim.venue import SimVenue

D = Decimal


def request(exchange: Embedded, number: int = 1, **changes: object) -> OrderRequest:
    now = exchange.clock.now_ms()
    plain: dict[str, object] = {
        "client_id": client_id(number),
        "symbol": SYMBOL,
        "side": OrderSide.BUY,
        "type": OrderType.MARKET,
        "qty": D(3),
        "timestamp_ms": now,
        "expires_ms": now + 5000,
    }
    return OrderRequest(**{**plain, **changes})  # type: ignore[arg-type]


@dataclass
class Once:
    """One fault, on the first call of one name."""

    name: str
    before_fault: Fault | None = None
    after_fault: Fault | None = None
    calls: list[Call] = field(default_factory=list)

    def before(self, call: Call) -> Fault | None:
        self.calls.append(call)
        return self._take(call, "before_fault")

    def after(self, call: Call) -> Fault | None:
        return self._take(call, "after_fault")

    def _take(self, call: Call, which: str) -> Fault | None:
        fault: Fault | None = getattr(self, which)
        if call.name != self.name or fault is None:
            return None
        setattr(self, which, None)
        return fault


def faulty(plan: Once) -> Embedded:
    return open_embedded(config(), None, wall_ms=wall, faults=plan)


def test_the_simulated_exchange_is_a_venue() -> None:
    venue: Venue = in_memory().venue
    assert isinstance(venue, SimVenue)
    assert (venue.name, venue.environment, venue.currency) == ("sim", "paper", "USDT")


def test_a_market_order_is_confirmed_and_its_fill_comes_by_account_events() -> None:
    exchange = in_memory()

    async def trade() -> None:
        outcome = await exchange.venue.place(request(exchange))
        assert isinstance(outcome, Confirmed)
        assert outcome.order.client_id == client_id(1)
        events = await exchange.venue.account_events(0, 100)
        assert [(type(e), e.order_id, e.qty) for e in events if isinstance(e, Fill)] == [
            (Fill, outcome.order.order_id, D(3))
        ]
        snapshot = await exchange.venue.snapshot()
        assert snapshot.position(SYMBOL) is not None
        assert snapshot.event_seq >= events[-1].seq
        assert await exchange.venue.account_events(events[-1].seq, 100) == ()

    asyncio.run(trade())


def test_account_events_page_to_the_end() -> None:
    exchange = in_memory()

    async def page() -> list[int]:
        for number in range(7):
            await exchange.venue.place(request(exchange, number))
        seen: list[int] = []
        while events := await exchange.venue.account_events(seen[-1] if seen else 0, 2):
            assert len(events) <= 2
            seen += [event.seq for event in events]
        return seen

    seen = asyncio.run(page())
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen)


def test_orders_are_found_open_and_ended_and_absence_is_certain() -> None:
    exchange = in_memory()

    async def search() -> None:
        last = (await exchange.venue.ticker(SYMBOL)).last
        resting = request(exchange, 1, type=OrderType.LIMIT, price=(last * D("0.9")).quantize(D("0.01")))
        placed = await exchange.venue.place(resting)
        assert isinstance(placed, Confirmed)
        found = await exchange.venue.find_order(SYMBOL, client_id(1))
        assert found is not None and found.status is OrderStatus.NEW
        now = exchange.clock.now_ms()
        ended = await exchange.venue.cancel(SYMBOL, placed.order.order_id, now, now + 5000)
        assert isinstance(ended, Confirmed)
        found = await exchange.venue.find_order(SYMBOL, client_id(1))
        assert found is not None and found.status is OrderStatus.CANCELED
        assert await exchange.venue.find_order(SYMBOL, client_id(2)) is None
        assert await exchange.venue.find_order("ETHUSDT", client_id(1)) is None
        again = await exchange.venue.cancel(SYMBOL, placed.order.order_id, now, now + 5000)
        assert isinstance(again, Rejected) and again.code == "order_not_found"

    asyncio.run(search())


def test_attached_children_live_in_the_snapshot_without_client_ids() -> None:
    exchange = in_memory()

    async def bracket() -> None:
        last = (await exchange.venue.ticker(SYMBOL)).last
        stop = BracketLeg((last * D("0.99")).quantize(D("0.01")), TriggerBy.LAST)
        await exchange.venue.place(request(exchange, stop=stop))
        (order,) = (await exchange.venue.snapshot()).orders
        assert order.protective
        assert order.client_id is None and order.parent_id is not None

    asyncio.run(bracket())


def test_an_expired_request_is_refused_by_the_exchanges_own_clock() -> None:
    exchange = in_memory()

    async def late() -> None:
        old = request(exchange)
        await exchange.clock.sleep(6.0)
        assert exchange.clock.now_ms() == old.timestamp_ms + 6000
        assert isinstance(await exchange.venue.place(old), Rejected)
        assert await exchange.venue.find_order(SYMBOL, client_id(1)) is None
        assert isinstance(await exchange.venue.place(request(exchange, 2)), Confirmed)

    asyncio.run(late())


def test_a_drain_in_another_process_expires_a_frozen_bots_request(tmp_path: Path) -> None:
    bot = open_embedded(config(), tmp_path / "x.db", wall_ms=wall, durable=False)
    frozen = request(bot)
    operator = open_existing(tmp_path / "x.db", wall_ms=wall, durable=False)
    asyncio.run(operator.clock.sleep(7.0))
    assert isinstance(asyncio.run(bot.venue.place(frozen)), Rejected)
    assert asyncio.run(operator.venue.snapshot()).positions == ()


def test_operator_commands_have_no_candles_of_a_stepped_market(tmp_path: Path) -> None:
    open_embedded(config(), tmp_path / "x.db", wall_ms=wall, durable=False)
    operator = open_existing(tmp_path / "x.db", wall_ms=wall, durable=False)
    with pytest.raises(VenueUnreachable, match="candles are not to be had here"):
        asyncio.run(operator.venue.candles(SYMBOL, "5m", 10))


def test_a_symbol_that_is_not_listed_is_named() -> None:
    with pytest.raises(VenueUnreachable, match="does not list NOPEUSDT"):
        asyncio.run(in_memory().venue.ticker("NOPEUSDT"))


def test_leverage_is_set_and_read_back() -> None:
    exchange = in_memory()
    assert asyncio.run(exchange.venue.set_leverage(SYMBOL, D(3))) is None
    assert asyncio.run(exchange.venue.leverage(SYMBOL)) == D(3)
    assert asyncio.run(exchange.venue.set_margin_mode(SYMBOL, "isolated")) is None
    assert asyncio.run(exchange.venue.margin_mode(SYMBOL)) == "isolated"


def test_a_dropped_order_is_unknown_and_is_not_there() -> None:
    exchange = faulty(Once("place", before_fault=DropRequest()))
    assert isinstance(asyncio.run(exchange.venue.place(request(exchange))), Unknown)
    assert asyncio.run(exchange.venue.find_order(SYMBOL, client_id(1))) is None


def test_a_lost_answer_is_unknown_and_the_order_is_there() -> None:
    exchange = faulty(Once("place", after_fault=LoseAnswer()))
    assert isinstance(asyncio.run(exchange.venue.place(request(exchange))), Unknown)
    assert asyncio.run(exchange.venue.find_order(SYMBOL, client_id(1))) is not None


def test_a_delayed_order_can_miss_its_window() -> None:
    exchange = faulty(Once("place", before_fault=Delay(6000)))
    assert isinstance(asyncio.run(exchange.venue.place(request(exchange))), Rejected)


def test_a_refused_order_carries_the_exchanges_code() -> None:
    exchange = faulty(Once("place", before_fault=Refuse("-2010", "too many orders")))
    assert asyncio.run(exchange.venue.place(request(exchange))) == Rejected("-2010", "too many orders")


@pytest.mark.parametrize("fault", [DropRequest(), Refuse("-1003", "too many requests")])
def test_a_failed_read_is_never_an_empty_one(fault: Fault) -> None:
    plan = Once("snapshot", before_fault=fault)
    exchange = faulty(plan)
    with pytest.raises(VenueUnreachable):
        asyncio.run(exchange.venue.snapshot())
    assert asyncio.run(exchange.venue.snapshot()).positions == ()
    assert [call.name for call in plan.calls] == ["snapshot", "snapshot"]


def test_a_wall_clock_market_is_brought_up_to_the_present_by_whoever_opens_it(tmp_path: Path) -> None:
    now = [wall()]
    path = tmp_path / "x.db"
    settings = config(clock="wall")
    bot = open_embedded(settings, path, wall_ms=lambda: now[0], durable=False)
    assert bot.step()
    assert bot.clock.now_ms() == now[0]
    assert now[0] - MINUTE_MS < bot.host.state.market_ms <= now[0]
    bot.host.close()
    now[0] += 1700 * MINUTE_MS  # more than a day without anybody: several chunks
    operator = open_existing(path, wall_ms=lambda: now[0], durable=False)
    assert now[0] - MINUTE_MS < operator.host.state.market_ms <= now[0]
    candles = asyncio.run(operator.venue.candles(SYMBOL, "5m", 300))
    assert len(candles) == 300
    assert all(b.open_ms - a.open_ms == 5 * MINUTE_MS for a, b in pairwise(candles))
    assert candles[-1].open_ms + 5 * MINUTE_MS <= now[0] < candles[-1].open_ms + 10 * MINUTE_MS

    again = open_embedded(settings, path, wall_ms=lambda: now[0], durable=False)
    assert asyncio.run(again.venue.candles(SYMBOL, "5m", 300)) == candles


def test_stops_fill_on_a_wall_clock_while_the_bot_is_down(tmp_path: Path) -> None:
    now = [wall()]
    path = tmp_path / "x.db"
    bot = open_embedded(config(clock="wall"), path, wall_ms=lambda: now[0], durable=False)
    last = asyncio.run(bot.venue.ticker(SYMBOL)).last
    leg = BracketLeg((last * D("0.999")).quantize(D("0.01")), TriggerBy.LAST)
    target = BracketLeg((last * D("1.001")).quantize(D("0.01")), TriggerBy.LAST)
    asyncio.run(bot.venue.place(request(bot, stop=leg, target=target)))
    assert asyncio.run(bot.venue.snapshot()).position(SYMBOL) is not None
    bot.host.close()
    now[0] += 24 * 60 * MINUTE_MS
    operator = open_existing(path, wall_ms=lambda: now[0], durable=False)
    assert asyncio.run(operator.venue.snapshot()).position(SYMBOL) is None
    fills = [e for e in asyncio.run(operator.venue.account_events(0, 100)) if isinstance(e, Fill)]
    assert fills[-1].reason in ("stop", "target")
