"""A trade told anew: what stood in for fills has given way to them, and the trade is as if they had been there.

Pure. Both tellings, with what stood in and with what was real, are gone through in the venue's order; the trade is
moved by their difference, so that to the last digit it comes to what the venue's own books have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.domain.ledger import ClosedTrade, OpenTrade
from tradectl.domain.money import ZERO, divide
from tradectl.domain.position import Lot, Side, apply_fill


@dataclass(frozen=True, slots=True)
class Entered:
    """One fill of a trade. `place`: where it stands in the venue's order. `qty` is signed."""

    execution_id: str
    place: tuple[int, bool]
    qty: Decimal
    price: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class Told:
    """What fills come to, from flat on, on the side of their trade. `realised`: {execution id: P&L before fees}."""

    lot: Lot
    entry_qty: Decimal
    entry_cost: Decimal
    exit_qty: Decimal
    exit_proceeds: Decimal
    max_qty: Decimal
    realised: Mapping[str, Decimal]

    @property
    def gross(self) -> Decimal:
        return sum(self.realised.values(), ZERO)


def tell(side: Side, fills: Iterable[Entered]) -> Told:
    """What goes beyond flat is no part of this trade."""
    lot, most = Lot(), ZERO
    entry_qty = entry_cost = exit_qty = exit_proceeds = ZERO
    realised: dict[str, Decimal] = {}
    for fill in sorted(fills, key=lambda one: one.place):
        qty = fill.qty
        if qty * side.sign >= 0:
            entry_qty, entry_cost = entry_qty + abs(qty), entry_cost + abs(qty) * fill.price
        else:
            qty = max(qty, -lot.qty, key=lambda one: one * side.sign)
            exit_qty, exit_proceeds = exit_qty + abs(qty), exit_proceeds + abs(qty) * fill.price
        lot, realised[fill.execution_id] = apply_fill(lot, qty, fill.price) if qty else (lot, ZERO)
        most = max(most, abs(lot.qty))
    return Told(lot, entry_qty, entry_cost, exit_qty, exit_proceeds, most, realised)


def corrected(trade: OpenTrade, before: Told, after: Told, fee: Decimal) -> OpenTrade:
    """The trade with one telling put in the other's place, and the fee that came with it."""
    return replace(
        trade,
        lot=Lot(trade.lot.qty + after.lot.qty - before.lot.qty, trade.lot.cost + after.lot.cost - before.lot.cost),
        entry_qty=trade.entry_qty + after.entry_qty - before.entry_qty,
        entry_cost=trade.entry_cost + after.entry_cost - before.entry_cost,
        exit_qty=trade.exit_qty + after.exit_qty - before.exit_qty,
        exit_proceeds=trade.exit_proceeds + after.exit_proceeds - before.exit_proceeds,
        gross=trade.gross + after.gross - before.gross,
        fees=trade.fees + fee,
        max_qty=max(trade.max_qty + after.max_qty - before.max_qty, ZERO),
    )


def corrected_closed(trade: ClosedTrade, before: Told, after: Told, fee: Decimal) -> ClosedTrade:
    """The same of a trade that is over. Its averages are of what is told now, where that is a whole trade."""
    whole = bool(after.entry_qty and after.exit_qty)
    gained = after.gross - before.gross
    return replace(
        trade,
        max_qty=max(trade.max_qty + after.max_qty - before.max_qty, ZERO),
        entry_price=divide(after.entry_cost, after.entry_qty) if whole else trade.entry_price,
        exit_price=divide(after.exit_proceeds, after.exit_qty) if whole else trade.exit_price,
        gross=trade.gross + gained,
        fees=trade.fees + fee,
        net=trade.net + gained - fee,
    )


def ended(trade: OpenTrade, at_ms: int, reason: str) -> ClosedTrade | None:
    """A trade that a correction has left flat; None: nothing is left of it at all, it never was."""
    if not trade.entry_qty or not trade.exit_qty:
        return None
    return ClosedTrade(
        number=trade.number,
        symbol=trade.symbol,
        side=trade.side,
        opened_ms=trade.opened_ms,
        closed_ms=at_ms,
        max_qty=trade.max_qty,
        entry_price=divide(trade.entry_cost, trade.entry_qty),
        exit_price=divide(trade.exit_proceeds, trade.exit_qty),
        gross=trade.gross,
        fees=trade.fees,
        funding=trade.funding,
        net=trade.net,
        exit_reason=reason,
        risk_amount=trade.risk_amount,
        entry_equity=trade.entry_equity,
        naked_ms=trade.naked_ms,
    )
