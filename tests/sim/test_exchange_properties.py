"""What holds for every sequence of operations, over both margin modes and whatever the venue does by itself.

The books balance to the last digit, reducing only reduces, nothing is left under water, and an order ends once.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal

from auditor import Auditor, qty_of, status_of
from exchange_kit import INSTRUMENTS, MINUTE, T0, Begin, D
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tradectl.domain.instrument import Tier
from tradectl.domain.order import (
    BracketLeg,
    Confirmed,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Rejected,
    TriggerBy,
)
from tradectl.sim import views
from tradectl.sim.attached import conditional_orders
from tradectl.sim.exchange import Reply, apply, genesis
from tradectl.sim.ops import (
    AdvanceBars,
    AmendOrder,
    ApplyFunding,
    CancelOrder,
    MarketBar,
    Op,
    PlaceOrder,
    SetLeverage,
    SetMarginMode,
    SetServerTime,
    SetSymbolStatus,
    Transfer,
    VenueCancel,
)
from tradectl.sim.state import (
    CROSS,
    FOR_EVER,
    HALTED,
    ISOLATED,
    REDUCE_ONLY,
    STATUSES,
    TRADING,
    WHILE_OPEN,
    ExchangeState,
)

SYMBOLS = ("BTCUSDT", "SOLUSDT")
TICKS = {"BTCUSDT": D("0.1"), "SOLUSDT": D("0.01")}
STEEP = (Tier(D(300_000), D(50), D("0.01")), Tier(D(10_000_000), D(20), D("0.025"), D(4500)))
moves = st.integers(-1500, 1500).map(lambda bps: D(bps) / 10_000)
small_moves = st.integers(-300, 300).map(lambda bps: D(bps) / 10_000)
shares = (
    st.integers(1, 30) | st.integers(1, 30) | st.integers(30, 95)
)  # of what the leverage lets a full wallet open, in hundredths
symbols = st.sampled_from(SYMBOLS)
modes = st.sampled_from([ISOLATED, CROSS, CROSS])
LOTS = {"BTCUSDT": D("0.1"), "SOLUSDT": D(1)}  # 100 in quote currency, either way


class ExchangeMachine(RuleBasedStateMachine):
    """Random traders, random bars. Every operation passes through `do`, which shows it to the auditor."""

    def __init__(self) -> None:
        super().__init__()
        self.state: ExchangeState
        self.auditor = Auditor(D(10_000), SYMBOLS)
        self.number = 0

    @initialize(
        liquidity=st.sampled_from([None, None, None, D("0.7"), D(150)]),
        slippage=st.sampled_from([D(0), D("1.7")]),
        maker=st.sampled_from([D("0.0002"), D("-0.0001")]),
        leverage=st.sampled_from([1, 5, 20, 50, 50]),
        chosen=st.tuples(modes, modes),
        client_ids=st.sampled_from([WHILE_OPEN, FOR_EVER]),
        conditional=st.sampled_from([None, 3]),
        steep=st.booleans(),
    )
    def begin(self, liquidity, slippage, maker, leverage, chosen, client_ids, conditional, steep) -> None:
        listed = {
            name: replace(one, tiers=STEEP if steep else one.tiers, max_market_qty=D(100_000))
            for name, one in INSTRUMENTS.items()
        }
        state = genesis(Begin(slippage_bps=slippage, maker_fee=maker), listed, T0)
        rules = {"client_ids": client_ids, "max_conditional_orders": conditional, "max_fill_qty_per_point": liquidity}
        self.state = replace(state, settings=replace(state.settings, **rules))
        for symbol, mode in zip(SYMBOLS, chosen, strict=True):
            self.do(SetLeverage(symbol, D(leverage)))
            self.do(SetMarginMode(symbol, mode))
        self.advance([D(0)] * 8, None, None, SYMBOLS)

    def do(self, op: Op) -> Reply:
        before = copy.deepcopy(self.state)
        state, events, reply = apply(self.state, op)
        assert self.state == before, "apply changed the state it was given"
        again = apply(before, op)
        assert (state, events, reply) == again, "the same operation gave another answer"
        self.auditor.take(op, before, events, state)
        self.state = state
        return reply

    def tick(self, symbol: str, price: Decimal) -> Decimal:
        return max(INSTRUMENTS[symbol].floor_price(price), TICKS[symbol])

    def lots(self, symbol: str, share: int) -> Decimal:
        return share * int(views.leverage(self.state, symbol)) * LOTS[symbol]

    def client_id(self, name: str) -> str:
        """A new one, one that is or was in use, or none."""
        if name != "old" or not self.auditor.used_ids:
            return name and f"c.{self.number}"
        standing = [order.fact.client_id for order in self.state.orders.values() if order.fact.client_id]
        return (standing or self.auditor.used_ids)[-1]

    def last(self, symbol: str) -> Decimal:
        known = self.state.prices.get(symbol)
        return known.last if known is not None else D(100) if symbol == "SOLUSDT" else D(1000)

    @rule(
        steps=st.lists(moves, min_size=8, max_size=8),
        mark=st.sampled_from([None, D("0.03"), D("0.1")]),
        index=st.sampled_from([None, D("0.02")]),
        which=st.sampled_from([SYMBOLS, SYMBOLS, ("BTCUSDT",), ("SOLUSDT",)]),
        together=st.booleans(),
        halted=st.sampled_from([None, None, None, *SYMBOLS]),
    )
    def advance(self, steps, mark, index, which, together=False, halted=None) -> None:
        if halted is not None:
            self.do(SetSymbolStatus(halted, HALTED, 0))
        bars = []
        for symbol in which:
            chosen = steps[:4] if together else steps[4 * SYMBOLS.index(symbol) :][:4]
            points = [self.last(symbol)]
            points.append(self.tick(symbol, points[0] * (1 + chosen[0] / 10)))  # the open may gap
            points += [self.tick(symbol, points[1] * (1 + step)) for step in chosen[1:]]
            path = points[1:]
            low, high = min(path), max(path)
            held = [path[0] * (1 + s * w) if w is not None else None for w in (mark, index) for s in (-1, 1)]
            bars.append(MarketBar(symbol, self.state.market_ms, MINUTE, path[0], high, low, path[-1], *held))
        self.do(AdvanceBars(tuple(bars)))
        if halted is not None:
            self.do(SetSymbolStatus(halted, TRADING, 0))

    @rule(
        symbol=symbols,
        side=st.sampled_from(OrderSide),
        type_=st.sampled_from([OrderType.MARKET, OrderType.LIMIT, *OrderType]),
        share=shares,
        away=small_moves,
        by=st.sampled_from(TriggerBy),
        kind=st.sampled_from(["open", "bracket", "bracket", "through", "reduce", "close"]),
        name=st.sampled_from(["new", "new", "new", "old", ""]),
    )
    def place(self, symbol, side, type_, share, away, by, kind, name) -> None:
        self.number += 1
        now = self.state.server_ms
        price = self.tick(symbol, self.last(symbol) * (1 + away))
        held = qty_of(self.state, symbol)
        if not held and self.number % 4:  # mostly, what needs a position waits for one
            kind = {"through": "bracket", "reduce": "bracket", "close": "open"}.get(kind, kind)
        if held and kind in ("reduce", "close", "through"):
            side = OrderSide.SELL if held > 0 else OrderSide.BUY
        bracket = kind in ("bracket", "through")
        around = self.last(symbol) if type_ is OrderType.MARKET else price
        below, above = self.tick(symbol, around * D("0.98")), self.tick(symbol, around * D("1.03"))
        stop, target = (below, above) if side is OrderSide.BUY else (above, below)
        closes = kind == "close" and type_ is not OrderType.LIMIT
        request = OrderRequest(
            client_id=self.client_id(name),
            symbol=symbol,
            side=side,
            type=type_,
            qty=None if closes else self.lots(symbol, share),
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
        taken = request.client_id in self.auditor.used_ids
        standing = {order.fact.client_id for order in self.state.orders.values()}
        reply = self.do(PlaceOrder(request, now, id_taken=taken))
        assert isinstance(reply, Confirmed | Rejected)
        if isinstance(reply, Confirmed):
            assert request.client_id not in standing
            assert status_of(self.state, symbol) != HALTED
            most = self.state.settings.max_conditional_orders
            if most is not None and (bracket or type_.conditional):
                assert conditional_orders(self.state.orders) <= most
                assert sum(order.fact.type.conditional for order in self.state.orders.values()) <= most

    @precondition(lambda self: not self.state.positions)
    @rule(side=st.sampled_from(OrderSide), share=st.integers(25, 48))
    def hedge(self, side, share) -> None:
        """Two large positions that offset each other."""
        for symbol, towards in zip(SYMBOLS, (side, side.opposite), strict=True):
            self.number += 1
            now = self.state.server_ms
            name, qty = f"c.{self.number}", self.lots(symbol, share)
            self.do(PlaceOrder(OrderRequest(name, symbol, towards, OrderType.MARKET, qty, now, now + 5000), now))

    @rule(symbol=symbols)
    def delist_for_a_moment(self, symbol) -> None:
        self.do(SetSymbolStatus(symbol, REDUCE_ONLY, 0))
        self.auditor.orders_make_sense(self.state)
        self.do(SetSymbolStatus(symbol, TRADING, 0))

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
    @rule(data=st.data(), by_venue=st.booleans())
    def cancel(self, data, by_venue) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.state.orders)))
        now = self.state.server_ms
        symbol = self.state.orders[order_id].fact.symbol
        op = VenueCancel(order_id, "venue", now) if by_venue else CancelOrder(symbol, order_id, now, now + 5000)
        reply = self.do(op)
        assert isinstance(reply, Confirmed)
        assert reply.order.reason == ("venue" if by_venue else "canceled")

    @precondition(lambda self: bool(self.state.orders))
    @rule(data=st.data(), away=small_moves, share=st.none() | shares, move=st.booleans())
    def amend(self, data, away, share, move) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.state.orders)))
        before = self.state.orders[order_id].fact
        symbol, now = before.symbol, self.state.server_ms
        price = self.tick(symbol, self.last(symbol) * (1 + away)) if move else None
        limit = before.type is OrderType.LIMIT
        qty = self.lots(symbol, share) if share is not None else None
        change = {"price" if limit else "trigger_price": price, "qty": qty}
        standing = self.state
        reply = self.do(AmendOrder(symbol, order_id, now, now + 5000, **change))
        if isinstance(reply, Rejected):
            assert self.state is standing
            return
        assert isinstance(reply, Confirmed)
        assert reply.order.order_id == order_id and reply.order.created_ms == before.created_ms
        if reply.order.status is not OrderStatus.FILLED:
            assert reply.order.qty == (qty if qty is not None else before.qty)
        assert (reply.order.price if limit else reply.order.trigger_price) == (
            price if price is not None else before.price if limit else before.trigger_price
        )

    @rule(rate=st.integers(-300, 300).map(lambda n: D(n) / 100_003), much=st.booleans())
    def fund_all(self, rate, much) -> None:
        rate = rate.quantize(D("1E-12")) * (20 if much else 1)
        self.do(ApplyFunding(self.state.market_ms, tuple((symbol, rate) for symbol in SYMBOLS)))

    @rule(
        op=st.one_of(
            st.builds(SetLeverage, symbols, st.sampled_from([D(1), D(3), D(20), D(50), D(75)])),
            st.builds(SetMarginMode, symbols, modes),
            st.builds(SetSymbolStatus, symbols, st.sampled_from([TRADING, *STATUSES]), st.just(0)),
            st.builds(Transfer, st.integers(-4000, 2000).map(D), st.just(0)),
            st.builds(SetServerTime, st.integers(0, 90_000).map(lambda ms: T0 + ms)),
        )
    )
    def change_something(self, op) -> None:
        reply = self.do(op)
        assert reply is None or not isinstance(op, SetSymbolStatus | SetServerTime)

    @invariant()
    def the_money_is_right(self) -> None:
        self.auditor.money_is_conserved(self.state)
        self.auditor.the_wallet_is_what_the_events_say(self.state)
        self.auditor.the_wallet_covers_isolated_margins(self.state)
        self.auditor.the_account_adds_up(self.state)

    @invariant()
    def positions_and_orders_are_right(self) -> None:
        self.auditor.positions_are_the_sum_of_fills_and_lots_equal_the_ledgers(self.state)
        self.auditor.orders_make_sense(self.state)
        self.auditor.children_cover_at_most_what_their_parent_opened(self.state)

    @invariant()
    def ids_taken_for_ever_are_used_once(self) -> None:
        if self.state.settings.client_ids == FOR_EVER:
            assert len(self.auditor.used_ids) == len(set(self.auditor.used_ids))


TestExchange = ExchangeMachine.TestCase
TestExchange.settings = settings(
    max_examples=300, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
