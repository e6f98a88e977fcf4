"""Isolated margin: what an order needs, what keeps a position alive, and where it dies.

Initial margin is notional / leverage and stays what it was when the quantity was opened (constant margin).
Maintenance follows the tier of the notional at the mark price (`Instrument.tier_for`); the contracts that ship carry
their first tiers, and a table with more is read as it stands. Cross margin is refused at the door; its seam is
`available`, the one place that says what of the wallet is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import ZERO, divide
from tradectl.domain.position import Lot
from tradectl.sim.state import TRADER, Settings, SimOrder, SimPosition


def initial_margin(notional: Decimal, leverage: Decimal) -> Decimal:
    return divide(notional, leverage)


def order_cost(settings: Settings, notional: Decimal, leverage: Decimal) -> Decimal:
    """What must be free before `notional` may be opened: its margin, and the fees of opening and closing it."""
    return initial_margin(notional, leverage) + 2 * max(settings.taker_fee, ZERO) * notional


def available(balances: Mapping[str, Decimal], positions: Iterable[SimPosition], orders: Iterable[SimOrder]) -> Decimal:
    """Wallet less the margin of positions and the reserves of orders. Isolated: unrealised P&L counts neither way."""
    free = balances[TRADER]
    for position in positions:
        free -= position.margin
    for order in orders:
        free -= order.reserved
    return free


def maintenance(instrument: Instrument, lot: Lot, mark: Decimal) -> Decimal:
    notional = abs(lot.qty) * mark
    tier = instrument.tier_for(notional)
    return max(notional * tier.maintenance_rate - tier.maintenance_amount, ZERO)


def liquidation_price(instrument: Instrument, position: SimPosition) -> Decimal:
    """The mark price at which margin + unrealised = maintenance, 12 decimals; ≤ 0 where a long cannot reach it."""
    lot = position.lot
    price = divide(lot.cost, lot.qty)
    # The tier depends on the notional at the price sought: a few rounds settle it, bounded by the number of tiers.
    for _ in instrument.tiers:
        tier = instrument.tier_for(abs(lot.qty) * price)
        found = _solve(lot, position.margin, tier.maintenance_rate, tier.maintenance_amount)
        if instrument.tier_for(abs(lot.qty) * found) is tier:
            return found
        price = found
    return price


def bankruptcy_price(instrument: Instrument, position: SimPosition) -> Decimal:
    """The price at which the whole isolated margin is lost, on the tick that loses no more than that; may be ≤ 0."""
    lot = position.lot
    price = (lot.cost - position.margin) / lot.qty
    return instrument.ceil_price(price) if lot.qty > 0 else instrument.floor_price(price)


def _solve(lot: Lot, margin: Decimal, rate: Decimal, amount: Decimal) -> Decimal:
    # margin + qty·p − cost = |qty|·p·rate − amount, solved for p.
    size = abs(lot.qty)
    return divide(lot.cost - margin - amount, lot.qty - size * rate)
