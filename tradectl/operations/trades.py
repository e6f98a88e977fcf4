"""Closed trades and what they came to: gross, fees, funding and net apart (promise 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.ledger import ClosedTrade
from tradectl.domain.money import ZERO, divide
from tradectl.operations import symbols
from tradectl.operations.why import known_symbols
from tradectl.store import ledger
from tradectl.store.database import Database

ALL = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TradeLine:
    """Quantities in base units, money in quote currency, times on the venue's clock. `r`: net over the risk taken."""

    number: int
    symbol: str
    side: str
    qty: Decimal
    entry_price: Decimal
    exit_price: Decimal
    gross: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal
    r: Decimal | None
    opened_ms: int
    closed_ms: int
    duration_ms: int
    exit_reason: str
    naked_ms: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Of the trades shown. `average_r` over those whose risk is known. Break-even counts as a win, as in the streak."""

    trades: int
    wins: int
    losses: int
    gross: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal
    average_r: Decimal | None


@dataclass(frozen=True, slots=True)
class Trades:
    """Oldest first. `in_store`: how many closed trades the store holds in all."""

    currency: str
    symbol: str | None
    trades: tuple[TradeLine, ...]
    totals: Totals
    in_store: int


def read(db: Database, *, last: int | None, symbol: str | None) -> Trades:
    """The last `last` closed trades (None: all). Raises UsageError for a symbol the store does not know."""
    with db.read() as conn:
        named = None
        if symbol is not None:
            traded = {trade.symbol for trade in ledger.trades(conn, ALL)}
            named = symbols.match(symbol, known_symbols(conn) | traded, db.identity.currency)
        closed = ledger.trades(conn, ALL if last is None else last, named)
        in_store = ledger.totals(conn).trades
    lines = tuple(_line(trade) for trade in reversed(closed))
    return Trades(db.identity.currency, named, lines, _totals(lines), in_store)


def _line(trade: ClosedTrade) -> TradeLine:
    return TradeLine(
        number=trade.number,
        symbol=trade.symbol,
        side=trade.side.value,
        qty=trade.max_qty,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        gross=trade.gross,
        fees=trade.fees,
        funding=trade.funding,
        net=trade.net,
        r=trade.r_multiple,
        opened_ms=trade.opened_ms,
        closed_ms=trade.closed_ms,
        duration_ms=trade.closed_ms - trade.opened_ms,
        exit_reason=trade.exit_reason,
        naked_ms=trade.naked_ms,
    )


def _totals(lines: Sequence[TradeLine]) -> Totals:
    known = [line.r for line in lines if line.r is not None]
    return Totals(
        trades=len(lines),
        wins=sum(1 for line in lines if line.net >= 0),
        losses=sum(1 for line in lines if line.net < 0),
        gross=sum((line.gross for line in lines), ZERO),
        fees=sum((line.fees for line in lines), ZERO),
        funding=sum((line.funding for line in lines), ZERO),
        net=sum((line.net for line in lines), ZERO),
        average_r=divide(sum(known, ZERO), Decimal(len(known))) if known else None,
    )
