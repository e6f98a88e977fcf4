"""A book of positions, entered through the real gates on the simulated exchange, and then a move of every market.

It is how a portfolio that `validate-config --prove` found is tried out: the sizes are those that the gates give, the
margins are the exchange's, and the invariants are asked what they say of the account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tradectl.config.in_force import limited_of
from tradectl.config.schema import Config
from tradectl.domain.candle import INTERVALS_MS, MINUTE_MS, Candle, day_of
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import entry_drafts
from tradectl.domain.limited import LIVE_LIMITED, Limited
from tradectl.domain.money import ONE, ZERO
from tradectl.domain.order import Confirmed, OrderRequest, TriggerBy
from tradectl.domain.position import PositionFact, Side
from tradectl.domain.risk_state import RiskState
from tradectl.domain.signal import Signal, Sized, SymbolRefusal
from tradectl.domain.snapshot import Snapshot, Ticker
from tradectl.risk import pipeline
from tradectl.risk.context import AccountContext, Costs, symbol_context, with_pending
from tradectl.safety import check
from tradectl.safety.breach import Breach
from tradectl.safety.view import SafetyView
from tradectl.sim import views
from tradectl.sim.exchange import apply, genesis
from tradectl.sim.ops import AdvanceBars, ApplyFunding, MarketBar, PlaceOrder, SetLeverage
from tradectl.sim.state import ExchangeState
from tradectl.validation.facts import Facts

START_MS = 1_704_110_400_000  # 2024-01-01T12:00Z
_WINDOW_MS = 5_000
_REACH = Decimal("0.0008")  # of a quiet candle's extremes, of the price


@dataclass(frozen=True, slots=True)
class Wanted:
    """A signal, and the market it comes in. volume: what is traded there in 24 h, quote currency.

    pending: it is sized in the cycle of the one before, whose entry is still on its way in the account's picture.
    """

    symbol: str
    side: Side
    confidence: Decimal
    volume: Decimal
    pending: bool = False


@dataclass
class Book:
    """The exchange, and what was done there. `sized` and `refused` in the order of the signals."""

    config: Config
    costs: Costs
    limited: Limited | None
    risk: RiskState
    state: ExchangeState
    prices: Mapping[str, Decimal]
    candles: Mapping[str, tuple[Candle, ...]]
    sized: list[Sized] = field(default_factory=list)
    refused: list[SymbolRefusal] = field(default_factory=list)
    _picture: AccountContext | None = None

    def snapshot(self) -> Snapshot:
        return views.snapshot(self.state)

    def equity(self) -> Decimal:
        return self.snapshot().equity

    def enter(self, wanted: Wanted) -> Sized | SymbolRefusal:
        """The gates from the first to the last, and the order at the exchange where they let it."""
        account = self._account(wanted.pending)
        ticker = replace(views.ticker(self.state, wanted.symbol), quote_volume_24h=wanted.volume)
        decided = self._decide(account, wanted, ticker)
        if isinstance(decided, SymbolRefusal):
            self.refused.append(decided)
            return decided
        self._send(decided)
        self.sized.append(decided)
        self._picture = _with_pending(account, decided)
        return decided

    def _account(self, pending: bool) -> AccountContext:
        """The account as a cycle sees it that began now; or as the one before left it, its entries reserved."""
        if pending and self._picture is not None:
            return self._picture
        return AccountContext(
            config=self.config,
            now_ms=self.state.server_ms,
            snapshot=self.snapshot(),
            risk=self.risk,
            costs=self.costs,
            session_started_ms=self.state.server_ms,
            session_entries=0,
            recovered=True,
            limited=self.limited,
        )

    def _decide(self, account: AccountContext, wanted: Wanted, ticker: Ticker) -> Sized | SymbolRefusal:
        verdicts = pipeline.before_data(account, wanted.symbol)
        instrument = self.state.instruments[wanted.symbol]
        ctx = symbol_context(
            account, wanted.symbol, instrument, self.candles[wanted.symbol], ticker, processed_open_ms=None,
            local_open=False,
        )  # fmt: skip
        if not pipeline.refused(verdicts):
            verdicts = (*verdicts, *pipeline.with_data(ctx))
        newest = ctx.candles[-1]
        signal = Signal(
            wanted.symbol, "proof", wanted.side, wanted.confidence, newest.close, newest.open_ms, ("proof",)
        )
        admitted = pipeline.admit(ctx, signal, verdicts)
        return admitted if isinstance(admitted, SymbolRefusal) else pipeline.size(admitted, ctx)

    def _send(self, sized: Sized) -> None:
        symbol = sized.admitted.signal.symbol
        self._apply(SetLeverage(symbol, sized.leverage, self.state.server_ms))
        for draft in entry_drafts(sized, TriggerBy(self.config.perps.trigger_by)):
            now_ms = self.state.server_ms
            request = OrderRequest(
                f"proof-{symbol}-{len(self.sized)}-{self.state.next_order}", symbol, draft.side, draft.type, draft.qty,
                now_ms, now_ms + _WINDOW_MS, stop=draft.stop, target=draft.target,
            )  # fmt: skip
            reply = self._apply(PlaceOrder(request, now_ms))
            if not isinstance(reply, Confirmed):
                raise AssertionError(f"the exchange refused what the gates admitted: {reply}")

    def _apply(self, op: PlaceOrder | SetLeverage | ApplyFunding | AdvanceBars) -> object:
        self.state, _, reply = apply(self.state, op)
        return reply

    def move(self, share: Decimal, funding: Decimal) -> None:
        """Every market against its position by this share of its price, after one payment of funding."""
        held = {position.symbol: position for position in self.snapshot().positions}
        rates = tuple((symbol, abs(funding) * (1 if one.qty > 0 else -1)) for symbol, one in sorted(held.items()))
        if funding and rates:
            self._apply(ApplyFunding(self.state.server_ms, rates))
        bars = tuple(self._bar(symbol, held.get(symbol), share) for symbol in sorted(self.prices))
        self._apply(AdvanceBars(bars))

    def _bar(self, symbol: str, position: PositionFact | None, share: Decimal) -> MarketBar:
        price, instrument = self.prices[symbol], self.state.instruments[symbol]
        if position is None or not position.qty:
            end = price
        elif position.qty > 0:
            end = instrument.ceil_price(price * (ONE - share))
        else:
            end = instrument.floor_price(price * (ONE + share))
        open_ms = self.state.server_ms - self.state.server_ms % MINUTE_MS + MINUTE_MS
        return MarketBar(symbol, open_ms, MINUTE_MS, price, max(price, end), min(price, end), end)

    def breaches(self) -> tuple[Breach, ...]:
        """What the invariants say of the account now, as the bot would ask them."""
        snapshot = self.snapshot()
        ours = frozenset(order.order_id for order in snapshot.orders)
        managed = frozenset(position.symbol for position in snapshot.positions)
        return check.check(SafetyView(self.config, snapshot, self.risk, ours=ours, entries=ours, managed=managed))


def open_book(facts: Facts, equity: Decimal, peak: Decimal | None = None) -> Book:
    """A flat account on a quiet market. peak: the highest equity there ever was; None: this one.

    Raises AssertionError where the facts know no price of a market.
    """
    config, prices = facts.limits, facts.market.prices
    known: dict[str, Instrument] = {one: facts.market.instruments[one] for one in prices}
    rules = config.sim.model_copy(update={"start_balance": equity})
    state = genesis(rules, known, START_MS - MINUTE_MS)
    bars = tuple(
        MarketBar(symbol, START_MS - MINUTE_MS, MINUTE_MS, price, price, price, price)
        for symbol, price in sorted(prices.items())
    )
    state, _, _ = apply(state, AdvanceBars(bars))
    return Book(
        config=config,
        costs=Costs(facts.market.taker_fee or ZERO, facts.market.slippage or ZERO),
        limited=limited_of(config) if facts.mode == LIVE_LIMITED else None,
        risk=RiskState(
            day_of(state.server_ms), equity, False, ZERO, max(peak or equity, equity), equity, state.server_ms
        ),
        state=state,
        prices=dict(prices),
        candles={symbol: _quiet(config, known[symbol], price) for symbol, price in prices.items()},
    )


def _quiet(config: Config, instrument: Instrument, price: Decimal) -> tuple[Candle, ...]:
    interval_ms = INTERVALS_MS[config.perps.interval]
    newest = START_MS // interval_ms * interval_ms - interval_ms
    high, low = instrument.ceil_price(price * (ONE + _REACH)), instrument.floor_price(price * (ONE - _REACH))
    count = pipeline.candles_needed(config, 0)
    return tuple(
        Candle(newest - back * interval_ms, price, high, max(low, instrument.tick_size), price, ONE)
        for back in range(count - 1, -1, -1)
    )


def _with_pending(account: AccountContext, sized: Sized) -> AccountContext:
    """As the engine reserves it. What only one process knows (its own doubts, its count of the session) stays."""
    return replace(with_pending(account, sized), session_entries=account.session_entries)
