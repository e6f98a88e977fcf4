"""Each stored limit as a sentence: how much room is left, in money where it is money, and what clears it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.money import amount, percent, text
from tradectl.domain.risk_state import RiskState
from tradectl.operations.times import span, when
from tradectl.store.limits import LimitRow
from tradectl.store.session import Session


class LimitLine(NamedTuple):
    """`value` and `limit` are in `unit`; the headroom of a fraction is money. `breached`: it refuses entries now."""

    name: str
    value: Decimal | None
    limit: Decimal | None
    headroom: Decimal | None
    unit: str
    breached: bool
    sentence: str
    clears: str
    at_ms: int
    source: str = ""  # whose limit it is, where it is not the configuration's own


class _Rule(NamedTuple):
    room: str  # '{}' is the headroom with its unit
    before: str  # what it runs into
    at_limit: bool = True  # refuses at the limit; False: only beyond it


_RULES = {
    "daily_loss": _Rule("{} more may be lost today", "SAFETY_DAILY_LOSS", at_limit=False),
    "drawdown": _Rule("{} more may be lost from the peak", "SAFETY_DRAWDOWN"),
    "margin_utilisation": _Rule("{} of margin may still be used", "the margin budget", at_limit=False),
    "margin_ratio": _Rule("{} of maintenance margin", "SAFETY_MARGIN_BLOCK", at_limit=False),
    "exposure": _Rule("{} of notional may still be opened", "the exposure cap", at_limit=False),
    "positions": _Rule("{} more may be opened", "the position count"),
    "consecutive_losses": _Rule("{} more in a row", "SAFETY_CIRCUIT_BREAKER"),
    "session_trades": _Rule("{} more entries in this session", "SAFETY_SESSION_TRADES"),
    "session_runtime": _Rule("{} left", "SAFETY_SESSION_RUNTIME"),
    "margin_utilisation_halt": _Rule("{} more of margin", "a halt (MARGIN_CRITICAL)"),
    "equity_drawdown_halt": _Rule("{} more may be lost from the peak", "a halt (DRAWDOWN_CRITICAL)"),
    "position_count_halt": _Rule("{} more", "a halt (TOO_MANY_POSITIONS)", at_limit=False),
}
_AN_INSTANT_MS = 10**11  # three years: a longer span of time is an instant
_MOST_DECIMALS = 8
_ANY = _Rule("{} left", "it refuses entries")


def line(row: LimitRow, currency: str) -> LimitLine:
    breached = is_breached(row)
    return LimitLine(
        name=row.name,
        value=row.value,
        limit=row.limit,
        headroom=row.headroom,
        unit=row.unit,
        breached=breached,
        sentence=_sentence(row, currency, breached),
        clears=row.clears,
        at_ms=row.at_ms,
        source=row.source,
    )


def is_breached(row: LimitRow) -> bool:
    """Whether this limit refuses entries as it stands; a value that cannot be read does, a limit not set never does.

    Headroom above zero says that it does not, whatever the value: a streak whose cooldown has passed has room for one
    more loss.
    """
    if row.limit is None:
        return False
    if row.value is None or row.headroom is None:
        return True
    if row.headroom > 0:
        return False
    return row.value > row.limit or (row.value == row.limit and _RULES.get(row.name, _ANY).at_limit)


def figure(value: Decimal | None, unit: str) -> str:
    """A value or limit for a table: '0.40%', '3', '12 min', '1 min 5 s', '21:15:00Z'; '-' without one."""
    if value is None:
        return "-"
    if unit == "fraction":
        return percent(value)
    if unit == "minutes":
        return f"{value:.0f} min"
    if unit == "quote":
        return f"{value:.2f}"
    if unit == "ms":
        return when(int(value))[11:] if abs(value) > _AN_INSTANT_MS else _span(int(value))
    return text(round(value, _MOST_DECIMALS))


def _span(length_ms: int) -> str:
    if abs(length_ms) < 1000:
        return f"{length_ms} ms"
    return f"-{span(-length_ms)}" if length_ms < 0 else span(length_ms)


def _sentence(row: LimitRow, currency: str, breached: bool) -> str:
    rule = _RULES.get(row.name, _ANY)
    if row.limit is None:
        return "no limit is set"
    if row.value is None or row.headroom is None:
        return "it cannot be read, which refuses entries"
    room = _with_unit(abs(row.headroom), row.unit, currency)
    if not breached:
        return f"{rule.room.format(room)} before {rule.before}"
    beyond = f", {room} beyond it" if row.headroom < 0 else ""
    return f"at its limit{beyond}: entries are refused ({rule.before})"


def _with_unit(value: Decimal, unit: str, currency: str) -> str:
    if unit in ("fraction", "quote"):
        return amount(value, currency)
    return f"{value:.0f} min" if unit == "minutes" else text(value)


def refreshed(rows: list[LimitRow], risk: RiskState | None, session: Session | None, venue_ms: int) -> list[LimitRow]:
    """The rows after an operator changed the counters they come from; the bot writes them anew in its next cycle."""
    return [_refreshed(row, risk, session, venue_ms) for row in rows]


def _refreshed(row: LimitRow, risk: RiskState | None, session: Session | None, venue_ms: int) -> LimitRow:
    if risk is not None and row.limit is not None:
        equity = risk.last_equity
        if row.name == "daily_loss":
            worst = min(risk.realised_today, equity - risk.day_start_equity)
            headroom = row.limit * risk.day_start_equity + worst
            return replace(row, value=risk.daily_loss(equity), headroom=headroom)
        if row.name == "drawdown":
            headroom = equity - risk.peak_equity * (1 - row.limit)
            return replace(row, value=risk.drawdown(equity), headroom=headroom)
    if risk is not None and row.name == "consecutive_losses":
        return _counted(row, Decimal(risk.streak))
    if session is not None and row.name == "session_trades":
        return _counted(row, Decimal(session.entries))
    if session is not None and row.name == "session_runtime":
        return _counted(row, Decimal(max(venue_ms - session.started_ms, 0) // MINUTE_MS))
    return row


def _counted(row: LimitRow, value: Decimal) -> LimitRow:
    return replace(row, value=value, headroom=row.limit - value if row.limit is not None else None)
