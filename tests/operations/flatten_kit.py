"""What the tests of `flatten` share: two positions to close, what is open after it, and what was sent for it."""

from __future__ import annotations

from decimal import Decimal

from desk import Account

from tradectl.store import intents

D = Decimal
FLATTEN = ("flatten", "--reason", "news")


def two(acct: Account) -> None:
    """Two positions, BTC the larger one, each covered."""
    acct.entered("BTCUSDT", "0.100")
    acct.entered("ETHUSDT", "0.50")


def open_symbols(acct: Account) -> list[str]:
    return [position.symbol for position in acct.snapshot().positions]


def sent(acct: Account) -> list[tuple[str, str]]:
    """(purpose, symbol) of what an operator sent, oldest first."""
    with acct.db() as db, db.read() as conn:
        return [
            (one.purpose.value, one.symbol) for one in reversed(intents.latest(conn, None, 50)) if one.actor == "ann"
        ]
