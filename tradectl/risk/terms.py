"""At what prices, costs and leverage one entry is measured.

Limits are measured not at the hoped-for fill but at the worst of the quoted prices (bid, ask, last, mark) plus the
slippage allowed, and equity is reduced by the fee and by the whole distance between worst and best price. So whatever
price between `low` and `high` the venue fills and marks at, the account after the trade is within the limits that
admitted it (promise 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.money import ONE, ZERO
from tradectl.domain.position import Side
from tradectl.risk.context import SymbolContext
from tradectl.risk.gates.leverage import leverage_for


@dataclass(frozen=True, slots=True)
class Terms:
    """Prices in quote currency; `fee` and `slippage` as fractions of a notional, never negative."""

    side: Side
    reference: Decimal  # what a market order expects: the ask for a long, the bid for a short
    high: Decimal  # no fill and no mark of the entry lies above this
    low: Decimal  # nor below this
    nearest: Decimal  # the quoted price closest to the stop: a stop beyond it would fire at once
    leverage: Decimal
    fee: Decimal
    slippage: Decimal

    @property
    def margin_per_unit(self) -> Decimal:
        return self.high / self.leverage

    @property
    def cost_per_unit(self) -> Decimal:
        """What entering can take off equity at once."""
        return self.high * self.fee + (self.high - self.low)

    def loss_per_unit(self, stop: Decimal) -> Decimal:
        """From entry to a stop that fills at its trigger plus slippage, both fees included."""
        distance = abs(self.reference - stop)
        return distance + self.fee * (self.high + stop) + self.slippage * (self.reference + stop)


def terms_of(ctx: SymbolContext, side: Side) -> Terms:
    ticker, costs = ctx.ticker, ctx.account.costs
    quotes = [price for price in (ticker.bid, ticker.ask, ticker.last, ticker.mark) if price > 0]
    crossed = ticker.bid <= 0 or ticker.ask < ticker.bid  # no quote: the last price is the only one to go by
    reference = ticker.last if crossed else ticker.ask if side is Side.LONG else ticker.bid
    slippage = max(costs.slippage, ZERO)
    return Terms(
        side=side,
        reference=reference,
        high=max(quotes, default=ZERO) * (ONE + slippage),
        low=min(quotes, default=ZERO) * (ONE - slippage),
        nearest=(min if side is Side.LONG else max)(quotes, default=ZERO),
        leverage=leverage_for(ctx),
        fee=max(costs.taker_fee, ZERO),
        slippage=slippage,
    )
