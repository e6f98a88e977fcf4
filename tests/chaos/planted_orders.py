"""Faults in sending: orders that are sent twice, too early or too late, or not asked about again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from planting import plants

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.order import Unknown
from tradectl.engine import recover
from tradectl.execution import resolve, submit
from tradectl.sim.venue import SimVenue
from tradectl.store import intents


@plants("one order per intent", "unknown needs evidence", seed=10)
def an_order_is_sent_again_when_nothing_came_back() -> Iterator[None]:
    send = submit.Door._send

    async def again(self: Any, intent: Any) -> Any:
        outcome = await send(self, intent)
        return await send(self, intent) if isinstance(outcome, Unknown) else outcome

    with patch.object(submit.Door, "_send", again):
        yield


@plants("write before act", seed=2)
def an_intent_is_committed_after_its_order_was_sent() -> Iterator[None]:
    real = submit.Door.submit

    async def late(self: Any, draft: Any, **asked: Any) -> Any:
        if draft.purpose is not Purpose.STOP:
            return await real(self, draft, **asked)
        held: list[Any] = []
        record = intents.record

        def remember(conn: Any, *args: Any, **more: Any) -> Any:
            made = record(conn, *args, **more)
            held.append((args, more, made))
            raise _Later

        with patch.object(intents, "record", remember):
            try:
                return await real(self, draft, **asked)
            except _Later:
                pass
        _, _, made = held[0]
        outcome = await self._send(made)
        args, more, _ = held[0]
        with self._db.transaction() as conn:
            record(conn, *args, **more)
        return submit.Submitted(self._settle(made, outcome), outcome)

    with patch.object(submit.Door, "submit", late):
        yield


class _Later(Exception):
    pass


@plants("fence", "unknown needs evidence", seed=31)
def a_request_is_dated_when_it_leaves() -> Iterator[None]:
    """Its window then begins with the sending, whenever that is: a frozen bot's entry is as good as new."""
    place = SimVenue.place

    async def dated_now(self: Any, request: Any) -> Any:
        fresh = replace(request, timestamp_ms=request.timestamp_ms, expires_ms=request.expires_ms + 600_000)
        return await place(self, fresh)

    with patch.object(SimVenue, "place", dated_now):
        yield


@plants("unknown needs evidence", seed=14)
def not_found_is_not_placed() -> Iterator[None]:
    """One search is enough, whether the request has expired or not."""

    async def at_once(db: Any, venue: Any, clock: Any, intent: Any, max_skew_ms: int) -> Any:
        if intent.purpose is Purpose.CANCEL:
            return await resolve._look_up_change(db, venue, clock, intent, max_skew_ms)
        order = await venue.find_order(intent.symbol, intent.client_id)
        if order is not None:
            return resolve._settle(db, clock, intent, IntentState.CONFIRMED, "found", order=order)
        return resolve._settle(db, clock, intent, IntentState.NOT_PLACED, "not found")

    with patch.object(resolve, "_look_up", at_once):
        yield


@plants("doubts end", seed=3)
def what_was_in_flight_at_a_crash_is_forgotten() -> Iterator[None]:
    with patch.object(recover, "adopt_doubt", lambda *args, **more: ()), patch.object(resolve, "_left_open", _never):
        yield


def _never(*args: Any) -> bool:
    return False


@plants("doubts end", seed=61)
def what_a_command_left_in_flight_is_forgotten() -> Iterator[None]:
    """A running bot settles its own orders only."""

    def own_only(intent: Any, epoch: int | None, too_late_ms: int = 0) -> bool:
        return intent.state is not IntentState.UNKNOWN and epoch in (None, intent.epoch)

    with patch.object(resolve, "_left_open", own_only):
        yield
