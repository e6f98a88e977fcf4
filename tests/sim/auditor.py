"""Whoever checks the exchange from outside: it sees each operation, the state before and after, and the events.

It keeps its own books of the events and compares them with the open state; every method named like a rule raises
AssertionError where the rule is broken.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from exchange_kit import D, books

from tradectl.domain.fill import Fill, Funding
from tradectl.domain.ledger import OpenTrade, book_fill, book_funding
from tradectl.domain.order import OrderFact, OrderType
from tradectl.sim import views
from tradectl.sim.events import Accepted, Event, Executed, FundingPaid, TransferBooked, Updated
from tradectl.sim.margin import maintenance
from tradectl.sim.ops import AdvanceBars, AmendOrder, Op
from tradectl.sim.state import CROSS, HALTED, ISOLATED, REDUCE_ONLY, TRADER, ExchangeState, SimPosition


def qty_of(state: ExchangeState, symbol: str) -> Decimal:
    position = state.positions.get(symbol)
    return position.lot.qty if position is not None else D(0)


def status_of(state: ExchangeState, symbol: str) -> str:
    settings = state.symbols.get(symbol)
    return settings.status if settings is not None else "trading"


class Auditor:
    def __init__(self, start: Decimal, symbols: tuple[str, ...]) -> None:
        self.start = start
        self.symbols = symbols
        self.trades: dict[str, OpenTrade] = {}
        self.signed: dict[str, Decimal] = dict.fromkeys(symbols, D(0))
        self.cash = D(0)  # Σ of −signed quantity × price
        self.fees = D(0)
        self.funding = D(0)
        self.transfers = D(0)
        self.realised = D(0)
        self.last_seq = 0
        self.accepted: dict[str, OrderFact] = {}
        self.ended: set[str] = set()
        self.used_ids: list[str] = []
        self.opened: dict[str, Decimal] = defaultdict(lambda: D(0))  # by parent: what its fills opened
        self.amended: set[str] = set()
        self.unsettled = False  # a pool that a halt has kept from being settled

    def take(self, op: Op, before: ExchangeState, events: tuple[Event, ...], after: ExchangeState) -> None:
        held = {symbol: qty_of(before, symbol) for symbol in self.symbols}
        for event in events:
            assert event.seq > self.last_seq
            self.last_seq = event.seq
            if isinstance(event, Executed):
                self._fill(event.fill, event.seq, held, before)
            elif isinstance(event, FundingPaid):
                self._fund(event.funding)
            elif isinstance(event, TransferBooked):
                self.transfers += event.amount
            elif isinstance(event, Accepted):
                self.accepted[event.order.order_id] = event.order
                if event.order.client_id is not None:
                    self.used_ids.append(event.order.client_id)
            elif isinstance(event, Updated):
                assert event.order.order_id not in self.ended, "something happened to an order that had ended"
                if not event.order.status.open:
                    self.ended.add(event.order.order_id)
        if isinstance(op, AmendOrder) and events:
            self.amended.add(op.order_id)
        if isinstance(op, AdvanceBars):
            self._settled(after, {bar.symbol for bar in op.bars})

    def _fill(self, fill: Fill, seq: int, held: dict[str, Decimal], before: ExchangeState) -> None:
        assert fill.seq == seq
        assert fill.order_id not in self.ended
        was, now = held[fill.symbol], held[fill.symbol] + fill.signed_qty
        known = self.accepted.get(fill.order_id)  # a liquidation's order is the venue's own
        shrinks = abs(now) < abs(was) and now * was >= 0
        if known is None or known.reduces:
            assert shrinks, "an order that only reduces added or flipped"
        status = status_of(before, fill.symbol)
        assert status != HALTED, "a halted symbol traded"
        assert status != REDUCE_ONLY or shrinks, "a position grew where it can only be reduced"
        closing = min(abs(was), fill.qty) if was and (was > 0) != (fill.signed_qty > 0) else D(0)
        self.opened[fill.order_id] += fill.qty - closing
        held[fill.symbol] = now
        self.signed[fill.symbol] += fill.signed_qty
        self.cash -= fill.signed_qty * fill.price
        self.fees += fill.fee
        trade = self.trades.get(fill.symbol)
        booked = book_fill(trade, fill, 1)
        isolated = views.margin_mode(before, fill.symbol) == ISOLATED
        if booked.closed is not None and trade is not None and isolated:
            margin = trade.entry_cost / views.leverage(before, fill.symbol)
            assert booked.closed.gross >= -margin - D("1E-9"), "a position cost more than its isolated margin"
        self.realised += booked.realised
        if booked.open is None:
            self.trades.pop(fill.symbol, None)
        else:
            self.trades[fill.symbol] = booked.open

    def _fund(self, funding: Funding) -> None:
        self.funding += funding.amount
        self.trades[funding.symbol] = book_funding(self.trades[funding.symbol], funding)

    def _settled(self, state: ExchangeState, moved: set[str]) -> None:
        """No position that can be traded is left under water, alone or in the pool."""
        crossed = [symbol for symbol, held in state.positions.items() if held.margin_mode == CROSS]
        tradable = [symbol for symbol in crossed if status_of(state, symbol) != HALTED]
        if set(crossed) & moved:
            needed = sum((self._needed(state, symbol) for symbol in crossed), D(0))
            self.unsettled = self.pool(state) <= needed
            assert not (self.unsettled and tradable), "a pool under water was left with a position to liquidate"
        for symbol in moved:
            held = state.positions.get(symbol)
            if held is not None and held.margin_mode == ISOLATED and status_of(state, symbol) != HALTED:
                own = held.margin + held.lot.unrealised(state.prices[symbol].mark)
                assert own > self._needed(state, symbol), "an isolated position under water was left"

    def pool(self, state: ExchangeState) -> Decimal:
        """Equity of the cross pool."""
        return state.balances[TRADER] - self._set_aside(state) + self._unrealised(state, CROSS)

    def _set_aside(self, state: ExchangeState) -> Decimal:
        return sum((held.margin for held in state.positions.values() if held.margin_mode == ISOLATED), D(0))

    def _unrealised(self, state: ExchangeState, mode: str) -> Decimal:
        def of(symbol: str, held: SimPosition) -> Decimal:
            return held.lot.qty * state.prices[symbol].mark - held.lot.cost

        return sum((of(name, held) for name, held in state.positions.items() if held.margin_mode == mode), D(0))

    def _needed(self, state: ExchangeState, symbol: str) -> Decimal:
        return maintenance(state.instruments[symbol], state.positions[symbol].lot, state.prices[symbol].mark)

    def money_is_conserved(self, state: ExchangeState) -> None:
        assert books(state) == self.start

    def the_wallet_is_what_the_events_say(self, state: ExchangeState) -> None:
        wallet = state.balances[TRADER]
        assert wallet == self.start + self.realised - self.fees + self.funding + self.transfers
        if not state.positions:
            assert wallet == self.start + self.cash - self.fees + self.funding + self.transfers

    def the_wallet_covers_isolated_margins(self, state: ExchangeState) -> None:
        """By itself, or with the profit that the cross positions together stand at."""
        if not self.unsettled:
            profit = max(self._unrealised(state, CROSS), D(0))
            assert state.balances[TRADER] + profit >= self._set_aside(state)

    def positions_are_the_sum_of_fills_and_lots_equal_the_ledgers(self, state: ExchangeState) -> None:
        assert {symbol: qty_of(state, symbol) for symbol in self.symbols} == self.signed
        assert {name: held.lot for name, held in state.positions.items()} == {
            name: trade.lot for name, trade in self.trades.items()
        }

    def orders_make_sense(self, state: ExchangeState) -> None:
        numbers = [order.number for order in state.orders.values()]
        assert len(numbers) == len(set(numbers))
        ids = [order.fact.client_id for order in state.orders.values() if order.fact.client_id is not None]
        assert len(ids) == len(set(ids)), "two open orders under one client id"
        for order in state.orders.values():
            fact = order.fact
            assert fact.status.open and fact.order_id not in self.ended
            assert fact.close_position or fact.filled_qty < fact.qty
            assert order.reserved >= 0
            if fact.reduces:
                held = qty_of(state, fact.symbol)
                assert order.reserved == 0
                assert held and (held > 0) != (fact.side.sign > 0), "nothing to reduce"
            else:
                assert status_of(state, fact.symbol) != REDUCE_ONLY

    def children_cover_at_most_what_their_parent_opened(self, state: ExchangeState) -> None:
        covered: dict[tuple[str, OrderType], Decimal] = defaultdict(lambda: D(0))
        for order in state.orders.values():
            parent = order.fact.parent_id
            if parent is not None and order.fact.order_id not in self.amended:
                covered[(parent, order.fact.type)] += order.fact.qty
        for (parent, _), qty in covered.items():
            assert qty <= self.opened[parent], "a child covers more than its parent opened"

    def the_account_adds_up(self, state: ExchangeState) -> None:
        seen = views.snapshot(state).account
        assert seen.unrealised == self._unrealised(state, CROSS) + self._unrealised(state, ISOLATED)
        assert seen.maintenance_margin == sum((self._needed(state, name) for name in state.positions), D(0))
        reserved = sum((order.reserved for order in state.orders.values()), D(0))
        assert seen.initial_margin == reserved + sum((held.margin for held in state.positions.values()), D(0))
        needed = sum((held.margin for held in state.positions.values() if held.margin_mode == CROSS), D(0))
        free = min(self.pool(state) - needed, self.pool(state) - self._unrealised(state, CROSS)) - reserved
        assert seen.available == max(free, D(0))
        assert all(held.margin >= 0 for held in state.positions.values())
