"""The ports: what the bot needs from a venue, a clock and a source of ids. Implementations are injected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from tradectl.domain.candle import Candle
from tradectl.domain.fill import AccountEvent
from tradectl.domain.instrument import Instrument
from tradectl.domain.order import OrderFact, OrderRequest, Outcome
from tradectl.domain.snapshot import Snapshot, Ticker


class Clock(Protocol):
    """Two times: the venue's (windows, cooldowns, funding) and the wall's (lease, operator's `--for`); and one that
    nobody can set, for how long something took or has to wait."""

    def now_ms(self) -> int:
        """The venue's time, corrected for skew."""

    def wall_ms(self) -> int:
        """This machine's UTC time."""

    def monotonic_ms(self) -> int:
        """Grows as time passes, from any beginning; never set, unlike `now_ms` by the venue's first answer."""

    def skew_ms(self) -> int:
        """This machine's clock less the venue's, as last measured; > 0: ours is ahead. 0 where they are one."""

    async def sleep(self, seconds: float) -> None:
        """Waits on the venue's clock; on a stepped clock this moves server time and returns at once."""


class Venue(Protocol):
    """One exchange account endpoint. Reads are complete or raise VenueUnreachable (promise 4)."""

    name: str
    environment: str  # 'paper', 'testnet', 'live'
    currency: str

    @property
    def attaches_brackets(self) -> bool:
        """Whether an entry can carry its stop and target; where not, the stop is the very next request."""

    async def server_time_ms(self) -> int: ...

    async def instruments(self) -> Mapping[str, Instrument]: ...

    async def snapshot(self) -> Snapshot: ...

    async def ticker(self, symbol: str) -> Ticker: ...

    async def candles(self, symbol: str, interval: str, limit: int) -> Sequence[Candle]:
        """The last `limit` candles, oldest first; the newest may still be open."""

    async def account_events(self, after_seq: int, limit: int) -> Sequence[AccountEvent]:
        """Fills and funding with seq > after_seq, oldest first, at most `limit`: the caller pages to the end."""

    async def find_order(self, symbol: str, client_id: str) -> OrderFact | None:
        """Searches open, conditional and past orders by client id. None only after a complete search of them all."""

    async def order(self, symbol: str, order_id: str) -> OrderFact | None:
        """The same search by the venue's own id: what became of an order that a list does not show."""

    async def leverage(self, symbol: str) -> Decimal: ...

    async def margin_mode(self, symbol: str) -> str: ...

    # Order-changing calls. Only execution/submit and execution/sweep use them.
    async def place(self, request: OrderRequest) -> Outcome: ...

    async def cancel(self, symbol: str, order_id: str, timestamp_ms: int, expires_ms: int) -> Outcome:
        """Confirmed carries the order as it ended; Rejected with code 'order_not_found' says it is no longer open."""

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
        """Changes an open stop in place; None leaves a value as it is. 'not_modified': it is so already."""

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Outcome | None:
        """None when it was set (or was so already)."""

    async def set_margin_mode(self, symbol: str, mode: str) -> Outcome | None: ...

    async def close(self) -> None: ...
