"""Fills of our own making as rows: those that stand in for real ones, and an operator's adjustments.

A stand-in makes way for the fills of its own order. An adjustment took over a picture of the venue: what the venue had
booked by then belongs to it, whenever its list shows it; its row stays when nothing is left of it, for what may come.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.correction import Entered
from tradectl.domain.money import ZERO, dec, text

_COLUMNS = "execution_id, symbol, trade_number, side, qty, client_id, order_id"
_ADJUSTMENT = "adjustment@"


@dataclass(frozen=True, slots=True)
class Invented:
    """One of them. `qty` is signed."""

    execution_id: str
    symbol: str
    trade_number: int
    qty: Decimal
    client_id: str | None
    order_id: str


def adjustment_id(event_seq: int) -> str:
    """What an adjustment has for an order id: the last account event of the picture that it took over."""
    return f"{_ADJUSTMENT}{event_seq}"


def stand_ins(conn: sqlite3.Connection, client_id: str | None = None) -> list[Invented]:
    """Of one order or of all, oldest first. Few, and found by their numbers: ours are below zero."""
    return _found(conn, "kind = 'synthetic' AND client_id = coalesce(?, client_id)", (client_id,))


def adjustment(conn: sqlite3.Connection, symbol: str, event_seq: int) -> Invented | None:
    """The first adjustment of a symbol whose picture had this account event already."""
    for one in _found(conn, "kind = 'adjustment' AND symbol = ?", (symbol,)):
        _, marked, seq = one.order_id.partition(_ADJUSTMENT)
        if marked and event_seq <= int(seq):
            return one
    return None


def waiting(conn: sqlite3.Connection) -> bool:
    """Whether something stands in for fills that the venue may have and has not listed."""
    return any(_still_to_come(conn, one.client_id) != ZERO for one in stand_ins(conn))


def overfull(conn: sqlite3.Connection) -> list[tuple[Invented, Decimal]]:
    """(stand-in, by how much, without sign) of open trades: what their orders, which have ended, never filled."""
    found = []
    room: dict[str | None, Decimal] = {}
    for one in stand_ins(conn):
        if one.client_id not in room:
            to_come = _still_to_come(conn, one.client_id)
            if to_come is None:
                continue
            room[one.client_id] = to_come
        kept = min(abs(one.qty), room[one.client_id])
        room[one.client_id] -= kept
        open_trade = conn.execute("SELECT 1 FROM open_trades WHERE number = ?", (one.trade_number,)).fetchone()
        if kept < abs(one.qty) and open_trade is not None:
            found.append((one, abs(one.qty) - kept))
    return found


def resize(conn: sqlite3.Connection, one: Invented, qty: Decimal) -> None:
    """What is left of it (signed). A stand-in of nothing goes."""
    if not qty and not one.order_id.startswith(_ADJUSTMENT):
        conn.execute("DELETE FROM fills WHERE execution_id = ?", (one.execution_id,))
        return
    side = "buy" if qty > 0 else "sell"
    conn.execute("UPDATE fills SET qty = ?, side = ? WHERE execution_id = ?", (text(abs(qty)), side, one.execution_id))


def entered(conn: sqlite3.Connection, trade_number: int) -> list[Entered]:
    """The fills of a trade, each at its place in the venue's order.

    An adjustment stands behind the events of its picture, a stand-in behind those that were booked before it.
    """
    rows = conn.execute(
        "SELECT execution_id, seq, side, qty, price, at_ms, order_id FROM fills WHERE trade_number = ? ORDER BY rowid",
        (trade_number,),
    ).fetchall()
    found, newest = [], 0
    for execution_id, seq, side, qty, price, at_ms, order_id in rows:
        newest = max(newest, seq)
        _, marked, picture = order_id.partition(_ADJUSTMENT)
        place = seq if seq > 0 else int(picture) if marked else newest
        signed = dec(qty) if side == "buy" else -dec(qty)
        found.append(Entered(execution_id, (place, seq < 0), signed, dec(price), at_ms))
    return found


def _found(conn: sqlite3.Connection, where: str, values: tuple[str | None, ...]) -> list[Invented]:
    rows = conn.execute(f"SELECT {_COLUMNS} FROM fills WHERE seq < 0 AND {where} ORDER BY seq DESC", values).fetchall()
    return [
        Invented(execution_id, symbol, trade, dec(qty) if side == "buy" else -dec(qty), client_id, order_id)
        for execution_id, symbol, trade, side, qty, client_id, order_id in rows
    ]


def _still_to_come(conn: sqlite3.Connection, client_id: str | None) -> Decimal | None:
    """What the real fills of an order still lack of what it has filled; None while that may grow."""
    row = conn.execute("SELECT state, ended, filled FROM intents WHERE client_id = ?", (client_id,)).fetchone()
    if row is None:
        return None
    state, ended, filled = row
    if state in ("rejected", "not_placed"):
        return ZERO
    if state != "confirmed" or ended is None or filled is None:
        return None
    booked = conn.execute("SELECT qty FROM fills WHERE client_id = ? AND kind <> 'synthetic'", (client_id,)).fetchall()
    return max(dec(filled) - sum((dec(qty) for (qty,) in booked), ZERO), ZERO)
