"""What can be done to the simulated exchange. Each carries its instant; the server's clock moves forward to it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.order import OrderRequest


@dataclass(frozen=True, slots=True)
class MarketBar:
    """One base candle of one symbol.

    `mark_low` and `mark_high` hold the mark price; without them mark = last. `index_low` and `index_high` hold the
    index; without them index = mark.
    """

    symbol: str
    open_ms: int
    interval_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    mark_low: Decimal | None = None
    mark_high: Decimal | None = None
    index_low: Decimal | None = None
    index_high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AdvanceBars:
    """Moves the market along the four points of these bars (one per symbol, all of one instant), or some of them."""

    bars: tuple[MarketBar, ...]
    phases: tuple[int, ...] = (0, 1, 2, 3)  # rising; a bar split by funding is given in several operations


@dataclass(frozen=True, slots=True)
class ApplyFunding:
    """Funding due at an instant. rates: (symbol, rate), > 0 is paid by longs."""

    at_ms: int
    rates: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class SetServerTime:
    """Moves the server's clock forward. The market stands where it is."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """`id_taken`: an ended order had this client id. Whoever holds the exchange says so, where ids are taken for ever:
    the open state does not know what has ended (`host.apply_all`).

    `liquidity`: the most that a market order finds on the other side just then, base units; None: enough.
    """

    request: OrderRequest
    at_ms: int  # when it reaches the exchange
    id_taken: bool = False
    liquidity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CancelOrder:
    symbol: str
    order_id: str
    at_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class AmendOrder:
    """Changes an open order in place: trigger price and quantity of a stop or target, price and quantity of a limit.

    None leaves a value as it is. `qty` is the whole order's, what has filled included.
    """

    symbol: str
    order_id: str
    at_ms: int
    expires_ms: int
    trigger_price: Decimal | None = None
    qty: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class VenueCancel:
    """The venue cancels an open order by itself. `reason` is what the order's last update says."""

    order_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SetLeverage:
    symbol: str
    leverage: Decimal
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class SetMarginMode:
    symbol: str
    mode: str  # 'isolated' or 'cross'
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class SetSymbolStatus:
    """The venue changes what can be done in a symbol: 'trading', 'reduce_only' or 'halted'."""

    symbol: str
    status: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """A deposit (> 0) or withdrawal (< 0), quote currency."""

    amount: Decimal
    at_ms: int


Op = (
    AdvanceBars
    | ApplyFunding
    | SetServerTime
    | PlaceOrder
    | CancelOrder
    | AmendOrder
    | VenueCancel
    | SetLeverage
    | SetMarginMode
    | SetSymbolStatus
    | Transfer
)
