"""The ledger: each fill once by the venue's execution id, each trade flat to flat (promise 7).

Callers book with domain/ledger.py and save what came out here, in the same transaction as the risk counters and the
cursor, and journal it there. Running totals are kept so that comparing with the venue's own books costs one row.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradectl.domain.fill import Fill, Funding
from tradectl.domain.ledger import ClosedTrade, OpenTrade
from tradectl.domain.money import ZERO, dec, divide, text
from tradectl.domain.position import Lot, Side
from tradectl.store import encoding

_OPEN = (
    "number, symbol, side, opened_ms, lot_qty, lot_cost, entry_qty, entry_cost, exit_qty, exit_proceeds, gross, fees,"
    " funding, max_qty, stop_price, target_price, risk_amount, entry_equity, naked_since_ms, naked_ms, opener"
)
_CLOSED = (
    "number, symbol, side, opened_ms, closed_ms, max_qty, entry_price, exit_price, gross, fees, funding, net,"
    " exit_reason, risk_amount, entry_equity, naked_ms"
)


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """Over the store's whole life, quote currency: `fees` > 0 paid, `funding` > 0 received; `trades` closed."""

    gross: Decimal
    fees: Decimal
    funding: Decimal
    fills: int
    trades: int

    @property
    def net(self) -> Decimal:
        return self.gross - self.fees + self.funding


def cursor(conn: sqlite3.Connection) -> int:
    """The number of the last account event taken in; 0 at first."""
    return int(conn.execute("SELECT cursor FROM ledger WHERE id = 1").fetchone()[0])


def set_cursor(conn: sqlite3.Connection, seq: int) -> None:
    conn.execute("UPDATE ledger SET cursor = ? WHERE id = 1", (seq,))


def add_fill(conn: sqlite3.Connection, fill: Fill, realised: Decimal, trade_number: int) -> bool:
    """Enters a fill with what it realised (before fees) and its trade; False, and nothing changed, when known."""
    known = conn.execute("SELECT 1 FROM fills WHERE execution_id = ?", (fill.execution_id,)).fetchone()
    if known is not None:
        return False
    conn.execute(
        "INSERT INTO fills (execution_id, seq, order_id, client_id, parent_id, symbol, side, qty, price, fee, at_ms,"
        " maker, kind, reason, realised, trade_number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            fill.execution_id,
            fill.seq,
            fill.order_id,
            fill.client_id,
            fill.parent_id,
            fill.symbol,
            fill.side.value,
            text(fill.qty),
            text(fill.price),
            text(fill.fee),
            fill.at_ms,
            int(fill.maker),
            fill.kind.value,
            fill.reason,
            text(realised),
            trade_number,
        ),
    )
    _add_totals(conn, gross=realised, fees=fill.fee, fills=0 if fill.kind.invented else 1)
    return True


def knows(conn: sqlite3.Connection, execution_id: str) -> bool:
    return conn.execute("SELECT 1 FROM fills WHERE execution_id = ?", (execution_id,)).fetchone() is not None


def execution_ids(conn: sqlite3.Connection) -> frozenset[str]:
    """Every fill in the ledger, those of our own making included."""
    return frozenset(row[0] for row in conn.execute("SELECT execution_id FROM fills").fetchall())


def next_invented(conn: sqlite3.Connection) -> int:
    """The number of the next fill of our own making: below zero, apart from the venue's."""
    return min(int(conn.execute("SELECT coalesce(min(seq), 0) FROM fills").fetchone()[0]), 0) - 1


def correct_fill(conn: sqlite3.Connection, execution_id: str, difference: Decimal) -> int:
    """Moves what a fill realised, and the totals with it; the fill's own time, for the day that it counts in."""
    realised, at_ms = conn.execute(
        "SELECT realised, at_ms FROM fills WHERE execution_id = ?", (execution_id,)
    ).fetchone()
    conn.execute(
        "UPDATE fills SET realised = ? WHERE execution_id = ?", (text(dec(realised) + difference), execution_id)
    )
    _add_totals(conn, gross=difference)
    return int(at_ms)


