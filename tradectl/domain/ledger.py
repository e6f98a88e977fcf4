"""Profit and loss by trades: one trade is one position from flat to flat (promise 7).

Pure bookkeeping: an event and the open trade go in, the changed trade and what it realised come out. Fees and funding
are kept apart and are both in the net. Amounts in quote currency.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.domain.fill import Fill, Funding
from tradectl.domain.money import ZERO, divide
from tradectl.domain.position import Lot, Side, apply_fill


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """A position since it left flat. `lot` is what is held now; the totals run over the trade's whole life."""

    number: int
    symbol: str
    side: Side
    opened_ms: int
    lot: Lot
    entry_qty: Decimal = ZERO
    entry_cost: Decimal = ZERO  # sum of quantity × price of the fills that opened it
    exit_qty: Decimal = ZERO
    exit_proceeds: Decimal = ZERO  # sum of quantity × price of the fills that reduced it
    gross: Decimal = ZERO  # realised, before fees and funding
    fees: Decimal = ZERO  # > 0 is paid
    funding: Decimal = ZERO  # > 0 is received
    max_qty: Decimal = ZERO
    stop_price: Decimal | None = None  # of the entry's plan
    target_price: Decimal | None = None
    risk_amount: Decimal | None = None  # loss at the stop when it was opened; None when adopted
    entry_equity: Decimal | None = None  # None when adopted
    naked_since_ms: int | None = None
    naked_ms: int = 0  # measured so far, apart from a spell still running
    opener: str | None = None  # client id of the fill that opened it; None: an order without one, somebody else's

    @property
    def net(self) -> Decimal:
        return self.gross - self.fees + self.funding


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    number: int
    symbol: str
    side: Side
    opened_ms: int
    closed_ms: int
    max_qty: Decimal
    entry_price: Decimal  # averages, quantised to 12 decimals: for display
    exit_price: Decimal
    gross: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal
    exit_reason: str
    risk_amount: Decimal | None
    entry_equity: Decimal | None
    naked_ms: int

    @property
    def r_multiple(self) -> Decimal | None:
        """Net P&L in units of the risk taken; None when the risk is unknown."""
        return divide(self.net, self.risk_amount) if self.risk_amount else None


@dataclass(frozen=True, slots=True)
class Booked:
    """What one fill did: the trade still open (None when flat), the trades it closed, and cash by kind."""

    open: OpenTrade | None
    closed: ClosedTrade | None
    realised: Decimal


def book_fill(trade: OpenTrade | None, fill: Fill, next_number: int) -> Booked:
    """Books a fill. `next_number` names the trade that it opens, if it opens one.

    A fill past flat closes the trade and opens the next; its fee is split by quantity, the remainder with the second.
    """
    if trade is None:
        side = Side.LONG if fill.signed_qty > 0 else Side.SHORT
        trade = OpenTrade(next_number, fill.symbol, side, fill.at_ms, Lot(), opener=fill.client_id)
        return Booked(_increase(trade, fill, fill.qty, fill.fee), None, ZERO)
    if trade.lot.flat or (trade.lot.qty > 0) == (fill.signed_qty > 0):
        return Booked(_increase(trade, fill, fill.qty, fill.fee), None, ZERO)
    closing = min(fill.qty, abs(trade.lot.qty))
    fee = fill.fee if closing == fill.qty else divide(fill.fee * closing, fill.qty)
    sign = 1 if fill.signed_qty > 0 else -1
    lot, realised = apply_fill(trade.lot, sign * closing, fill.price)
    reduced = replace(
        trade,
        lot=lot,
        exit_qty=trade.exit_qty + closing,
        exit_proceeds=trade.exit_proceeds + closing * fill.price,
        gross=trade.gross + realised,
        fees=trade.fees + fee,
    )
    if not lot.flat:
        return Booked(reduced, None, realised)
    closed = _close(reduced, fill)
    rest = fill.qty - closing
    if not rest:
        return Booked(None, closed, realised)
    side = Side.LONG if sign > 0 else Side.SHORT
    fresh = OpenTrade(next_number, fill.symbol, side, fill.at_ms, Lot(), opener=fill.client_id)
    return Booked(_increase(fresh, fill, rest, fill.fee - fee), closed, realised)


def book_funding(trade: OpenTrade, funding: Funding) -> OpenTrade:
    return replace(trade, funding=trade.funding + funding.amount)


def _increase(trade: OpenTrade, fill: Fill, qty: Decimal, fee: Decimal) -> OpenTrade:
    lot, _ = apply_fill(trade.lot, qty if fill.signed_qty > 0 else -qty, fill.price)
    return replace(
        trade,
        lot=lot,
        entry_qty=trade.entry_qty + qty,
        entry_cost=trade.entry_cost + qty * fill.price,
        fees=trade.fees + fee,
        max_qty=max(trade.max_qty, abs(lot.qty)),
    )


def _close(trade: OpenTrade, fill: Fill) -> ClosedTrade:
    naked_ms = trade.naked_ms
    if trade.naked_since_ms is not None:
        naked_ms += max(fill.at_ms - trade.naked_since_ms, 0)
    return ClosedTrade(
        number=trade.number,
        symbol=trade.symbol,
        side=trade.side,
        opened_ms=trade.opened_ms,
        closed_ms=fill.at_ms,
        max_qty=trade.max_qty,
        entry_price=divide(trade.entry_cost, trade.entry_qty),
        exit_price=divide(trade.exit_proceeds, trade.exit_qty),
        gross=trade.gross,
        fees=trade.fees,
        funding=trade.funding,
        net=trade.net,
        exit_reason=fill.reason,
        risk_amount=trade.risk_amount,
        entry_equity=trade.entry_equity,
        naked_ms=naked_ms,
    )
