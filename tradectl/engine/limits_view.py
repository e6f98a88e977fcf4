"""Each limit with its value and headroom, as `state show` prints it without a config: written by every cycle.

In a guard session only those that halt: the others are of entries, and it makes none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from tradectl.config.in_force import MODE
from tradectl.config.schema import Config
from tradectl.domain.candle import HOUR_MS, MINUTE_MS
from tradectl.domain.limited import Limited
from tradectl.domain.money import ZERO, divide
from tradectl.domain.risk_state import RiskState
from tradectl.engine.bot import Bot
from tradectl.engine.cycle_report import CycleReport
from tradectl.engine.state import Books
from tradectl.safety.breach import Level
from tradectl.safety.check import BOUNDS
from tradectl.safety.invariants import equity_drawdown, margin_utilisation
from tradectl.safety.view import values_of
from tradectl.store.limits import LimitRow

_DAY = "the next UTC day, or tradectl state reset --scope daily"
_PEAK = "recovery above it, or tradectl state reset --scope peak"
_STREAK = "its cooldown, or tradectl state reset --scope streak"
_SESSION = "a new session, or tradectl state reset --scope session"
_HALT = "tradectl killswitch clear --approver NAME --reason TEXT, where it has halted"
_MARGIN = "closing or reducing positions"


def rows(bot: Bot, report: CycleReport, books: Books, risk: RiskState) -> list[LimitRow]:
    if bot.guard:
        return list(_bounds(bot, report, risk))
    found = [
        *_money_limits(books.config, report, risk, bot.limited),
        *_counts(bot, report, books, risk),
        *_bounds(bot, report, risk),
    ]
    return [replace(row, source=books.bound[row.name]) if row.name in books.bound else row for row in found]


def _bounds(bot: Bot, report: CycleReport, risk: RiskState) -> Iterator[LimitRow]:
    """The halting bounds: what they measure now, and how far that is from a halt."""
    values, snapshot = values_of(report.snapshot, risk), report.snapshot
    equity = snapshot.equity
    for bound in BOUNDS:
        if bound.level is not Level.HALT:
            continue
        value, limit = bound.inequality.term.value(values), bound.limit(bot.config)
        if bound.invariant == margin_utilisation.ID:
            left = limit * equity - snapshot.account.initial_margin
        elif bound.invariant == equity_drawdown.ID:
            left = equity - values["peak_equity"] * (1 - limit)
        else:
            left = limit - values["positions"]
        yield LimitRow(bound.row_name, value, limit, left, bound.unit, _HALT, report.snapshot.at_ms)


def _money_limits(config: Config, report: CycleReport, risk: RiskState, limited: Limited | None) -> Iterator[LimitRow]:
    snapshot = report.snapshot
    equity, at_ms = snapshot.equity, snapshot.at_ms
    daily = config.trading.max_daily_risk
    worst = min(risk.realised_today, equity - risk.day_start_equity)
    yield LimitRow(
        "daily_loss", risk.daily_loss(equity), daily, daily * risk.day_start_equity + worst, "fraction", _DAY, at_ms
    )
    threshold = config.risk_management.crisis_mode.drawdown_threshold
    floor = risk.peak_equity * (1 - threshold)
    yield LimitRow("drawdown", risk.drawdown(equity), threshold, equity - floor, "fraction", _PEAK, at_ms)
    budget = config.risk.auction_max_margin_util
    used = snapshot.account.initial_margin
    yield LimitRow(
        "margin_utilisation", snapshot.margin_utilisation, budget, budget * equity - used, "fraction", _MARGIN, at_ms
    )
    ratio = config.perps.max_margin_ratio
    maintenance = snapshot.account.maintenance_margin
    yield LimitRow(
        "margin_ratio", snapshot.margin_ratio, ratio, ratio * equity - maintenance, "fraction", _MARGIN, at_ms
    )
    if limited is not None:
        largest = max((abs(one.qty) * one.mark_price for one in snapshot.positions), default=ZERO)
        yield LimitRow(
            "position_notional",
            divide(largest, equity) if equity > 0 else None,
            limited.max_position,
            limited.max_position * equity - largest,
            "fraction",
            _MARGIN,
            at_ms,
            MODE,
        )
    exposure = config.risk.max_exposure_pct
    yield LimitRow(
        "exposure", snapshot.exposure, exposure, exposure * equity - snapshot.notional, "fraction", _MARGIN, at_ms
    )


def _counts(bot: Bot, report: CycleReport, books: Books, risk: RiskState) -> Iterator[LimitRow]:
    config, at_ms = books.config, report.snapshot.at_ms
    yield _count("positions", len(report.snapshot.positions), config.risk.max_concurrent_positions, _MARGIN, at_ms)
    yield _streak(bot, risk, at_ms)
    entries = books.session.entries
    yield _count("session_trades", entries, config.perps.session_max_trades, _SESSION, at_ms)
    minutes = (at_ms - books.session.started_ms) // MINUTE_MS
    yield _count("session_runtime", minutes, config.perps.session_max_runtime_minutes, _SESSION, at_ms, "minutes")


def _streak(bot: Bot, risk: RiskState, at_ms: int) -> LimitRow:
    """Once the cooldown has passed, a streak at its limit has room for one more loss: headroom 1."""
    perps = bot.config.perps
    row = _count("consecutive_losses", risk.streak, perps.consecutive_loss_limit, _STREAK, at_ms)
    hours, since = perps.consecutive_loss_cooldown_hours, risk.streak_at_ms
    if row.headroom is None or row.headroom > 0 or hours is None or since is None:
        return row
    return replace(row, headroom=Decimal(1)) if since + int(hours * HOUR_MS) <= at_ms else row


def _count(
    name: str, value: int, limit: int | Decimal | None, clears: str, at_ms: int, unit: str = "count"
) -> LimitRow:
    bound = Decimal(limit) if limit is not None else None
    return LimitRow(name, Decimal(value), bound, bound - value if bound is not None else None, unit, clears, at_ms)
