"""Our own exchange as a pure function: `apply(state, op) → (state, events, reply)`.

No clock, no I/O, no randomness: the same operations on the same state give the same answer, bit for bit (promise 15).
The server's clock moves forward to each operation's instant and never back; only AdvanceBars and ApplyFunding touch
the market. Rules of each kind of operation stand in their own files: placing, amending, symbols, funding; matching,
booking and liquidation say what follows from prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from tradectl.domain.instrument import Instrument
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed, Rejected
from tradectl.sim import amending, funding, placing, pool, symbols
from tradectl.sim.draft import Draft
from tradectl.sim.events import Event, TransferBooked
from tradectl.sim.matching import settle_point
from tradectl.sim.ops import (
    AdvanceBars,
    AmendOrder,
    ApplyFunding,
    CancelOrder,
    MarketBar,
    Op,
    PlaceOrder,
    SetLeverage,
    SetMarginMode,
    SetServerTime,
    SetSymbolStatus,
    Transfer,
    VenueCancel,
)
from tradectl.sim.path import LAST_PHASE, extremes, point_ms, prices_at
from tradectl.sim.state import ACCOUNTS, TRADER, TRANSFERS, ExchangeState, Settings

Reply = Confirmed | Rejected | None


class Rules(Protocol):
    """What an exchange is begun with: the part of the `sim` knobs that its books depend on."""

    @property
    def start_balance(self) -> Decimal: ...
    @property
    def maker_fee(self) -> Decimal: ...
    @property
    def taker_fee(self) -> Decimal: ...
    @property
    def slippage_bps(self) -> Decimal: ...


def genesis(rules: Rules, instruments: Mapping[str, Instrument], start_ms: int) -> ExchangeState:
    """A new exchange: one trader with the start balance, no prices yet, isolated margin, leverage 1."""
    return ExchangeState(
        market_ms=start_ms,
        server_ms=start_ms,
        next_order=1,
        next_seq=1,
        settings=Settings(rules.maker_fee, rules.taker_fee, rules.slippage_bps),
        instruments=dict(instruments),
        balances={account: rules.start_balance if account == TRADER else ZERO for account in ACCOUNTS},
        positions={},
        orders={},
        prices={},
        symbols={},
    )


def apply(state: ExchangeState, op: Op) -> tuple[ExchangeState, tuple[Event, ...], Reply]:
    """The state after one operation, what happened, and the answer to whoever asked.

    The reply is Confirmed or Rejected for orders, amendments and cancels; None, or Rejected, for everything else.
    Raises KeyError for a bar or rate of a symbol that is not listed: a fault of the feed, never an operator's.
    """
    if isinstance(op, AdvanceBars):
        return _advance(state, op)
    draft = Draft(state, op.at_ms)
    reply: Reply = None
    if isinstance(op, PlaceOrder):
        reply = placing.place(draft, op)
    elif isinstance(op, CancelOrder):
        reply = placing.cancel(draft, op)
    elif isinstance(op, AmendOrder):
        reply = amending.amend(draft, op)
    elif isinstance(op, VenueCancel):
        reply = placing.cancel_by_venue(draft, op)
    elif isinstance(op, ApplyFunding):
        funding.fund(draft, op)
    elif isinstance(op, SetLeverage):
        reply = symbols.set_leverage(draft, op)
    elif isinstance(op, SetMarginMode):
        reply = symbols.set_margin_mode(draft, op)
    elif isinstance(op, SetSymbolStatus):
        reply = symbols.set_status(draft, op)
    elif isinstance(op, Transfer):
        reply = _transfer(draft, op)
    else:
        assert isinstance(op, SetServerTime)
    if not draft.events and draft.server_ms == state.server_ms:
        return state, (), reply  # nothing moved: the very same state
    after, events = draft.finish()
    return after, events, reply


def _advance(state: ExchangeState, op: AdvanceBars) -> tuple[ExchangeState, tuple[Event, ...], Reply]:
    """Phase by phase, and in each phase symbol by symbol in sorted order."""
    draft = Draft(state, 0)
    busy = {order.fact.symbol for order in state.orders.values()}
    busy.update(state.positions)
    prices = dict(state.prices)
    draft.prices = prices  # this operation's own copy: written in place, read by matching, frozen at the end
    ordered = sorted(op.bars, key=lambda bar: bar.symbol)
    active = [bar for bar in ordered if bar.symbol in busy]
    firsts: dict[str, tuple[Decimal, Decimal]] = {}
    for phase in op.phases if active else ():  # an idle bar goes straight to its last point
        draft.server_ms = max(draft.server_ms, point_ms(op.bars[0], phase))
        for bar in active:
            last = _point(draft, bar, phase, firsts)
            before = prices.get(bar.symbol)
            prices[bar.symbol] = prices_at(bar, last)
            settle_point(draft, bar.symbol, before.last if before is not None else last)
    if op.phases and op.bars:
        phase = op.phases[-1]
        for bar in ordered:
            if bar.symbol not in busy:
                prices[bar.symbol] = prices_at(bar, _point(draft, bar, phase, firsts))
        reached = point_ms(op.bars[0], phase)
        if phase == LAST_PHASE:
            reached = op.bars[0].open_ms + op.bars[0].interval_ms
        draft.market_ms = max(draft.market_ms, reached)
        draft.server_ms = max(draft.server_ms, draft.market_ms)
    after, events = draft.finish()
    return after, events, None


def _point(draft: Draft, bar: MarketBar, phase: int, firsts: dict[str, tuple[Decimal, Decimal]]) -> Decimal:
    """The last price at one point of a bar. `firsts` keeps the extremes' order once it was decided."""
    if phase == 0:
        return bar.open
    if phase == LAST_PHASE:
        return bar.close
    if bar.symbol not in firsts:
        standing = draft.prices.get(bar.symbol)
        visited = standing.last if phase == 2 and standing is not None else None
        firsts[bar.symbol] = extremes(bar, draft.qty(bar.symbol), visited)
    return firsts[bar.symbol][phase - 1]


def _transfer(draft: Draft, op: Transfer) -> Rejected | None:
    free = pool.available(draft)
    if op.amount < 0 and -op.amount > free:
        return Rejected("insufficient_available", f"{text(-op.amount)} was asked for, {free:.2f} are free")
    draft.move(TRANSFERS, TRADER, op.amount)
    draft.emit(lambda seq, at_ms: TransferBooked(seq, at_ms, op.amount))
    return None
