"""A small exchange to talk to in tests: BTC and SOL with one tier each, one trader, its operations in short words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.domain.fill import Fill
from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.order import (
    BracketLeg,
    Confirmed,
    OrderFact,
    OrderRequest,
    OrderSide,
    OrderType,
    Rejected,
    TriggerBy,
)
from tradectl.sim.events import Event, Executed, Updated
from tradectl.sim.exchange import Reply, apply, genesis
from tradectl.sim.ops import (
    AdvanceBars,
    AmendOrder,
    CancelOrder,
    MarketBar,
    Op,
    PlaceOrder,
    SetLeverage,
    SetMarginMode,
    SetSymbolStatus,
)
from tradectl.sim.state import CROSS, ExchangeState, Settings

D = Decimal
T0 = 1_700_000_040_000  # a whole minute
MINUTE = 60_000
BUY, SELL = OrderSide.BUY, OrderSide.SELL
MARKET, LIMIT = OrderType.MARKET, OrderType.LIMIT
STOP, TARGET = OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
LAST, MARK, INDEX = TriggerBy.LAST, TriggerBy.MARK, TriggerBy.INDEX


START, MAKER, TAKER, NO_SLIPPAGE = D(10_000), D("0.0002"), D("0.00055"), D(0)


@dataclass(frozen=True)
class Begin:
    start_balance: Decimal = START
    maker_fee: Decimal = MAKER
    taker_fee: Decimal = TAKER
    slippage_bps: Decimal = NO_SLIPPAGE


def contract(symbol: str, tick: str, step: str, *tiers: Tier) -> Instrument:
    return Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=D(tick),
        qty_step=D(step),
        min_qty=D(step),
        min_notional=D(5),
        max_market_qty=D(1000),
        tiers=tiers or (Tier(D(10_000_000), D(50), D("0.01")),),
    )


INSTRUMENTS = {
    "BTCUSDT": contract("BTCUSDT", "0.1", "0.001"),
    "SOLUSDT": contract("SOLUSDT", "0.01", "0.1"),
}


def order(reply: Reply) -> OrderFact:
    """The order of a reply that confirms one."""
    assert isinstance(reply, Confirmed), reply
    return reply.order


def code(reply: Reply) -> str:
    """The code of a refusal."""
    assert isinstance(reply, Rejected), reply
    return reply.code


class Bench:
    """Keeps the state and all events, so that a test reads as what was done and what came of it."""

    def __init__(
        self, *, rules: Begin | None = None, price: str = "100", leverage: str | None = None, **settings: object
    ) -> None:
        state = genesis(rules or Begin(), INSTRUMENTS, T0)
        changed: Settings = replace(state.settings, **settings)  # type: ignore[arg-type]
        self.state: ExchangeState = replace(state, settings=changed)
        self.events: list[Event] = []
        self.number = 0
        self.bar(price, price, price, price)
        if leverage is not None:
            assert self.do(SetLeverage("SOLUSDT", D(leverage))) is None

    @classmethod
    def crossed(cls, *, sol: str = "100", btc: str = "1000", leverage: str = "10", start: str = "10000") -> Bench:
        """Both symbols on cross margin, with a price each."""
        bench = cls(rules=Begin(start_balance=D(start)), price=sol, leverage=leverage)
        bench.bar(btc, btc, btc, btc, symbol="BTCUSDT")
        assert bench.do(SetLeverage("BTCUSDT", D(leverage))) is None
        for symbol in INSTRUMENTS:
            assert bench.do(SetMarginMode(symbol, CROSS)) is None
        return bench

    def do(self, op: Op) -> Reply:
        self.state, events, reply = apply(self.state, op)
        self.events += events
        return reply

    def bar(
        self,
        open_: str,
        high: str,
        low: str,
        close: str,
        *,
        symbol: str = "SOLUSDT",
        mark: tuple[str, str] | None = None,
        index: tuple[str, str] | None = None,
    ) -> list[Event]:
        """Advances one minute; the events of that bar."""
        before = len(self.events)
        held = [D(text) if text is not None else None for text in (*(mark or (None, None)), *(index or (None, None)))]
        one = MarketBar(symbol, self.state.market_ms, MINUTE, D(open_), D(high), D(low), D(close), *held)
        self.do(AdvanceBars((one,)))
        return self.events[before:]

    def at(self, price: str, symbol: str = "SOLUSDT") -> list[Event]:
        """One minute during which the price stands here."""
        return self.bar(price, price, price, price, symbol=symbol)

    def request(
        self,
        side: OrderSide,
        qty: str | None,
        type_: OrderType = MARKET,
        *,
        price: str | None = None,
        trigger: str | None = None,
        by: TriggerBy = LAST,
        reduce: bool = False,
        close: bool = False,
        stop: str | None = None,
        target: str | None = None,
        symbol: str = "SOLUSDT",
        client_id: str | None = None,
    ) -> OrderRequest:
        self.number += 1
        now = self.state.server_ms
        return OrderRequest(
            client_id=f"tdc.abc123.en.{self.number}" if client_id is None else client_id,
            symbol=symbol,
            side=side,
            type=type_,
            qty=D(qty) if qty is not None else None,
            timestamp_ms=now,
            expires_ms=now + 5000,
            price=D(price) if price else None,
            trigger_price=D(trigger) if trigger else None,
            trigger_by=by if trigger else None,
            reduce_only=reduce,
            close_position=close,
            stop=BracketLeg(D(stop), by) if stop else None,
            target=BracketLeg(D(target), by) if target else None,
        )

    def place(self, side: OrderSide, qty: str | None, type_: OrderType = MARKET, **more: object) -> Reply:
        request = self.request(side, qty, type_, **more)  # type: ignore[arg-type]
        return self.do(PlaceOrder(request, self.state.server_ms))

    def cancel(self, order_id: str, symbol: str = "SOLUSDT") -> Reply:
        now = self.state.server_ms
        return self.do(CancelOrder(symbol, order_id, now, now + 5000))

    def amend(self, order_id: str, *, symbol: str = "SOLUSDT", late_ms: int = 0, **change: str) -> Reply:
        now = self.state.server_ms
        values = {name: D(value) for name, value in change.items()}
        return self.do(AmendOrder(symbol, order_id, now + late_ms, now + 5000, **values))

    def status(self, status: str, symbol: str = "SOLUSDT") -> Reply:
        return self.do(SetSymbolStatus(symbol, status, self.state.server_ms))

    @property
    def wallet(self) -> Decimal:
        return self.state.balances["trader"]

    @property
    def fills(self) -> list[Fill]:
        return [event.fill for event in self.events if isinstance(event, Executed)]

    @property
    def ended(self) -> dict[str, OrderFact]:
        return {e.order.order_id: e.order for e in self.events if isinstance(e, Updated) and not e.order.status.open}

    @property
    def open(self) -> list[OrderFact]:
        return [order.fact for order in self.state.orders.values()]

    def qty(self, symbol: str = "SOLUSDT") -> Decimal:
        position = self.state.positions.get(symbol)
        return position.lot.qty if position else D(0)


def books(state: ExchangeState) -> Decimal:
    return sum(state.balances.values(), D(0))
