"""What the exchange answers when it is asked: account, positions, orders, quote. Pure functions of the open state."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderFact, OrderSide
from tradectl.domain.position import PositionFact
from tradectl.domain.snapshot import Account, Snapshot, Ticker
from tradectl.sim import pool
from tradectl.sim.margin import liquidation_price, maintenance
from tradectl.sim.pricing import taker_price
from tradectl.sim.state import TRADER, ExchangeState, SimPosition, SymbolSettings


def snapshot(state: ExchangeState) -> Snapshot:
    """Account, positions by symbol and every open order, at the server's time."""
    positions = tuple(position_fact(state, symbol, state.positions[symbol]) for symbol in sorted(state.positions))
    return Snapshot(
        at_ms=state.server_ms,
        account=account(state, positions),
        positions=positions,
        orders=open_orders(state),
        event_seq=state.next_seq - 1,
    )


def account(state: ExchangeState, positions: tuple[PositionFact, ...]) -> Account:
    margins = sum((position.margin for position in state.positions.values()), ZERO)
    reserved = sum((order.reserved for order in state.orders.values()), ZERO)
    return Account(
        currency=currency(state.instruments),
        wallet_balance=state.balances[TRADER],
        unrealised=sum((position.unrealised for position in positions), ZERO),
        initial_margin=margins + reserved,
        maintenance_margin=sum((position.maintenance_margin for position in positions), ZERO),
        available=max(pool.available(state), ZERO),
    )


def currency(instruments: Mapping[str, Instrument]) -> str:
    """The one quote currency that the account is kept in."""
    return next((instrument.quote for instrument in instruments.values()), "")


def position_fact(state: ExchangeState, symbol: str, position: SimPosition) -> PositionFact:
    instrument = state.instruments[symbol]
    lot, mark = position.lot, state.prices[symbol].mark
    liquidation = liquidation_price(instrument, lot, pool.backing(state, symbol), near=mark)
    # Rounded towards the market: the sooner of the two ticks.
    shown = instrument.ceil_price(liquidation) if lot.qty > 0 else instrument.floor_price(liquidation)
    return PositionFact(
        symbol=symbol,
        qty=lot.qty,
        entry_price=lot.average_price,
        mark_price=mark,
        unrealised=lot.unrealised(mark),
        initial_margin=position.margin,
        maintenance_margin=maintenance(instrument, lot, mark),
        leverage=position.leverage,
        margin_mode=position.margin_mode,
        liquidation_price=shown if shown > 0 else None,
        updated_ms=position.updated_ms,
    )


def open_orders(state: ExchangeState) -> tuple[OrderFact, ...]:
    """Every open order (plain, conditional, attached) in its order of arrival."""
    return tuple(order.fact for order in state.orders.values())


def ticker(state: ExchangeState, symbol: str) -> Ticker:
    """Bid and ask are what a market order would trade at. Raises KeyError before the first bar of the symbol."""
    prices = state.prices[symbol]
    instrument = state.instruments[symbol]
    return Ticker(
        symbol=symbol,
        bid=taker_price(instrument, state.settings, OrderSide.SELL, prices.last),
        ask=taker_price(instrument, state.settings, OrderSide.BUY, prices.last),
        last=prices.last,
        mark=prices.mark,
        at_ms=state.server_ms,
    )


def leverage(state: ExchangeState, symbol: str) -> Decimal:
    return (state.symbols.get(symbol) or SymbolSettings()).leverage


def margin_mode(state: ExchangeState, symbol: str) -> str:
    return (state.symbols.get(symbol) or SymbolSettings()).margin_mode
