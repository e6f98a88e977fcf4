"""Orders: what we ask for, and what a venue says of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.money import ZERO


class OrderSide(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is OrderSide.BUY else -1

    @property
    def opposite(self) -> OrderSide:
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP_MARKET = "stop_market"  # triggers when the price moves against the position it protects
    TAKE_PROFIT_MARKET = "take_profit_market"  # triggers when the price moves in its favour

    @property
    def conditional(self) -> bool:
        return self in (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)


class TriggerBy(StrEnum):
    LAST = "LastPrice"
    MARK = "MarkPrice"
    INDEX = "IndexPrice"


class OrderStatus(StrEnum):
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class BracketLeg:
    """A stop or target attached to an entry; it lives and dies with the position it protects."""

    trigger_price: Decimal
    trigger_by: TriggerBy


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as it leaves. `timestamp_ms` is the intent's creation on the venue's clock, never the sending time;
    the venue refuses the request when its own clock has passed `expires_ms` (promise 2)."""

    client_id: str
    symbol: str
    side: OrderSide
    type: OrderType
    qty: Decimal | None  # base units; None only with close_position
    timestamp_ms: int
    expires_ms: int
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by: TriggerBy | None = None
    reduce_only: bool = False
    close_position: bool = False
    stop: BracketLeg | None = None
    target: BracketLeg | None = None


@dataclass(frozen=True, slots=True)
class OrderFact:
    """An order as the venue reports it. Attached children carry `parent_id` and no client id of ours."""

    order_id: str
    client_id: str | None
    symbol: str
    side: OrderSide
    type: OrderType
    status: OrderStatus
    qty: Decimal  # 0 for close_position orders
    filled_qty: Decimal
    average_price: Decimal | None
    created_ms: int
    updated_ms: int
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by: TriggerBy | None = None
    reduce_only: bool = False
    close_position: bool = False
    parent_id: str | None = None
    reason: str = ""  # why it ended, when the venue says so

    @property
    def remaining_qty(self) -> Decimal:
        return max(self.qty - self.filled_qty, ZERO)

    @property
    def reduces(self) -> bool:
        return self.reduce_only or self.close_position

    @property
    def protective(self) -> bool:
        """A protective stop by what the venue says it is: reduce-only or close-position, of stop type (promise 5)."""
        return self.reduces and self.type is OrderType.STOP_MARKET

    @property
    def take_profit(self) -> bool:
        return self.reduces and self.type in (OrderType.LIMIT, OrderType.TAKE_PROFIT_MARKET)

    @property
    def can_add_exposure(self) -> bool:
        return not self.reduces


# Refusals that pass by themselves: too many requests, a venue that is overloaded, a request that came too late.
TRANSIENT = frozenset({"rate_limited", "engine_busy", "request_expired"})


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The venue has the order, as described."""

    order: OrderFact


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue answered that it does not take the order. `code` is the venue's own.

    retry_after_ms: how long it asks to be left alone, where the refusal is one of too many requests.
    """

    code: str
    message: str
    retry_after_ms: int | None = None

    @property
    def transient(self) -> bool:
        """A refusal of this moment that says nothing of the order: the same one may be taken the next time."""
        return self.retry_after_ms is not None or self.code in TRANSIENT


@dataclass(frozen=True, slots=True)
class Unknown:
    """Sent, and nothing trustworthy came back (promise 3)."""

    reason: str


Outcome = Confirmed | Rejected | Unknown
