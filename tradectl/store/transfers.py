"""Deposits and withdrawals, each once by the venue's id. They are neither profit nor loss."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

from tradectl.domain.fill import TransferFact
from tradectl.domain.money import ZERO, dec, text


def add(conn: sqlite3.Connection, fact: TransferFact) -> bool:
    """Enters a transfer; False, and nothing changed, when it is known."""
    known = conn.execute("SELECT 1 FROM transfers WHERE transfer_id = ?", (fact.transfer_id,)).fetchone()
    if known is not None:
        return False
    conn.execute(
        "INSERT INTO transfers (transfer_id, seq, amount, at_ms) VALUES (?, ?, ?, ?)",
        (fact.transfer_id, fact.seq, text(fact.amount), fact.at_ms),
    )
    return True


def total(conn: sqlite3.Connection) -> Decimal:
    """The sum of all transfers, quote currency: what was deposited less what was withdrawn."""
    rows = conn.execute("SELECT amount FROM transfers").fetchall()
    return sum((dec(row[0]) for row in rows), ZERO)
