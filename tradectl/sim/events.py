"""What happened on the simulated exchange. `seq` rises by one with every event; fills and funding carry the same
number as the event that brings them, so it is also the cursor of the account's events."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.fill import Fill, Funding
from tradectl.domain.order import OrderFact, OrderRequest


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order is open. Attached children come with `order.parent_id` and no client id."""

    seq: int
    at_ms: int
    order: OrderFact


@dataclass(frozen=True, slots=True)
class RejectedOrder:
    """A request was read and refused. One that came too late or too early is not even read: it leaves no event."""

    seq: int
    at_ms: int
    request: OrderRequest
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Updated:
    """An order changed or ended. The last one of an order has a status that is not open, and `order.reason` why."""

    seq: int
    at_ms: int
    order: OrderFact


@dataclass(frozen=True, slots=True)
class Executed:
    seq: int
    at_ms: int
    fill: Fill


@dataclass(frozen=True, slots=True)
class FundingPaid:
    seq: int
    at_ms: int
    funding: Funding


@dataclass(frozen=True, slots=True)
class TriggerFired:
    """A conditional order became a market order. `price` is the one it watches, where it was found beyond."""

    seq: int
    at_ms: int
    order: OrderFact
    price: Decimal


@dataclass(frozen=True, slots=True)
class LiquidationStarted:
    """Margin plus unrealised P&L no longer exceeds the maintenance margin at this mark price.

    margin: isolated, the position's own; cross, what the pool holds for it: the pool's equity without this P&L, less
    the maintenance margins of the other cross positions.
    """

    seq: int
    at_ms: int
    symbol: str
    qty: Decimal  # signed
    mark: Decimal
    margin: Decimal
    maintenance: Decimal


@dataclass(frozen=True, slots=True)
class TransferBooked:
    seq: int
    at_ms: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    seq: int
    at_ms: int
    symbol: str
    leverage: Decimal
    margin_mode: str


@dataclass(frozen=True, slots=True)
class SymbolStatusChanged:
    seq: int
    at_ms: int
    symbol: str
    status: str


Event = (
    Accepted
    | RejectedOrder
    | Updated
    | Executed
    | FundingPaid
    | TriggerFired
    | LiquidationStarted
    | TransferBooked
    | SettingsChanged
    | SymbolStatusChanged
)
