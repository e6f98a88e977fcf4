"""A venue that passes every call on: what wrappers around a venue are made of, each changing the calls it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tradectl.domain.candle import Candle
from tradectl.domain.fill import AccountEvent
from tradectl.domain.instrument import Instrument
from tradectl.domain.order import OrderFact, OrderRequest, Outcome
from tradectl.domain.ports import Venue
from tradectl.domain.snapshot import Snapshot, Ticker


class Through:
    def __init__(self, inner: Venue) -> None:
        self._inner = inner
        self.name = inner.name
        self.environment = inner.environment
        self.currency = inner.currency

    @property
    def attaches_brackets(self) -> bool:
        return self._inner.attaches_brackets

    async def server_time_ms(self) -> int:
        return await self._inner.server_time_ms()

    async def instruments(self) -> Mapping[str, Instrument]:
        return await self._inner.instruments()

    async def snapshot(self) -> Snapshot:
        return await self._inner.snapshot()

    async def ticker(self, symbol: str) -> Ticker:
        return await self._inner.ticker(symbol)

    async def candles(self, symbol: str, interval: str, limit: int) -> Sequence[Candle]:
        return await self._inner.candles(symbol, interval, limit)

    async def account_events(self, after_seq: int, limit: int) -> Sequence[AccountEvent]:
        return await self._inner.account_events(after_seq, limit)

    async def find_order(self, symbol: str, client_id: str) -> OrderFact | None:
        return await self._inner.find_order(symbol, client_id)

    async def order(self, symbol: str, order_id: str) -> OrderFact | None:
        return await self._inner.order(symbol, order_id)

    async def leverage(self, symbol: str) -> Decimal:
        return await self._inner.leverage(symbol)

    async def margin_mode(self, symbol: str) -> str:
        return await self._inner.margin_mode(symbol)

    async def place(self, request: OrderRequest) -> Outcome:
        return await self._inner.place(request)

    async def cancel(self, symbol: str, order_id: str, timestamp_ms: int, expires_ms: int) -> Outcome:
        return await self._inner.cancel(symbol, order_id, timestamp_ms, expires_ms)

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
        return await self._inner.amend(symbol, order_id, timestamp_ms, expires_ms, trigger_price=trigger_price, qty=qty)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Outcome | None:
        return await self._inner.set_leverage(symbol, leverage)

    async def set_margin_mode(self, symbol: str, mode: str) -> Outcome | None:
        return await self._inner.set_margin_mode(symbol, mode)

    async def close(self) -> None:
        await self._inner.close()
