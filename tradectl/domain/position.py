"""Positions: the exact arithmetic of holding something, what a venue reports, and what its stops cover (promise 5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradectl.domain.money import ZERO, divide, text
from tradectl.domain.order import OrderFact, OrderSide


class Side(StrEnum):
    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        return 1 if self is Side.LONG else -1

    @property
    def opening(self) -> OrderSide:
        return OrderSide.BUY if self is Side.LONG else OrderSide.SELL

    @property
    def closing(self) -> OrderSide:
        return self.opening.opposite


@dataclass(frozen=True, slots=True)
class Lot:
    """A signed holding: `qty` > 0 long, < 0 short; `cost` is the exact signed sum of quantity × price still held."""

    qty: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def flat(self) -> bool:
        return self.qty == 0

    @property
    def average_price(self) -> Decimal:
        """Entry price for display and for distances; zero when flat."""
        return divide(self.cost, self.qty) if self.qty else ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        return self.qty * mark - self.cost


def apply_fill(lot: Lot, signed_qty: Decimal, price: Decimal) -> tuple[Lot, Decimal]:
    """The lot after a fill, and the P&L it realised (quote currency, before fees).

    Reducing releases cost in proportion, quantised to 12 decimals; what the rounding leaves stays in the lot and is
    released with its last piece, so that over a whole trade the sum of realised P&L is exactly proceeds less cost.
    A fill past flat closes the lot and opens the rest on the other side.
    """
    if lot.qty == 0 or (lot.qty > 0) == (signed_qty > 0):
        return Lot(lot.qty + signed_qty, lot.cost + signed_qty * price), ZERO
    closing = signed_qty if abs(signed_qty) <= abs(lot.qty) else -lot.qty
    released = lot.cost if closing == -lot.qty else divide(lot.cost * -closing, lot.qty)
    realised = -closing * price - released
    rest = signed_qty - closing
    if rest:
        return Lot(rest, rest * price), realised
    return Lot(lot.qty + closing, lot.cost - released), realised


@dataclass(frozen=True, slots=True)
class PositionFact:
    """A position as the venue reports it. `qty` is signed; prices in quote currency."""

    symbol: str
    qty: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    leverage: Decimal
    margin_mode: str  # 'isolated' or 'cross'
    liquidation_price: Decimal | None
    updated_ms: int

    @property
    def side(self) -> Side:
        return Side.LONG if self.qty > 0 else Side.SHORT

    @property
    def notional(self) -> Decimal:
        return abs(self.qty) * self.mark_price

    def inside_liquidation(self, price: Decimal) -> bool:
        """True when the market meets `price` before it liquidates the position; also where the venue names no
        liquidation price."""
        limit = self.liquidation_price
        return limit is None or limit <= 0 or (price - limit) * self.side.sign > 0


class Protection(StrEnum):
    COVERED = "covered"
    SHORT = "short"  # some of the position has no stop
    NAKED = "naked"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What protective stops cover of one position. `stop_price` is the stop nearest to the market.

    `steps`: (trigger price, quantity) in the order the market meets them, together `covered_qty`.
    `beyond`: stops that cover nothing, because the position is liquidated before the market reaches them.
    """

    protection: Protection
    covered_qty: Decimal
    stop_price: Decimal | None
    stop_ids: tuple[str, ...]
    beyond: tuple[OrderFact, ...] = ()
    why: str = ""  # why stops that are there do not count; '' when all of them do
    steps: tuple[tuple[Decimal, Decimal], ...] = ()

    @property
    def loosest_price(self) -> Decimal | None:
        """Of the stops that cover some of it."""
        return self.steps[-1][0] if self.steps else None


def protective_stops(position: PositionFact, orders: Iterable[OrderFact]) -> tuple[list[OrderFact], list[OrderFact]]:
    """(stops that cover, stops beyond liquidation): open, reduce-only or close-position, on the closing side."""
    inside: list[OrderFact] = []
    beyond: list[OrderFact] = []
    for order in orders:
        if (
            order.symbol == position.symbol
            and order.protective
            and order.status.open
            and order.side is position.side.closing
            and order.trigger_price is not None
        ):
            (inside if position.inside_liquidation(order.trigger_price) else beyond).append(order)
    return inside, beyond


def covers(order: OrderFact, position: PositionFact) -> Decimal:
    """How much of the position one stop covers, whatever the others do."""
    return abs(position.qty) if order.close_position else order.remaining_qty


def coverage(position: PositionFact, orders: Iterable[OrderFact]) -> Coverage:
    """Coverage of a position by the venue's own open orders: on its closing side, inside its liquidation price."""
    stops, beyond = protective_stops(position, orders)
    size = abs(position.qty)
    steps = _steps(position, stops)
    covered = sum((qty for _, qty in steps), ZERO)
    prices = [order.trigger_price for order in stops if order.trigger_price is not None]
    nearest = (max(prices) if position.qty > 0 else min(prices)) if prices else None
    protection = Protection.NAKED if covered == 0 else Protection.COVERED if covered >= size else Protection.SHORT
    stop_ids = tuple(order.order_id for order in stops)
    return Coverage(protection, covered, nearest, stop_ids, tuple(beyond), _why(position, tuple(beyond)), steps)


def _steps(position: PositionFact, stops: Iterable[OrderFact]) -> tuple[tuple[Decimal, Decimal], ...]:
    """What each stop takes of the position, the one that the market meets first taking first; never more than all."""
    left = abs(position.qty)
    by_price: dict[Decimal, Decimal] = {}
    for order in stops:
        if order.trigger_price is not None:
            by_price[order.trigger_price] = by_price.get(order.trigger_price, ZERO) + covers(order, position)
    steps = []
    for price in sorted(by_price, reverse=position.qty > 0):
        qty = min(by_price[price], left)
        if qty > 0:
            steps.append((price, qty))
            left -= qty
    return tuple(steps)


def _why(position: PositionFact, beyond: tuple[OrderFact, ...]) -> str:
    if not beyond or position.liquidation_price is None:
        return ""
    prices = ", ".join(text(order.trigger_price) for order in beyond if order.trigger_price is not None)
    return f"a stop at {prices} does not count: liquidation comes first, at {text(position.liquidation_price)}"
