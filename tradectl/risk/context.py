"""Everything a gate may look at, frozen before the first gate runs: the world is read once per cycle.

Sent and unknown entries count against every limit at once (promise 8): the engine reserves each entry it sends with
`with_pending` before the next symbol is admitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from tradectl.config.schema import Config
from tradectl.domain.candle import INTERVALS_MS, Candle
from tradectl.domain.instrument import Instrument
from tradectl.domain.limited import Limited
from tradectl.domain.money import ZERO
from tradectl.domain.risk_state import RiskState
from tradectl.domain.signal import Sized
from tradectl.domain.snapshot import Snapshot, Ticker
from tradectl.domain.system_state import Latch

_NO_TIMES: Mapping[str, int] = MappingProxyType({})
_NO_WORDS: Mapping[str, str] = MappingProxyType({})
BASIS_POINT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Costs:
    """What a market order is allowed to cost beside its reference price, as fractions of the notional."""

    taker_fee: Decimal
    slippage: Decimal

    @classmethod
    def simulated(cls, config: Config) -> Costs:
        """The simulated exchange's own fee and slippage."""
        return cls(config.sim.taker_fee, config.sim.slippage_bps * BASIS_POINT)


@dataclass(frozen=True, slots=True)
class AccountContext:
    """The account as one cycle sees it. Money in quote currency; times on the venue's clock."""

    config: Config
    now_ms: int
    snapshot: Snapshot
    risk: RiskState
    costs: Costs
    session_started_ms: int
    session_entries: int
    recovered: bool  # start-up has read every source and found no disagreement of the whole account (promise 10)
    latches: tuple[Latch, ...] = ()
    halt_reason: str | None = None  # the halt file's text; it wins over the store
    recovery_reason: str = ""  # why `recovered` is still False
    in_doubt: Mapping[str, int] = field(default_factory=lambda: _NO_TIMES)  # symbol → entry intents without outcome
    disagreements: Mapping[str, str] = field(default_factory=lambda: _NO_WORDS)  # symbol → what the books disagree on
    unlisted: frozenset[str] = frozenset()  # of these: what the books hold and the snapshot lacks altogether
    pending_margin: Decimal = ZERO  # of entries sent or unknown that the snapshot does not show yet
    pending_notional: Decimal = ZERO
    pending_cost: Decimal = ZERO  # what their fees and slippage may take off equity
    pending_risk: Decimal = ZERO  # their loss at their stops, costs included
    pending_symbols: frozenset[str] = frozenset()
    signalled_ms: Mapping[str, int] = field(default_factory=lambda: _NO_TIMES)  # symbol → last signal acted upon
    partially_closed_ms: Mapping[str, int] = field(default_factory=lambda: _NO_TIMES)  # symbol → last partial close

    limited: Limited | None = None  # the limits of mode live_limited

    @property
    def equity(self) -> Decimal:
        return self.snapshot.equity


@dataclass(frozen=True, slots=True)
class SymbolContext:
    """One symbol's market beside the account. `candles` are closed ones only, oldest first: see `closed_candles`."""

    account: AccountContext
    symbol: str
    instrument: Instrument
    interval_ms: int
    candles: Sequence[Candle]
    ticker: Ticker
    processed_open_ms: int | None = None  # open of the newest candle already decided upon
    local_open: bool = False  # the ledger holds an open trade for the symbol
    clock_skew_ms: int = 0  # venue clock less ours, as last measured


def closed_candles(candles: Sequence[Candle], interval_ms: int, now_ms: int) -> Sequence[Candle]:
    """The candles that have closed by `now_ms` (venue clock). Only the newest ones can still be open."""
    end = len(candles)
    while end and candles[end - 1].open_ms + interval_ms > now_ms:
        end -= 1
    return candles if end == len(candles) else candles[:end]


def symbol_context(
    account: AccountContext,
    symbol: str,
    instrument: Instrument,
    candles: Sequence[Candle],
    ticker: Ticker,
    *,
    processed_open_ms: int | None,
    local_open: bool,
    clock_skew_ms: int = 0,
) -> SymbolContext:
    """The context of one symbol in this cycle, its still-open candle trimmed."""
    interval_ms = INTERVALS_MS[account.config.perps.interval]
    return SymbolContext(
        account=account,
        symbol=symbol,
        instrument=instrument,
        interval_ms=interval_ms,
        candles=closed_candles(candles, interval_ms, account.now_ms),
        ticker=ticker,
        processed_open_ms=processed_open_ms,
        local_open=local_open,
        clock_skew_ms=clock_skew_ms,
    )


@dataclass(frozen=True, slots=True)
class Reserved:
    """What an entry counts for that may have filled and is not in the venue's numbers: as if it were (promise 8)."""

    notional: Decimal
    margin: Decimal
    cost: Decimal  # what fees and slippage may take off equity
    risk: Decimal  # loss at its stop, costs included

    @classmethod
    def of(cls, costs: Costs, *, notional: Decimal, margin: Decimal, risk_amount: Decimal) -> Reserved:
        """From what it was sized to, at the dearest price that is allowed for.

        Costs are those of the reference price and the slippage allowed; a mark that strays further from the last price
        than that is not foreseen.
        """
        fee, slippage = max(costs.taker_fee, ZERO), max(costs.slippage, ZERO)
        dearest = 1 + slippage
        cost = notional * (fee * dearest + 2 * slippage)
        return cls(notional * dearest, margin * dearest, cost, risk_amount + 2 * cost)


def reserve(account: AccountContext, held: Reserved) -> AccountContext:
    """The account with this much more set aside."""
    return replace(
        account,
        pending_margin=account.pending_margin + held.margin,
        pending_notional=account.pending_notional + held.notional,
        pending_cost=account.pending_cost + held.cost,
        pending_risk=account.pending_risk + held.risk,
    )


def with_pending(account: AccountContext, sized: Sized) -> AccountContext:
    """The account with an entry just sent counted as if it were filled, for the symbols that follow in the cycle."""
    symbol = sized.admitted.signal.symbol
    held = Reserved.of(
        account.costs, notional=sized.notional, margin=sized.initial_margin, risk_amount=sized.risk_amount
    )
    return replace(
        reserve(account, held),
        pending_symbols=account.pending_symbols | {symbol},
        session_entries=account.session_entries + 1,
        in_doubt={**account.in_doubt, symbol: account.in_doubt.get(symbol, 0) + 1},
    )
