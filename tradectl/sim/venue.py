"""The simulated exchange behind the port that real venues have: complete reads, three outcomes, no side doors.

Fills and funding are learnt from `account_events` alone, as on a real venue. Requests carry their timestamp and
expiry, and the exchange judges them by its own server time. A fault plan stands in front of every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from tradectl.domain.candle import Candle
from tradectl.domain.fill import AccountEvent
from tradectl.domain.instrument import Instrument
from tradectl.domain.order import OrderFact, OrderRequest, Outcome, Rejected, Unknown
from tradectl.domain.ports import Clock
from tradectl.domain.snapshot import Snapshot, Ticker
from tradectl.errors import VenueUnreachable
from tradectl.sim import views
from tradectl.sim.faults import Call, Delay, DropRequest, FaultPlan, LoseAnswer, NoFaults, Refuse
from tradectl.sim.feed import Feed
from tradectl.sim.host import Host
from tradectl.sim.ops import CancelOrder, Op, PlaceOrder, SetLeverage, SetMarginMode

T = TypeVar("T")


class SimVenue:
    """domain.ports.Venue over a Host.

    feed: where candles come from; None in operator commands on a stepped market, which have no use for them.
    present: brings a wall-clock market up to the present before each call; a stepped one moves when it is stepped.
    """

    name = "sim"
    environment = "paper"

    def __init__(
        self,
        host: Host,
        clock: Clock,
        *,
        feed: Feed | None,
        faults: FaultPlan | None = None,
        present: Callable[[], None] | None = None,
    ) -> None:
        self.currency = views.currency(host.state.instruments)
        self._host = host
        self._clock = clock
        self._feed = feed
        self._faults: FaultPlan = faults or NoFaults()
        self._present = present
        self._calls = 0

    async def server_time_ms(self) -> int:
        return self._read("server_time_ms", "", "", self._clock.now_ms)

    async def instruments(self) -> Mapping[str, Instrument]:
        return self._read("instruments", "", "", lambda: self._host.state.instruments)

    async def snapshot(self) -> Snapshot:
        def take() -> Snapshot:
            return replace(views.snapshot(self._host.state), at_ms=self._clock.now_ms())

        return self._read("snapshot", "", "", take)

    async def ticker(self, symbol: str) -> Ticker:
        def take() -> Ticker:
            self._listed(symbol)
            if symbol not in self._host.state.prices:
                raise VenueUnreachable(f"{symbol} has no price yet", why="its record begins later than the others'")
            # A simulated quote stands until the market moves: it is as fresh as the question.
            return replace(views.ticker(self._host.state, symbol), at_ms=self._clock.now_ms())

        return self._read("ticker", symbol, "", take)

    async def candles(self, symbol: str, interval: str, limit: int) -> Sequence[Candle]:
        def take() -> Sequence[Candle]:
            self._listed(symbol)
            if self._feed is None:
                raise VenueUnreachable(
                    "candles are not to be had here",
                    where=symbol,
                    why="a stepped market's candles are known only to the process that steps it",
                    hint="ask the running bot: tradectl why " + symbol,
                )
            return self._feed.candles(symbol, interval, limit, self._host.state.market_ms)

        return self._read("candles", symbol, "", take)

    async def account_events(self, after_seq: int, limit: int) -> Sequence[AccountEvent]:
        return self._read("account_events", "", "", lambda: self._host.account_events(after_seq, limit))

    async def find_order(self, symbol: str, client_id: str) -> OrderFact | None:
        def search() -> OrderFact | None:
            found = self._host.find_order(client_id)
            return found if found is not None and found.symbol == symbol else None

        return self._read("find_order", symbol, client_id, search)

    async def leverage(self, symbol: str) -> Decimal:
        return self._read("leverage", symbol, "", lambda: views.leverage(self._host.state, symbol))

    async def margin_mode(self, symbol: str) -> str:
        return self._read("margin_mode", symbol, "", lambda: views.margin_mode(self._host.state, symbol))

    async def place(self, request: OrderRequest) -> Outcome:
        return self._send(
            "place", request.symbol, request.client_id, lambda at_ms: PlaceOrder(request, at_ms)
        ) or Unknown("the exchange did not answer the order")

    async def cancel(self, symbol: str, order_id: str, timestamp_ms: int, expires_ms: int) -> Outcome:
        return self._send(
            "cancel", symbol, order_id, lambda at_ms: CancelOrder(symbol, order_id, at_ms, expires_ms)
        ) or Unknown("the exchange did not answer the cancel")

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Outcome | None:
        return self._send("set_leverage", symbol, "", lambda at_ms: SetLeverage(symbol, leverage, at_ms))

    async def set_margin_mode(self, symbol: str, mode: str) -> Outcome | None:
        return self._send("set_margin_mode", symbol, "", lambda at_ms: SetMarginMode(symbol, mode, at_ms))

    async def close(self) -> None:
        self._host.close()

    def _call(self, name: str, symbol: str, subject: str) -> Call:
        self._calls += 1
        return Call(self._calls, name, symbol, subject, self._clock.now_ms())

    def _listed(self, symbol: str) -> None:
        if symbol not in self._host.state.instruments:
            raise VenueUnreachable(
                f"the exchange does not list {symbol}",
                why=f"it was begun with {', '.join(sorted(self._host.state.instruments))}",
                hint="trade one of these, or begin a new exchange with another --state",
            )

    def _read(self, name: str, symbol: str, subject: str, take: Callable[[], T]) -> T:
        """A complete answer, or VenueUnreachable (promise 4)."""
        if self._present is not None:
            self._present()
        call = self._call(name, symbol, subject)
        fault = self._faults.before(call)
        if isinstance(fault, DropRequest):
            raise VenueUnreachable(f"the exchange did not answer {name}", where=symbol, why=fault.reason)
        if isinstance(fault, Refuse):
            raise VenueUnreachable(f"the exchange refused {name}", where=symbol, why=f"{fault.code}: {fault.message}")
        answer = take()
        lost = self._faults.after(call)
        if lost is not None:
            raise VenueUnreachable(f"the exchange's answer to {name} was lost", where=symbol, why=str(lost))
        return answer

    def _send(self, name: str, symbol: str, subject: str, make: Callable[[int], Op]) -> Outcome | None:
        """The outcome of a call that changes something. Whatever goes wrong on the way is Unknown (promise 3)."""
        try:
            if self._present is not None:
                self._present()
            call = self._call(name, symbol, subject)
            fault = self._faults.before(call)
            if isinstance(fault, DropRequest):
                return Unknown(fault.reason)
            if isinstance(fault, Refuse):
                return Rejected(fault.code, fault.message)
            at_ms = call.at_ms + (fault.delay_ms if isinstance(fault, Delay) else 0)
            reply = self._host.execute(make(at_ms)).reply
            lost = self._faults.after(call)
        except VenueUnreachable as error:
            return Unknown(f"{error.what}: {error.why}" if error.why else error.what)
        if lost is not None:
            return Unknown(lost.reason if isinstance(lost, LoseAnswer) else str(lost))
        return reply
