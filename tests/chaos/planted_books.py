"""Faults in the books: fills that count twice or never, alerts that are lost, a start that reads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from planting import plants

from tradectl.engine import state
from tradectl.execution import booking
from tradectl.execution.ingest import Ingested
from tradectl.store import ledger, outbox


@plants("fills are booked once", seed=0)
def a_fill_is_booked_again() -> Iterator[None]:
    """Its execution id is not looked at: whatever a list brings twice counts twice."""
    real = booking.Booking._fill

    def twice(self: Any, fill: Any) -> None:
        real(self, fill)
        trade = self._trades.get(fill.symbol)
        if trade is not None and fill.seq % 5 == 0:
            again = replace(fill, execution_id=f"{fill.execution_id}b", seq=-fill.seq)
            real(self, again)

    with patch.object(booking.Booking, "_fill", twice):
        yield


@plants("fills are booked once", "money agrees", "the bot runs", seed=2)
def the_cursor_goes_where_the_picture_is() -> Iterator[None]:
    """Fills that a list did not have yet are never asked for again."""
    real = ledger.set_cursor

    def ahead(conn: Any, seq: int) -> None:
        real(conn, seq + 2)

    with patch.object(ledger, "set_cursor", ahead):
        yield


@plants("alerts commit with their cause", seed=0)
def an_alert_is_lost() -> Iterator[None]:
    real = outbox.put

    def forgetful(conn: Any, **more: Any) -> int:
        return 0 if more["type"] in ("position_closed", "safety_unknown_order") else real(conn, **more)

    with patch.object(outbox, "put", forgetful):
        yield


@plants("covered exactly once", "fills are booked once", "local equals venue", seed=34)
def recovery_is_skipped() -> Iterator[None]:
    """Entries go on from whatever the books say, however old."""

    async def no_news(bot: Any, snapshot: Any) -> Any:
        return snapshot, Ingested(bot.memory.cursor)

    with patch.object(state, "take_in", no_news):
        yield
