"""What holds for every sequence of operations: the books balance to the last digit, and reducing only reduces."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal

from exchange_kit import INSTRUMENTS, MINUTE, T0, Begin, D, books
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tradectl.domain.fill import Fill, Funding
from tradectl.domain.ledger import OpenTrade, book_fill, book_funding
from tradectl.domain.order import BracketLeg, Confirmed, OrderRequest, OrderSide, OrderType, Rejected, TriggerBy
from tradectl.sim import views
from tradectl.sim.events import Event, Executed, FundingPaid, TransferBooked, Updated
from tradectl.sim.exchange import Reply, apply, genesis
from tradectl.sim.ops import (
    AdvanceBars,
    ApplyFunding,
    CancelOrder,
    MarketBar,
    Op,
    PlaceOrder,
    SetLeverage,
    SetServerTime,
    Transfer,
)
from tradectl.sim.state import TRADER, ExchangeState

SYMBOLS = ("BTCUSDT", "SOLUSDT")
TICKS = {"BTCUSDT": D("0.1"), "SOLUSDT": D("0.01")}
moves = st.integers(-1500, 1500).map(lambda bps: D(bps) / 10_000)
small_moves = st.integers(-300, 300).map(lambda bps: D(bps) / 10_000)
qtys = st.integers(1, 400)


class ExchangeMachine(RuleBasedStateMachine):
    """Random traders, random bars. Every operation passes through `do`, which checks it from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.state: ExchangeState
        self.trades: dict[str, OpenTrade] = {}
        self.signed: dict[str, Decimal] = {symbol: D(0) for symbol in SYMBOLS}
        self.cash = D(0)  # Σ of −signed quantity × price
        self.fees = D(0)
        self.funding = D(0)
        self.transfers = D(0)
        self.realised = D(0)
        self.last_seq = 0
        self.ended: set[str] = set()
        self.number = 0

    @initialize(
        liquidity=st.sampled_from([None, D("0.7"), D(20)]),
        slippage=st.sampled_from([D(0), D("1.7")]),
        maker=st.sampled_from([D("0.0002"), D("-0.0001")]),
        leverage=st.sampled_from([1, 5, 20, 50]),
    )
    def begin(self, liquidity, slippage, maker, leverage) -> None:
        state = genesis(Begin(slippage_bps=slippage, maker_fee=maker), INSTRUMENTS, T0)
        self.state = replace(state, settings=replace(state.settings, max_fill_qty_per_point=liquidity))
        for symbol in SYMBOLS:
            self.do(SetLeverage(symbol, D(leverage)))
        self.advance([D(0)] * 8, None)

    def do(self, op: Op) -> Reply:
        before = copy.deepcopy(self.state)
        state, events, reply = apply(self.state, op)
        assert self.state == before, "apply changed the state it was given"
        again = apply(before, op)
        assert (state, events, reply) == again, "the same operation gave another answer"
        held = {symbol: self.qty(symbol) for symbol in SYMBOLS}
        for event in events:
            self.take(event, held)
        self.state = state
        return reply

    def take(self, event: Event, held: dict[str, Decimal]) -> None:
        assert event.seq > self.last_seq
        self.last_seq = event.seq
        if isinstance(event, Executed):
            fill = event.fill
            assert fill.seq == event.seq
            self.book(fill)
            if fill.order_id in self.reducing() or fill.parent_id is not None or fill.reason == "liquidation":
                was = held[fill.symbol]
                now = was + fill.signed_qty
                assert abs(now) < abs(was) and now * was >= 0, "an order that only reduces added or flipped"
            held[fill.symbol] += fill.signed_qty
        elif isinstance(event, FundingPaid):
            self.fund(event.funding)
        elif isinstance(event, TransferBooked):
            self.transfers += event.amount
        elif isinstance(event, Updated) and not event.order.status.open:
            assert event.order.order_id not in self.ended, "an order ended twice"
            self.ended.add(event.order.order_id)

    def reducing(self) -> set[str]:
        return {key for key, order in self.state.orders.items() if order.fact.reduces}

    def book(self, fill: Fill) -> None:
        self.signed[fill.symbol] += fill.signed_qty
        self.cash -= fill.signed_qty * fill.price
        self.fees += fill.fee
        before = self.trades.get(fill.symbol)
        booked = book_fill(before, fill, 1)
        if booked.closed is not None and before is not None:
            margin = before.entry_cost / views.leverage(self.state, fill.symbol)
            assert booked.closed.gross >= -margin - D("1E-9"), "a position cost more than its isolated margin"
        self.realised += booked.realised
        if booked.open is None:
            self.trades.pop(fill.symbol, None)
        else:
            self.trades[fill.symbol] = booked.open

    def fund(self, funding: Funding) -> None:
        self.funding += funding.amount
        self.trades[funding.symbol] = book_funding(self.trades[funding.symbol], funding)

    def qty(self, symbol: str) -> Decimal:
        position = self.state.positions.get(symbol)
        return position.lot.qty if position is not None else D(0)

    def tick(self, symbol: str, price: Decimal) -> Decimal:
        return max(INSTRUMENTS[symbol].floor_price(price), TICKS[symbol])

    def last(self, symbol: str) -> Decimal:
        known = self.state.prices.get(symbol)
        return known.last if known is not None else D(100) if symbol == "SOLUSDT" else D(1000)

    @rule(steps=st.lists(moves, min_size=8, max_size=8), mark=st.sampled_from([None, D("0.03"), D("0.1")]))
    def advance(self, steps, mark) -> None:
        bars = []
        for index, symbol in enumerate(SYMBOLS):
            points = [self.last(symbol)]
            points.append(self.tick(symbol, points[0] * (1 + steps[4 * index] / 10)))  # the open may gap
            points += [self.tick(symbol, points[1] * (1 + step)) for step in steps[4 * index + 1 : 4 * index + 4]]
            path = points[1:]
            low, high = min(path), max(path)
            marks = (path[0] * (1 - mark), path[0] * (1 + mark)) if mark is not None else (None, None)
            bars.append(MarketBar(symbol, self.state.market_ms, MINUTE, path[0], high, low, path[-1], *marks))
        self.do(AdvanceBars(tuple(bars)))

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(list(OrderSide)),
        type_=st.sampled_from([OrderType.MARKET, OrderType.MARKET, *OrderType]),
        qty=qtys,
        away=small_moves,
        by=st.sampled_from([TriggerBy.LAST, TriggerBy.MARK]),
        kind=st.sampled_from(["open", "bracket", "bracket", "through", "reduce", "close"]),
    )
    def place(self, symbol, side, type_, qty, away, by, kind) -> None:
        self.number += 1
        now = self.state.server_ms
        price = self.tick(symbol, self.last(symbol) * (1 + away))
        held = self.qty(symbol)
        if held and kind in ("reduce", "close", "through"):
            side = OrderSide.SELL if held > 0 else OrderSide.BUY
        bracket = kind in ("bracket", "through")
        below, above = self.tick(symbol, price * D("0.98")), self.tick(symbol, price * D("1.03"))
        stop, target = (below, above) if side is OrderSide.BUY else (above, below)
        closes = kind == "close" and type_ is not OrderType.LIMIT
        request = OrderRequest(
            client_id=f"c.{self.number % 40}",
            symbol=symbol,
            side=side,
            type=type_,
            qty=None if closes else qty * INSTRUMENTS[symbol].qty_step * (1 if symbol == "BTCUSDT" else 3),
            timestamp_ms=now,
            expires_ms=now + 5000,
            price=price if type_ is OrderType.LIMIT else None,
            trigger_price=price if type_.conditional else None,
            trigger_by=by if type_.conditional else None,
            reduce_only=kind == "reduce" or (kind == "close" and not closes),
            close_position=closes,
            stop=BracketLeg(stop, by) if bracket else None,
            target=BracketLeg(target, by) if bracket else None,
        )
        reply = self.do(PlaceOrder(request, now))
        assert isinstance(reply, Confirmed | Rejected)

    @rule(late=st.integers(1, 10_000))
    def place_too_late(self, late) -> None:
        now = self.state.server_ms
        request = OrderRequest("late", "SOLUSDT", OrderSide.BUY, OrderType.MARKET, D(1), now - 5000, now - late)
        before = self.state
        reply = self.do(PlaceOrder(request, now))
        assert isinstance(reply, Rejected)
        assert reply.code == "request_expired"
        assert self.state is before

    @precondition(lambda self: bool(self.state.orders))
    @rule(data=st.data())
    def cancel(self, data) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.state.orders)))
        now = self.state.server_ms
        symbol = self.state.orders[order_id].fact.symbol
        assert isinstance(self.do(CancelOrder(symbol, order_id, now, now + 5000)), Confirmed)

    @rule(rate=st.integers(-300, 300).map(lambda n: D(n) / 100_003))
    def fund_all(self, rate) -> None:
        rate = rate.quantize(D("1E-12"))
        self.do(ApplyFunding(self.state.market_ms, tuple((symbol, rate) for symbol in SYMBOLS)))

    @rule(symbol=st.sampled_from(SYMBOLS), leverage=st.sampled_from([1, 3, 7, 20, 50, 75]))
    def lever(self, symbol, leverage) -> None:
        self.do(SetLeverage(symbol, D(leverage), self.state.server_ms))

    @rule(amount=st.integers(-2000, 2000))
    def transfer(self, amount) -> None:
        self.do(Transfer(D(amount), self.state.server_ms))

    @rule(ahead=st.integers(0, 90_000))
    def wait(self, ahead) -> None:
        self.do(SetServerTime(self.state.server_ms + ahead))

    @invariant()
    def money_is_conserved(self) -> None:
        assert books(self.state) == D(10_000)

    @invariant()
    def the_wallet_is_what_the_events_say(self) -> None:
        wallet = self.state.balances[TRADER]
        assert wallet == D(10_000) + self.realised - self.fees + self.funding + self.transfers
        if not self.state.positions:
            assert wallet == D(10_000) + self.cash - self.fees + self.funding + self.transfers

    @invariant()
    def positions_are_the_sum_of_fills_and_lots_equal_the_ledgers(self) -> None:
        for symbol in SYMBOLS:
            assert self.qty(symbol) == self.signed[symbol]
        assert {name: held.lot for name, held in self.state.positions.items()} == {
            name: trade.lot for name, trade in self.trades.items()
        }

    @invariant()
    def orders_that_only_reduce_have_something_to_reduce(self) -> None:
        for order in self.state.orders.values():
            assert order.fact.status.open
            assert order.reserved >= 0
            if order.fact.reduces:
                held = self.qty(order.fact.symbol)
                assert held and (held > 0) != (order.fact.side is OrderSide.BUY)

    @invariant()
    def margin_is_set_aside_and_positions_are_above_water(self) -> None:
        for position in self.state.positions.values():
            assert position.margin >= 0
        views.snapshot(self.state)


TestExchange = ExchangeMachine.TestCase
TestExchange.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
