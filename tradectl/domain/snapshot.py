"""The world, read once per cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from tradectl.domain.money import ZERO, divide, text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact, Side

_NOTHING: Mapping[str, Decimal] = MappingProxyType({})
_SLACK = Decimal("0.02")  # margins follow the mark on some venues, and their parts are read at different moments


@dataclass(frozen=True, slots=True)
class Account:
    """Money at the venue, quote currency."""

    currency: str
    wallet_balance: Decimal
    unrealised: Decimal
    initial_margin: Decimal  # of positions and open orders
    maintenance_margin: Decimal
    available: Decimal

    @property
    def equity(self) -> Decimal:
        """Wallet balance + unrealised P&L, on every venue."""
        return self.wallet_balance + self.unrealised


@dataclass(frozen=True, slots=True)
class Ticker:
    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    mark: Decimal
    at_ms: int
    quote_volume_24h: Decimal | None = None  # traded in the last 24 hours; None: the venue does not say


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Account, positions and every open order (plain, conditional, attached) from one complete, successful read.

    A read that failed or was incomplete never becomes a Snapshot (promise 4): it raises VenueUnreachable.
    `event_seq` is the venue's last account event at the time of the read; fills up to it belong to this picture.
    `doubts`: what a list had to be completed or corrected by; such a picture is good for protection, not for entries.
    `flaw`:   why what this picture lacks may be there all the same; '' where its word for "nothing" can be taken.
    `absent`: {symbol: signed quantity} that the books hold, which is not listed here and which no fill closes.
    """

    at_ms: int  # the venue's clock
    account: Account
    positions: tuple[PositionFact, ...]
    orders: tuple[OrderFact, ...]
    event_seq: int
    doubts: tuple[str, ...] = ()
    flaw: str = ""
    absent: Mapping[str, Decimal] = field(default_factory=lambda: _NOTHING)

    def unproven(self, symbol: str) -> str:
        """Why it cannot be told from here that nothing is open in a symbol; '' when it can (promise 4)."""
        return self.flaw or (self.absence(symbol) if symbol in self.absent else "")

    def absence(self, symbol: str) -> str:
        held = text(self.absent[symbol])
        return f"the books hold {held} {symbol}, the venue lists nothing, and no fill closes it: tradectl reconcile"

    @property
    def absences(self) -> tuple[str, ...]:
        return tuple(self.absence(symbol) for symbol in sorted(self.absent))

    def contradiction(self) -> str:
        """Why the parts of this picture cannot be of one account at one moment; '' when they can.

        Margin that is set aside belongs to a position or to an order that could open one: where the account carries
        more than is listed, a list came back empty or cut.
        """
        carried = self.account.initial_margin
        held = sum((position.initial_margin for position in self.positions), ZERO)
        slack = max(carried, held) * _SLACK
        if not self.positions and (self.account.maintenance_margin or self.account.unrealised):
            return "no position is listed, and the account carries the maintenance margin or P&L of one"
        if held - carried > slack:
            return f"the positions listed hold {held:.2f} of margin, the account {carried:.2f}"
        if carried - held > slack and not any(order.can_add_exposure for order in self.orders):
            return f"the account holds {carried:.2f} of margin, the positions and orders listed only {held:.2f}"
        return ""

    @property
    def equity(self) -> Decimal:
        return self.account.equity

    def position(self, symbol: str, side: Side | None = None) -> PositionFact | None:
        """The first of that symbol, or its leg on `side`: an account in hedge mode has two."""
        for position in self.positions:
            if position.symbol == symbol and (side is None or position.side is side):
                return position
        return None

    def several_legs(self) -> dict[str, tuple[PositionFact, ...]]:
        """{symbol: its legs} of what is held on both sides at once."""
        legs: dict[str, tuple[PositionFact, ...]] = {}
        for position in self.positions:
            if position.qty:
                legs[position.symbol] = (*legs.get(position.symbol, ()), position)
        return {symbol: each for symbol, each in legs.items() if len(each) > 1}

    def orders_of(self, symbol: str) -> tuple[OrderFact, ...]:
        return tuple(order for order in self.orders if order.symbol == symbol)

    @property
    def notional(self) -> Decimal:
        return sum((position.notional for position in self.positions), ZERO)

    @property
    def margin_utilisation(self) -> Decimal | None:
        """Initial margin / equity; None when equity is not positive (unreadable refuses, it is not zero)."""
        return divide(self.account.initial_margin, self.equity) if self.equity > 0 else None

    @property
    def margin_ratio(self) -> Decimal | None:
        """Maintenance margin / equity; None when equity is not positive."""
        return divide(self.account.maintenance_margin, self.equity) if self.equity > 0 else None

    @property
    def exposure(self) -> Decimal | None:
        """Sum of absolute notionals / equity; None when equity is not positive."""
        return divide(self.notional, self.equity) if self.equity > 0 else None