def add_funding(conn: sqlite3.Connection, funding: Funding, trade_number: int | None) -> bool:
    """Enters a funding payment; False, and nothing changed, when it is known."""
    known = conn.execute("SELECT 1 FROM funding WHERE funding_id = ?", (funding.funding_id,)).fetchone()
    if known is not None:
        return False
    conn.execute(
        "INSERT INTO funding (funding_id, seq, symbol, rate, amount, at_ms, trade_number) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            funding.funding_id,
            funding.seq,
            funding.symbol,
            text(funding.rate),
            text(funding.amount),
            funding.at_ms,
            trade_number,
        ),
    )
    _add_totals(conn, funding=funding.amount)
    return True


def open_trades(conn: sqlite3.Connection) -> dict[str, OpenTrade]:
    """The open trade of each symbol that has one."""
    rows = conn.execute(f"SELECT {_OPEN} FROM open_trades ORDER BY number").fetchall()
    return {row[1]: _open_trade(row) for row in rows}


def open_trade(conn: sqlite3.Connection, symbol: str) -> OpenTrade | None:
    """The open trade of one symbol."""
    row = conn.execute(f"SELECT {_OPEN} FROM open_trades WHERE symbol = ?", (symbol,)).fetchone()
    return None if row is None else _open_trade(row)


def save_open_trade(conn: sqlite3.Connection, trade: OpenTrade) -> None:
    """Writes the open trade of its symbol; the number must be the one that the symbol has, if it has one."""
    conn.execute(
        f"INSERT INTO open_trades ({_OPEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (number) DO UPDATE SET lot_qty = excluded.lot_qty, lot_cost = excluded.lot_cost,"
        " entry_qty = excluded.entry_qty, entry_cost = excluded.entry_cost, exit_qty = excluded.exit_qty,"
        " exit_proceeds = excluded.exit_proceeds, gross = excluded.gross, fees = excluded.fees,"
        " funding = excluded.funding, max_qty = excluded.max_qty, stop_price = excluded.stop_price,"
        " target_price = excluded.target_price, risk_amount = excluded.risk_amount,"
        " entry_equity = excluded.entry_equity, naked_since_ms = excluded.naked_since_ms,"
        " naked_ms = excluded.naked_ms",
        (
            trade.number,
            trade.symbol,
            trade.side.value,
            trade.opened_ms,
            text(trade.lot.qty),
            text(trade.lot.cost),
            text(trade.entry_qty),
            text(trade.entry_cost),
            text(trade.exit_qty),
            text(trade.exit_proceeds),
            text(trade.gross),
            text(trade.fees),
            text(trade.funding),
            text(trade.max_qty),
            encoding.money(trade.stop_price),
            encoding.money(trade.target_price),
            encoding.money(trade.risk_amount),
            encoding.money(trade.entry_equity),
            trade.naked_since_ms,
            trade.naked_ms,
            trade.opener,
        ),
    )


def begin_naked(conn: sqlite3.Connection, number: int, since_ms: int) -> None:
    """Marks an open trade as naked since then. Nothing but that is written: others may have booked fills meanwhile."""
    conn.execute(
        "UPDATE open_trades SET naked_since_ms = ? WHERE number = ? AND naked_since_ms IS NULL", (since_ms, number)
    )


def add_naked(conn: sqlite3.Connection, number: int, ms: int) -> None:
    """A spell that is over, of an open trade."""
    conn.execute("UPDATE open_trades SET naked_ms = naked_ms + ? WHERE number = ?", (ms, number))


def end_naked(conn: sqlite3.Connection, number: int, now_ms: int) -> None:
    """Adds the spell that runs, if one does, to what the open trade was naked."""
    conn.execute(
        "UPDATE open_trades SET naked_ms = naked_ms + max(? - naked_since_ms, 0), naked_since_ms = NULL"
        " WHERE number = ? AND naked_since_ms IS NOT NULL",
        (now_ms, number),
    )


