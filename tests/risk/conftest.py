"""A calm account and market in which every gate passes; tests change one thing and look at what is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tradectl.config.schema import Config
from tradectl.domain.candle import Candle, day_of
from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.domain.position import PositionFact, Side
from tradectl.domain.risk_state import RiskState
from tradectl.domain.signal import Admitted, Signal, Sized, SymbolRefusal
from tradectl.domain.snapshot import Account, Snapshot, Ticker
from tradectl.risk import pipeline
from tradectl.risk.context import AccountContext, Costs, SymbolContext, symbol_context

D = Decimal
MINUTE = 60_000
FIVE = 5 * MINUTE
TWO_HUNDRED, ONE_THOUSAND, TEN_THOUSAND = D(200), D(1000), D(10_000)
NOW = 1_760_000_100_000 // FIVE * FIVE + 1_000  # a second after a five-minute candle has closed
SYMBOL = "SOLUSDT"


def configure(knobs: Mapping[str, object] | None = None) -> Config:
    """Built-in defaults with some dotted snake_case knobs changed."""
    tree: dict[str, Any] = {}
    for key, value in (knobs or {}).items():
        *path, name = key.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[name] = value
    return Config.model_validate(tree)


def steady_candles(count: int = 260, price: str = "100", reach: str = "0.2") -> list[Candle]:
    newest = NOW // FIVE * FIVE - FIVE
    middle, half = D(price), D(reach)
    return [
        Candle(newest - (count - 1 - i) * FIVE, middle, middle + half, middle - half, middle, D(10))
        for i in range(count)
    ]


class World:
    """Builders; every argument that is left out is calm."""

    symbol = SYMBOL
    now = NOW
    instrument = Instrument(
        SYMBOL, "SOL", "USDT", D("0.01"), D("0.1"), D("0.1"), D(5), D(10_000), (Tier(D(5_000_000), D(50), D("0.01")),)
    )
    ticker = Ticker(SYMBOL, D("99.99"), D("100.01"), D(100), D(100), NOW)
    candles = steady_candles()

    configure = staticmethod(configure)
    steady_candles = staticmethod(steady_candles)

    def snapshot(
        self,
        equity: Decimal = TEN_THOUSAND,
        positions: tuple[PositionFact, ...] = (),
        orders: tuple[OrderFact, ...] = (),
        at_ms: int = NOW,
        maintenance: Decimal | None = None,
    ) -> Snapshot:
        margin = sum((p.initial_margin for p in positions), D(0))
        keep = sum((p.maintenance_margin for p in positions), D(0)) if maintenance is None else maintenance
        account = Account("USDT", equity, D(0), margin, keep, equity - margin)
        return Snapshot(at_ms, account, positions, orders, 0)

    def position(
        self, symbol: str = "BTCUSDT", notional: Decimal = ONE_THOUSAND, margin: Decimal = TWO_HUNDRED
    ) -> PositionFact:
        price = D(100)
        return PositionFact(
            symbol, notional / price, price, price, D(0), margin, notional / 100, D(5), "isolated", None, NOW
        )

    def order(
        self, symbol: str = SYMBOL, *, reduce_only: bool = False, status: OrderStatus = OrderStatus.NEW
    ) -> OrderFact:
        return OrderFact(
            "o1", None, symbol, OrderSide.BUY, OrderType.LIMIT, status, D(2), D(0), None, NOW, NOW, price=D(90),
            reduce_only=reduce_only,
        )  # fmt: skip

    def risk(self, **changes: Any) -> RiskState:
        calm = RiskState(day_of(NOW), D(10_000), False, D(0), D(10_000), D(10_000), NOW)
        return replace(calm, **changes)

    def account(self, knobs: Mapping[str, object] | None = None, **changes: Any) -> AccountContext:
        config = configure(knobs)
        calm = AccountContext(
            config=config,
            now_ms=NOW,
            snapshot=self.snapshot(),
            risk=self.risk(),
            costs=Costs.simulated(config),
            session_started_ms=NOW - 60 * MINUTE,
            session_entries=0,
            recovered=True,
        )
        return replace(calm, **changes)

    def ctx(
        self, account: AccountContext | None = None, candles: list[Candle] | None = None, **changes: Any
    ) -> SymbolContext:
        calm = symbol_context(
            account or self.account(),
            SYMBOL,
            self.instrument,
            self.candles if candles is None else candles,
            self.ticker,
            processed_open_ms=None,
            local_open=False,
        )
        return replace(calm, **changes)

    def signal(self, **changes: Any) -> Signal:
        calm = Signal(
            SYMBOL, "ma_cross", Side.LONG, D("0.70"), D(100), self.candles[-1].open_ms, ("fast_crossed_above_slow",)
        )
        return replace(calm, **changes)

    def admit(self, ctx: SymbolContext, signal: Signal | None = None) -> Admitted | SymbolRefusal:
        verdicts = pipeline.before_data(ctx.account, ctx.symbol)
        if not pipeline.refused(verdicts):
            verdicts += pipeline.with_data(ctx)
        return pipeline.admit(ctx, signal or self.signal(), verdicts)

    def size(self, ctx: SymbolContext, signal: Signal | None = None) -> Sized | SymbolRefusal:
        admitted = self.admit(ctx, signal)
        return admitted if isinstance(admitted, SymbolRefusal) else pipeline.size(admitted, ctx)

    def sized(self, ctx: SymbolContext, signal: Signal | None = None) -> Sized:
        result = self.size(ctx, signal)
        assert isinstance(result, Sized), result.refused_by
        return result

    def refusal(self, ctx: SymbolContext, signal: Signal | None = None) -> SymbolRefusal:
        result = self.size(ctx, signal)
        assert isinstance(result, SymbolRefusal), result
        return result


@pytest.fixture(scope="session")
def world() -> World:
    return World()
