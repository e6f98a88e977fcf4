"""The state while one operation is applied: mappings copied when first changed, events numbered as they happen.

It never leaves `apply`. What comes in stays as it was; what goes out is frozen again (`finish`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.order import OrderFact, OrderStatus
from tradectl.sim.events import Event, Updated
from tradectl.sim.state import ExchangeState, SimOrder, SimPosition, SymbolSettings

_UNTOUCHED = SymbolSettings()


class Draft:
    __slots__ = (
        "_base",
        "balances",
        "events",
        "instruments",
        "market_ms",
        "next_order",
        "next_seq",
        "orders",
        "positions",
        "prices",
        "server_ms",
        "settings",
        "symbols",
    )

    def __init__(self, state: ExchangeState, at_ms: int) -> None:
        self._base = state
        self.market_ms = state.market_ms
        self.server_ms = max(state.server_ms, at_ms)
        self.next_order = state.next_order
        self.next_seq = state.next_seq
        self.settings = state.settings
        self.instruments = state.instruments
        self.balances = state.balances
        self.positions = state.positions
        self.orders = state.orders
        self.prices = state.prices
        self.symbols = state.symbols
        self.events: list[Event] = []

    def finish(self) -> tuple[ExchangeState, tuple[Event, ...]]:
        state = ExchangeState(
            market_ms=self.market_ms,
            server_ms=self.server_ms,
            next_order=self.next_order,
            next_seq=self.next_seq,
            settings=self.settings,
            instruments=self.instruments,
            balances=self.balances,
            positions=self.positions,
            orders=self.orders,
            prices=self.prices,
            symbols=self.symbols,
        )
        return state, tuple(self.events)

    def emit(self, make: Callable[[int, int], Event]) -> None:
        """Appends `make(seq, at_ms)`."""
        self.events.append(make(self.next_seq, self.server_ms))
        self.next_seq += 1

    def order_id(self) -> tuple[str, int]:
        number = self.next_order
        self.next_order += 1
        return f"o{number}", number

    def instrument(self, symbol: str) -> Instrument:
        return self.instruments[symbol]

    def settings_of(self, symbol: str) -> SymbolSettings:
        return self.symbols.get(symbol, _UNTOUCHED)

    def qty(self, symbol: str) -> Decimal:
        """Signed quantity held; zero when flat."""
        position = self.positions.get(symbol)
        return position.lot.qty if position is not None else Decimal(0)

    def orders_of(self, symbol: str) -> list[SimOrder]:
        """Open orders of a symbol in their order of arrival."""
        return [order for order in self.orders.values() if order.fact.symbol == symbol]

    def move(self, source: str, target: str, amount: Decimal) -> None:
        """Books `amount` from one account to another; the sum of all stays the same."""
        if amount:
            balances = dict(self.balances)
            balances[source] -= amount
            balances[target] += amount
            self.balances = balances

    def put_position(self, symbol: str, position: SimPosition | None) -> None:
        if position is not None:
            self.positions = {**self.positions, symbol: position}
        elif symbol in self.positions:
            self.positions = {name: held for name, held in self.positions.items() if name != symbol}

    def put_order(self, order: SimOrder) -> None:
        """Keeps an open order, new or changed, without an event."""
        self.orders = {**self.orders, order.fact.order_id: order}

    def update(self, order: SimOrder, fact: OrderFact) -> SimOrder:
        """An open order changed and is still open: kept and told."""
        changed = replace(order, fact=fact)
        self.put_order(changed)
        self.emit(lambda seq, at_ms: Updated(seq, at_ms, fact))
        return changed

    def end(self, order: SimOrder, status: OrderStatus, reason: str) -> OrderFact:
        """The order leaves the open state; the event carries it as it ended."""
        fact = replace(order.fact, status=status, reason=reason, updated_ms=self.server_ms)
        order_id = fact.order_id
        if order_id in self.orders:
            self.orders = {key: kept for key, kept in self.orders.items() if key != order_id}
        self.emit(lambda seq, at_ms: Updated(seq, at_ms, fact))
        return fact
