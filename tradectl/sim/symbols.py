"""What can be set per symbol: leverage and margin mode by the trader, the status by the venue.

Leverage and margin mode change only while the symbol is flat and without orders. A symbol that becomes reduce-only
loses its orders that could open; one that is halted keeps all, and they meet the market again when it trades again.
"""

from __future__ import annotations

from dataclasses import replace

from tradectl.domain.money import text
from tradectl.domain.order import OrderStatus, Rejected
from tradectl.sim.checks import halt_fault
from tradectl.sim.draft import Draft
from tradectl.sim.events import SettingsChanged, SymbolStatusChanged
from tradectl.sim.ops import SetLeverage, SetMarginMode, SetSymbolStatus
from tradectl.sim.state import CROSS, ISOLATED, REDUCE_ONLY, STATUSES, SymbolSettings


def set_leverage(draft: Draft, op: SetLeverage) -> Rejected | None:
    instrument = draft.instruments.get(op.symbol)
    if instrument is None:
        return _unknown(op.symbol)
    now = draft.settings_of(op.symbol)
    if now.leverage == op.leverage:
        return None
    most = instrument.tiers[0].max_leverage
    if not 1 <= op.leverage <= most:
        return Rejected(
            "leverage_too_high" if op.leverage > most else "invalid_leverage",
            f"leverage of {op.symbol} is 1 to {text(most)}, {text(op.leverage)} was asked for",
        )
    fault = halt_fault(draft, op.symbol) or _held(draft, op.symbol, "leverage")
    if fault is None:
        _change(draft, op.symbol, replace(now, leverage=op.leverage))
    return fault


def set_margin_mode(draft: Draft, op: SetMarginMode) -> Rejected | None:
    if op.symbol not in draft.instruments:
        return _unknown(op.symbol)
    if op.mode not in (ISOLATED, CROSS):
        return Rejected("invalid_margin_mode", f"the margin mode is isolated or cross, {op.mode!r} was asked for")
    now = draft.settings_of(op.symbol)
    if now.margin_mode == op.mode:
        return None
    fault = halt_fault(draft, op.symbol) or _held(draft, op.symbol, "margin mode")
    if fault is None:
        _change(draft, op.symbol, replace(now, margin_mode=op.mode))
    return fault


def set_status(draft: Draft, op: SetSymbolStatus) -> Rejected | None:
    if op.symbol not in draft.instruments:
        return _unknown(op.symbol)
    if op.status not in STATUSES:
        return Rejected("invalid_status", f"a status is {', '.join(STATUSES)}; {op.status!r} was asked for")
    now = draft.settings_of(op.symbol)
    if now.status == op.status:
        return None
    draft.symbols = {**draft.symbols, op.symbol: replace(now, status=op.status)}
    draft.emit(lambda seq, at_ms: SymbolStatusChanged(seq, at_ms, op.symbol, op.status))
    if op.status == REDUCE_ONLY:
        for order in draft.orders_of(op.symbol):
            if order.fact.can_add_exposure:
                draft.end(order, OrderStatus.CANCELED, "reduce_only_symbol")
    return None


def _unknown(symbol: str) -> Rejected:
    return Rejected("unknown_symbol", f"{symbol} is not listed here")


def _held(draft: Draft, symbol: str, what: str) -> Rejected | None:
    if symbol in draft.positions:
        return Rejected("position_open", f"the {what} of {symbol} cannot change while a position is open")
    if draft.orders_of(symbol):
        return Rejected("orders_open", f"the {what} of {symbol} cannot change while orders are open")
    return None


def _change(draft: Draft, symbol: str, settings: SymbolSettings) -> None:
    draft.symbols = {**draft.symbols, symbol: settings}
    draft.emit(lambda seq, at_ms: SettingsChanged(seq, at_ms, symbol, settings.leverage, settings.margin_mode))
