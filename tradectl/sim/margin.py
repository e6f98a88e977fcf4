"""What an order needs, what keeps a position alive, and where it dies.

Initial margin is notional / leverage and stays what it was when the quantity was opened (constant margin).
Maintenance follows the tier of the notional at the mark price (`Instrument.tier_for`). What backs a position, its own
isolated margin or its part of the cross pool, is told by `pool.py`; the formulas here are the same for both.
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.money import ZERO, divide
from tradectl.domain.position import Lot
from tradectl.sim.state import Settings, SimPosition


def initial_margin(notional: Decimal, leverage: Decimal) -> Decimal:
    return divide(notional, leverage)


def order_cost(settings: Settings, notional: Decimal, leverage: Decimal) -> Decimal:
    """What must be free before `notional` may be opened: its margin, and the fees of opening and closing it."""
    return initial_margin(notional, leverage) + 2 * max(settings.taker_fee, ZERO) * notional


def maintenance(instrument: Instrument, lot: Lot, mark: Decimal) -> Decimal:
    notional = abs(lot.qty) * mark
    tier = instrument.tier_for(notional)
    return max(notional * tier.maintenance_rate - tier.maintenance_amount, ZERO)


def liquidation_price(instrument: Instrument, lot: Lot, backing: Decimal, near: Decimal) -> Decimal:
    """The mark price at which backing + unrealised = maintenance, 12 decimals; ≤ 0 where a long cannot reach it.

    In each tier the difference is a straight line, so the search goes tier by tier from the one at `near`: against the
    position, or towards it where the position is already under water at `near`. A table whose maintenance jumps at a
    cap (no maintenance amounts) can kill a short on that very cap.
    """
    size = abs(lot.qty)
    tiers = instrument.tiers

    def under(tier: Tier, price: Decimal) -> bool:
        needed = size * price * tier.maintenance_rate - tier.maintenance_amount
        return backing + lot.unrealised(price) <= max(needed, ZERO)

    index = tiers.index(instrument.tier_for(size * near))
    sunk = under(tiers[index], near)
    rising = (lot.qty > 0) == sunk
    while True:
        tier = tiers[index]
        # backing + qty·p − cost = |qty|·p·rate − amount, solved for p.
        price = divide(lot.cost - backing - tier.maintenance_amount, lot.qty - size * tier.maintenance_rate)
        floor = tiers[index - 1].notional_cap if index else None
        cap = tier.notional_cap if index + 1 < len(tiers) else None
        if (floor is None or size * price > floor) and (cap is None or size * price <= cap):
            return price
        edge = cap if rising else floor
        if edge is None:
            return price
        index += 1 if rising else -1
        if under(tiers[index], edge / size) != sunk:
            return divide(edge, size)


def bankruptcy_price(instrument: Instrument, position: SimPosition) -> Decimal:
    """The price at which the whole isolated margin is lost, on the tick that loses no more than that; may be ≤ 0."""
    lot = position.lot
    price = (lot.cost - position.margin) / lot.qty
    return instrument.ceil_price(price) if lot.qty > 0 else instrument.floor_price(price)