def close_trade(conn: sqlite3.Connection, trade: ClosedTrade) -> None:
    """Moves a trade from open to closed."""
    conn.execute("DELETE FROM open_trades WHERE number = ?", (trade.number,))
    conn.execute(
        f"INSERT INTO trades ({_CLOSED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            trade.number,
            trade.symbol,
            trade.side.value,
            trade.opened_ms,
            trade.closed_ms,
            text(trade.max_qty),
            text(trade.entry_price),
            text(trade.exit_price),
            text(trade.gross),
            text(trade.fees),
            text(trade.funding),
            text(trade.net),
            trade.exit_reason,
            encoding.money(trade.risk_amount),
            encoding.money(trade.entry_equity),
            trade.naked_ms,
        ),
    )
    conn.execute("UPDATE ledger SET trades = trades + 1 WHERE id = 1")


def correct_trade(conn: sqlite3.Connection, trade: ClosedTrade) -> None:
    """Writes what real fills have made of a trade that was closed while others stood in for them."""
    conn.execute(
        "UPDATE trades SET max_qty = ?, entry_price = ?, exit_price = ?, gross = ?, fees = ?, net = ? WHERE number = ?",
        (
            text(trade.max_qty),
            text(trade.entry_price),
            text(trade.exit_price),
            text(trade.gross),
            text(trade.fees),
            text(trade.net),
            trade.number,
        ),
    )


def drop_open_trade(conn: sqlite3.Connection, number: int) -> None:
    """It never was: all that it held stood in for fills that have not happened."""
    conn.execute("DELETE FROM open_trades WHERE number = ?", (number,))


def next_trade_number(conn: sqlite3.Connection) -> int:
    row = conn.execute(
        "SELECT max(coalesce((SELECT max(number) FROM open_trades), 0), coalesce((SELECT max(number) FROM trades), 0))"
    ).fetchone()
    return int(row[0]) + 1


def trades(conn: sqlite3.Connection, limit: int, symbol: str | None = None) -> list[ClosedTrade]:
    """The last `limit` closed trades, newest first, of one symbol or of all."""
    where, values = ("", ()) if symbol is None else ("WHERE symbol = ?", (symbol,))
    rows = conn.execute(
        f"SELECT {_CLOSED} FROM trades {where} ORDER BY number DESC LIMIT ?", (*values, limit)
    ).fetchall()
    return [_closed_trade(row) for row in rows]


def trade(conn: sqlite3.Connection, number: int) -> ClosedTrade | None:
    """A closed trade."""
    row = conn.execute(f"SELECT {_CLOSED} FROM trades WHERE number = ?", (number,)).fetchone()
    return None if row is None else _closed_trade(row)


def totals(conn: sqlite3.Connection) -> LedgerTotals:
    gross, fees, funding, fills, closed = conn.execute(
        "SELECT gross, fees, funding, fills, trades FROM ledger WHERE id = 1"
    ).fetchone()
    return LedgerTotals(dec(gross), dec(fees), dec(funding), fills, closed)


def taker_fee_rates(conn: sqlite3.Connection) -> dict[str, Decimal]:
    """Fee / notional of each symbol's newest taker fill, the newest of them first; liquidations pay their own."""
    rows = conn.execute(
        "SELECT symbol, qty, price, fee, max(seq) FROM fills WHERE maker = 0 AND kind = 'trade'"
        " GROUP BY symbol ORDER BY max(seq) DESC"
    ).fetchall()
    return {row[0]: divide(dec(row[3]), dec(row[1]) * dec(row[2])) for row in rows}


