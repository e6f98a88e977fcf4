"""A tradable contract: its steps, minimums and leverage tiers.

Quantities are in units of the base asset everywhere inside tradectl; `contract_size` (base units per contract) is
used only by a venue's own adapter, where it talks in contracts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from tradectl.domain.money import ZERO, ceil_to_step, floor_to_step


@dataclass(frozen=True, slots=True)
class Tier:
    """A leverage and maintenance-margin tier: applies to notionals in (floor, cap], quote currency.

    maintenance margin = notional × maintenance_rate − maintenance_amount (Binance's "cum", Bybit's "mmDeduction").
    """

    notional_cap: Decimal
    max_leverage: Decimal
    maintenance_rate: Decimal
    maintenance_amount: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Instrument:
    symbol: str  # our own spelling, e.g. BTCUSDT
    base: str
    quote: str
    tick_size: Decimal
    qty_step: Decimal
    min_qty: Decimal
    min_notional: Decimal
    max_market_qty: Decimal
    tiers: tuple[Tier, ...]
    contract_size: Decimal = Decimal(1)
    max_limit_qty: Decimal | None = None

    def tier_for(self, notional: Decimal) -> Tier:
        """The tier that a position of this absolute notional falls in; beyond the last cap, the last one."""
        for tier in self.tiers:
            if notional <= tier.notional_cap:
                return tier
        return self.tiers[-1]

    def floor_qty(self, qty: Decimal) -> Decimal:
        """Quantity rounded down to the step: never more than was asked for."""
        return floor_to_step(qty, self.qty_step)

    def market_slices(self, qty: Decimal) -> tuple[Decimal, ...]:
        """`qty` (a multiple of the step) as nearly equal slices, none above the largest market order; they sum to it.

        Equal rather than full slices: a remainder below the venue's minimum could not be traded. Empty when the
        largest market order is below one step.
        """
        most = self.floor_qty(self.max_market_qty)
        if most <= 0 or qty <= 0:
            return ()
        if qty <= most:
            return (qty,)
        count = int((qty / most).to_integral_value(rounding=ROUND_CEILING))
        steps, rest = divmod(int(qty / self.qty_step), count)
        return tuple((steps + (1 if index < rest else 0)) * self.qty_step for index in range(count))

    def floor_price(self, price: Decimal) -> Decimal:
        return floor_to_step(price, self.tick_size)

    def ceil_price(self, price: Decimal) -> Decimal:
        return ceil_to_step(price, self.tick_size)
