"""The simulated exchange behind the port that real venues have: complete reads, three outcomes, no side doors.

Fills and funding are learnt from `account_events` alone, as on a real venue. Requests carry their timestamp and
expiry, and the exchange judges them by its own server time. Every call goes over a line, on which it can go wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from tradectl.domain.candle import Candle
from tradectl.domain.fill import AccountEvent
from tradectl.domain.instrument import Instrument
from tradectl.domain.order import OrderFact, OrderRequest, Outcome, Unknown
from tradectl.domain.ports import Clock
from tradectl.domain.position import PositionFact
from tradectl.domain.snapshot import Account, Snapshot, Ticker
from tradectl.errors import VenueUnreachable
from tradectl.sim import views
from tradectl.sim.exchange import Reply
from tradectl.sim.faults import ACCOUNT, CONDITIONAL, ORDERS, POSITIONS, Call, FaultPlan, NoFaults
from tradectl.sim.feed import Feed, day_turnover
from tradectl.sim.host import Host
from tradectl.sim.line import Act, DirectLine, Lens, Line
from tradectl.sim.ops import AmendOrder, CancelOrder, PlaceOrder, SetLeverage, SetMarginMode

T = TypeVar("T")


class SimVenue:
    """domain.ports.Venue over a Host.

    feed: where candles come from; None in operator commands on a stepped market, which have no use for them.
    present: brings a wall-clock market up to the present before each call; a stepped one moves when it is stepped.
    line: how calls reach the exchange; by default at once, with `faults` on the way.
    server_ms: the exchange's own clock, where it is not the caller's.
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
        line: Line | None = None,
        server_ms: Callable[[], int] | None = None,
    ) -> None:
        self.currency = views.currency(host.state.instruments)
        self._host = host
        self._clock = clock
        self._server_ms = server_ms or clock.now_ms
        self._feed = feed
        self._line: Line = line or DirectLine(faults or NoFaults(), lambda: host.state)
        self._present = present
        self._calls = 0

    @property
    def attaches_brackets(self) -> bool:
        return self._host.state.settings.attaches_brackets

    async def server_time_ms(self) -> int:
        return await self._read("server_time_ms", lambda lens: self._server_ms())

    async def instruments(self) -> Mapping[str, Instrument]:
        return await self._read("instruments", lambda lens: lens.state.instruments)

    async def snapshot(self) -> Snapshot:
        at_ms = self._clock.now_ms()  # what is read is at least as new as this
        if not self._line.apart:

            def take(lens: Lens) -> Snapshot:
                whole = views.snapshot(lens.state)
                return replace(
                    whole,
                    at_ms=self._clock.now_ms(),
                    positions=_positions(lens),
                    orders=lens.orders(whole.orders),
                )

            return await self._read("snapshot", take)
        account, seq = await self._read(ACCOUNT, _account)
        positions = await self._read(POSITIONS, _positions)
        plain = await self._read(ORDERS, lambda lens: lens.orders(views.open_orders(lens.state)))
        conditional = await self._read(CONDITIONAL, lambda lens: lens.orders(views.open_orders(lens.state)))
        orders = (
            *(order for order in plain if not order.type.conditional),
            *(order for order in conditional if order.type.conditional),
        )
        return Snapshot(at_ms, account, positions, orders, seq)

    async def ticker(self, symbol: str) -> Ticker:
        feed = self._feed

        def take(lens: Lens) -> Ticker:
            self._listed(symbol)
            if symbol not in lens.state.prices:
                raise VenueUnreachable(f"{symbol} has no price yet", why="its record begins later than the others'")
            # A simulated quote stands until the market moves: it is as fresh as the question.
            return replace(
                views.ticker(lens.state, symbol),
                at_ms=self._server_ms(),
                quote_volume_24h=None if feed is None else day_turnover(feed, symbol, lens.state.market_ms),
            )

        return await self._read("ticker", take, symbol)

    async def candles(self, symbol: str, interval: str, limit: int) -> Sequence[Candle]:
        def take(lens: Lens) -> Sequence[Candle]:
            self._listed(symbol)
            if self._feed is None:
                raise VenueUnreachable(
                    "candles are not to be had here",
                    where=symbol,
                    why="a stepped market's candles are known only to the process that steps it",
                    hint="ask the running bot: tradectl why " + symbol,
                )
            return self._feed.candles(symbol, interval, limit, lens.state.market_ms)

        return await self._read("candles", take, symbol)

    async def account_events(self, after_seq: int, limit: int) -> Sequence[AccountEvent]:
        def take(lens: Lens) -> Sequence[AccountEvent]:
            found = self._host.account_events(after_seq, limit)
            if lens.distort.stale_ms:
                found = tuple(event for event in found if event.seq < lens.state.next_seq)
            if lens.distort.tail:
                found = found[: -lens.distort.tail]
            if 0 < lens.distort.hole < len(found):
                found = found[: -lens.distort.hole - 1] + found[-lens.distort.hole :]
            return found[::-1] if lens.distort.reversed_ else found

        return await self._read("account_events", take)

    async def find_order(self, symbol: str, client_id: str) -> OrderFact | None:
        def search(lens: Lens) -> OrderFact | None:
            found = self._host.find_order(client_id)
            return found if found is not None and found.symbol == symbol else None

        return await self._read("find_order", search, symbol, client_id)

    async def order(self, symbol: str, order_id: str) -> OrderFact | None:
        def search(lens: Lens) -> OrderFact | None:
            found = self._host.order(order_id)
            return found if found is not None and found.symbol == symbol else None

        return await self._read("order", search, symbol, order_id)

    async def leverage(self, symbol: str) -> Decimal:
        return await self._read("leverage", lambda lens: views.leverage(lens.state, symbol), symbol)

    async def margin_mode(self, symbol: str) -> str:
        return await self._read("margin_mode", lambda lens: views.margin_mode(lens.state, symbol), symbol)

    async def place(self, request: OrderRequest) -> Outcome:
        def act(at_ms: int, share: float | None) -> Reply:
            thin = Decimal(repr(share)) * request.qty if share is not None and request.qty is not None else None
            return self._host.execute(PlaceOrder(request, at_ms, liquidity=thin)).reply

        answer = await self._send("place", act, request.symbol, request.client_id)
        return answer or Unknown("the exchange did not answer the order")

    async def cancel(self, symbol: str, order_id: str, timestamp_ms: int, expires_ms: int) -> Outcome:
        def act(at_ms: int, share: float | None) -> Reply:
            return self._host.execute(CancelOrder(symbol, order_id, at_ms, expires_ms)).reply

        return await self._send("cancel", act, symbol, order_id) or Unknown("the exchange did not answer the cancel")

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
        def act(at_ms: int, share: float | None) -> Reply:
            op = AmendOrder(symbol, order_id, at_ms, expires_ms, trigger_price=trigger_price, qty=qty)
            return self._host.execute(op).reply

        return await self._send("amend", act, symbol, order_id) or Unknown("the exchange did not answer the amendment")

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Outcome | None:
        def act(at_ms: int, share: float | None) -> Reply:
            return self._host.execute(SetLeverage(symbol, leverage, at_ms)).reply

        return await self._send("set_leverage", act, symbol)

    async def set_margin_mode(self, symbol: str, mode: str) -> Outcome | None:
        def act(at_ms: int, share: float | None) -> Reply:
            return self._host.execute(SetMarginMode(symbol, mode, at_ms)).reply

        return await self._send("set_margin_mode", act, symbol)

    async def close(self) -> None:
        self._host.close()

    def _call(self, name: str, symbol: str, subject: str) -> Call:
        if self._present is not None:
            self._present()
        self._calls += 1
        return Call(self._calls, name, symbol, subject, self._clock.now_ms())

    def _listed(self, symbol: str) -> None:
        if symbol not in self._host.state.instruments:
            raise VenueUnreachable(
                f"the exchange does not list {symbol}",
                why=f"it was begun with {', '.join(sorted(self._host.state.instruments))}",
                hint="trade one of these, or begin a new exchange with another --state",
            )

    async def _read(self, name: str, take: Callable[[Lens], T], symbol: str = "", subject: str = "") -> T:
        """A complete answer, or VenueUnreachable (promise 4)."""
        return await self._line.ask(self._call(name, symbol, subject), take)

    async def _send(self, name: str, act: Act, symbol: str, subject: str = "") -> Outcome | None:
        """The outcome of a call that changes something. Whatever goes wrong on the way is Unknown (promise 3)."""
        try:
            return await self._line.tell(self._call(name, symbol, subject), act)
        except VenueUnreachable as error:
            return Unknown(f"{error.what}: {error.why}" if error.why else error.what)


def _account(lens: Lens) -> tuple[Account, int]:
    """The money, and the account's last event at that moment: what is read after it is no older."""
    whole = views.snapshot(lens.state)
    return whole.account, whole.event_seq


def _positions(lens: Lens) -> tuple[PositionFact, ...]:
    found = lens.positions(views.snapshot(lens.state).positions)
    if lens.distort.no_liquidation:
        return tuple(replace(position, liquidation_price=None) for position in found)
    return found
