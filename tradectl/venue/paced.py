"""Any venue, used with manners: every request takes its turn, reads are retried, orders never are (promises 1, 3).

A venue that asks to be left alone for a while (retry-after) is; only what protects does not wait for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from tradectl import logs
from tradectl.domain.candle import Candle
from tradectl.domain.fill import AccountEvent
from tradectl.domain.instrument import Instrument
from tradectl.domain.order import OrderFact, OrderRequest, Outcome, Rejected
from tradectl.domain.ports import Clock, Venue
from tradectl.domain.snapshot import Snapshot, Ticker
from tradectl.domain.tags import Tag
from tradectl.errors import RateLimited, VenueUnreachable
from tradectl.venue.pace import Pace
from tradectl.venue.through import Through

_log = logs.get("venue.paced")
T = TypeVar("T")


class PacedVenue(Through):
    """Wraps a venue. Reads wait their turn and are tried again after each pause of `backoff_seconds`."""

    def __init__(self, inner: Venue, pace: Pace, clock: Clock, backoff_seconds: Sequence[float]) -> None:
        super().__init__(inner)
        self.pace = pace
        self._clock = clock
        self._backoff = tuple(backoff_seconds)

    async def _read(self, call: Callable[[], Awaitable[T]]) -> T:
        for pause in self._backoff:
            await self.pace.turn()
            try:
                return await call()
            except VenueUnreachable as error:
                self._obey(error)
                _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"read failed, again in {pause:g}s: {error.what}", level=30)
            await self._clock.sleep(pause)
        await self.pace.turn()
        try:
            return await call()
        except RateLimited as error:
            self._obey(error)
            raise

    def _obey(self, error: VenueUnreachable) -> None:
        if isinstance(error, RateLimited):
            self.pace.hold(error.retry_after_ms)

    def _told(self, outcome: Outcome | None) -> None:
        if isinstance(outcome, Rejected) and outcome.retry_after_ms is not None:
            self.pace.hold(outcome.retry_after_ms)

    async def server_time_ms(self) -> int:
        return await self._read(self._inner.server_time_ms)

    async def instruments(self) -> Mapping[str, Instrument]:
        return await self._read(self._inner.instruments)

    async def snapshot(self) -> Snapshot:
        return await self._read(self._inner.snapshot)

    async def ticker(self, symbol: str) -> Ticker:
        return await self._read(lambda: self._inner.ticker(symbol))

    async def candles(self, symbol: str, interval: str, limit: int) -> Sequence[Candle]:
        return await self._read(lambda: self._inner.candles(symbol, interval, limit))

    async def account_events(self, after_seq: int, limit: int) -> Sequence[AccountEvent]:
        return await self._read(lambda: self._inner.account_events(after_seq, limit))

    async def find_order(self, symbol: str, client_id: str) -> OrderFact | None:
        return await self._read(lambda: self._inner.find_order(symbol, client_id))

    async def order(self, symbol: str, order_id: str) -> OrderFact | None:
        return await self._read(lambda: self._inner.order(symbol, order_id))

    async def leverage(self, symbol: str) -> Decimal:
        return await self._read(lambda: self._inner.leverage(symbol))

    async def margin_mode(self, symbol: str) -> str:
        return await self._read(lambda: self._inner.margin_mode(symbol))

    async def place(self, request: OrderRequest) -> Outcome:
        # The door waits its turn before it fixes the request's timestamp; here it is only counted.
        await self.pace.turn(urgent=True)
        outcome = await self._inner.place(request)
        self._told(outcome)
        return outcome

    async def cancel(self, symbol: str, order_id: str, timestamp_ms: int, expires_ms: int) -> Outcome:
        await self.pace.turn(urgent=True)
        outcome = await self._inner.cancel(symbol, order_id, timestamp_ms, expires_ms)
        self._told(outcome)
        return outcome

    async def amend(
        self,
        symbol: str,
        order_id: str,
        timestamp_ms: int,
        expires_ms: int,
        *,
        trigger_price: Decimal | None = None,
        qty: Decimal | None = None,
    ) -> Outcome:
        await self.pace.turn(urgent=True)
        outcome = await self._inner.amend(
            symbol, order_id, timestamp_ms, expires_ms, trigger_price=trigger_price, qty=qty
        )
        self._told(outcome)
        return outcome

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Outcome | None:
        await self.pace.turn()
        return await self._inner.set_leverage(symbol, leverage)

    async def set_margin_mode(self, symbol: str, mode: str) -> Outcome | None:
        await self.pace.turn()
        return await self._inner.set_margin_mode(symbol, mode)
