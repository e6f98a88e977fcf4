"""Executions, funding and transfers, as the venue books them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.order import OrderSide


class FillKind(StrEnum):
    TRADE = "trade"
    LIQUIDATION = "liquidation"
    SYNTHETIC = "synthetic"  # ours: stands in for fills that the venue has not shown yet, and makes way for them
    ADJUSTMENT = "adjustment"  # ours: an operator took the venue's picture over the books

    @property
    def invented(self) -> bool:
        """True for what we wrote ourselves; the venue knows nothing of it."""
        return self in (FillKind.SYNTHETIC, FillKind.ADJUSTMENT)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `execution_id` is its identity (promise 7); a timestamp is not."""

    execution_id: str
    seq: int  # the venue's own order of account events; strictly increasing, the paging cursor
    order_id: str
    client_id: str | None  # None for attached children and for others' orders
    parent_id: str | None  # the order a child was attached to
    symbol: str
    side: OrderSide
    qty: Decimal  # base units, > 0
    price: Decimal
    fee: Decimal  # quote currency, > 0 is paid
    at_ms: int
    maker: bool
    kind: FillKind = FillKind.TRADE
    reason: str = ""  # what the order was: 'stop', 'target', 'market', 'limit', 'liquidation'

    @property
    def signed_qty(self) -> Decimal:
        return self.qty if self.side is OrderSide.BUY else -self.qty


@dataclass(frozen=True, slots=True)
class Funding:
    """One funding payment: amount in quote currency, > 0 received, < 0 paid."""

    funding_id: str
    seq: int
    symbol: str
    rate: Decimal
    amount: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class TransferFact:
    """A deposit (> 0) or withdrawal (< 0), quote currency."""

    transfer_id: str
    seq: int
    amount: Decimal
    at_ms: int


AccountEvent = Fill | Funding | TransferFact