def order_of_fill(conn: sqlite3.Connection, order_id: str, symbol: str | None = None) -> tuple[str, str | None] | None:
    """(symbol, client id) of an order that has filled, by the venue's id; None when no fill of it is known."""
    row = conn.execute(
        "SELECT symbol, client_id FROM fills WHERE order_id = ? AND symbol = coalesce(?, symbol)"
        " ORDER BY seq DESC LIMIT 1",
        (order_id, symbol),
    ).fetchone()
    return None if row is None else (row[0], row[1])


def realised_since(conn: sqlite3.Connection, since_ms: int) -> Decimal:
    """Gross less fees plus funding of every event at or after `since_ms` on the venue's clock, quote currency."""
    total = ZERO
    for realised, fee in conn.execute("SELECT realised, fee FROM fills WHERE at_ms >= ?", (since_ms,)).fetchall():
        total += dec(realised) - dec(fee)
    for (amount,) in conn.execute("SELECT amount FROM funding WHERE at_ms >= ?", (since_ms,)).fetchall():
        total += dec(amount)
    return total


def partial_closes(conn: sqlite3.Connection, since_ms: int) -> dict[str, int]:
    """{symbol: when (venue clock) its position was last made smaller and not closed}, of fills at or after `since_ms`.

    The order that closed a position has not made it smaller, in however many fills it went.
    """
    rows = conn.execute(
        "SELECT fills.symbol, max(fills.at_ms) FROM fills"
        " LEFT JOIN open_trades ON open_trades.number = fills.trade_number"
        " LEFT JOIN trades ON trades.number = fills.trade_number"
        " WHERE fills.at_ms >= ?"
        " AND (fills.side = 'sell') = (coalesce(open_trades.side, trades.side) = 'long')"
        " AND NOT EXISTS (SELECT 1 FROM fills AS last WHERE last.trade_number = trades.number"
        " AND last.at_ms = trades.closed_ms AND last.side = fills.side AND last.order_id = fills.order_id)"
        " GROUP BY fills.symbol",
        (since_ms,),
    ).fetchall()
    return dict(rows)


def _open_trade(row: tuple[Any, ...]) -> OpenTrade:
    return OpenTrade(
        number=row[0],
        symbol=row[1],
        side=Side(row[2]),
        opened_ms=row[3],
        lot=Lot(dec(row[4]), dec(row[5])),
        entry_qty=dec(row[6]),
        entry_cost=dec(row[7]),
        exit_qty=dec(row[8]),
        exit_proceeds=dec(row[9]),
        gross=dec(row[10]),
        fees=dec(row[11]),
        funding=dec(row[12]),
        max_qty=dec(row[13]),
        stop_price=encoding.amount(row[14]),
        target_price=encoding.amount(row[15]),
        risk_amount=encoding.amount(row[16]),
        entry_equity=encoding.amount(row[17]),
        naked_since_ms=row[18],
        naked_ms=row[19],
        opener=row[20],
    )


def _closed_trade(row: tuple[Any, ...]) -> ClosedTrade:
    return ClosedTrade(
        number=row[0],
        symbol=row[1],
        side=Side(row[2]),
        opened_ms=row[3],
        closed_ms=row[4],
        max_qty=dec(row[5]),
        entry_price=dec(row[6]),
        exit_price=dec(row[7]),
        gross=dec(row[8]),
        fees=dec(row[9]),
        funding=dec(row[10]),
        net=dec(row[11]),
        exit_reason=row[12],
        risk_amount=encoding.amount(row[13]),
        entry_equity=encoding.amount(row[14]),
        naked_ms=row[15],
    )


def _add_totals(
    conn: sqlite3.Connection,
    *,
    gross: Decimal = ZERO,
    fees: Decimal = ZERO,
    funding: Decimal = ZERO,
    fills: int = 0,
) -> None:
    now = totals(conn)
    conn.execute(
        "UPDATE ledger SET gross = ?, fees = ?, funding = ?, fills = ? WHERE id = 1",
        (text(now.gross + gross), text(now.fees + fees), text(now.funding + funding), now.fills + fills),
    )
