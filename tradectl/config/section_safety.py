"""The knobs of what halts trading and what lets it start again: safety, ess, policy, live_limited."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Literal

from tradectl.config.knob import Section, group, knob

D = Decimal

_invariant = partial(knob, step="safety invariants")
_protection = partial(knob, step="execution: protect")
_recovery = partial(knob, step="safety: auto-recovery")
_ess = partial(knob, step="emergency stop")
_limited = partial(knob, step="door of live_limited")


class Protection(Section):
    grace_seconds: int = _protection(
        90, "seconds", "delays only the emergency after start-up, never the placing of a stop", low=0, high=3600
    )
    strikes: int = _protection(
        2, "count", "passes in a row a stop must be missing before the emergency", low=1, high=100
    )
    on_unprotectable: Literal["close", "halt"] = _protection(
        "close", "choice", "our own position that cannot be given a stop: close it, or halt"
    )
    unexplained: Literal["protect", "report"] = knob(
        "protect",
        "choice",
        "positions that nothing of ours explains: place a stop measured from the mark, or only report "
        "(run --guard: report, unless it is set)",
        step="execution: protect, reconcile",
    )


class AutoRecovery(Section):
    reasons: tuple[str, ...] = _recovery(
        ("MARGIN_CRITICAL",), "list", "halts that may clear themselves; everything else waits for a person"
    )
    after_seconds: int = _recovery(300, "seconds", "how long the halt must have stood", low=1, high=604800)
    below_margin_utilization_pct: Decimal = _recovery(
        D("0.85"), "fraction", "utilisation must be below it", above=0, high=1
    )
    max_per_day: int = _recovery(2, "count", "recoveries within 24 hours", low=0, high=100)


class Safety(Section):
    max_margin_utilization_pct: Decimal = _invariant(
        D("0.92"), "fraction", "margin utilisation that halts (MARGIN_CRITICAL)", above=0, high=1
    )
    degraded_margin_utilization_pct: Decimal = _invariant(
        D("0.85"), "fraction", "margin utilisation that ends entries", above=0, high=1
    )
    max_single_position_pct_equity: Decimal = _invariant(
        D("0.25"), "fraction", "margin of one position that is a finding", above=0, high=1
    )
    max_equity_drawdown_pct: Decimal = _invariant(D("0.15"), "fraction", "drawdown that halts", above=0, high=1)
    degraded_equity_drawdown_pct: Decimal = _invariant(
        D("0.10"), "fraction", "drawdown that ends entries", above=0, high=1
    )
    max_concurrent_positions: int = _invariant(10, "count", "more positions than this halt", low=1, high=1000)
    max_equity_jump_pct: Decimal = _invariant(
        D("0.10"), "fraction", "unexplained move of equity that sets a latch", above=0, high=1
    )
    max_data_age_seconds: int = knob(
        60,
        "seconds",
        "no entries on candles, tickers or snapshots older than this",
        step="gate fresh",
        low=1,
        high=86400,
    )
    protection: Protection = group(Protection)
    auto_recovery: AutoRecovery = group(AutoRecovery)


class Ess(Section):
    enabled: bool = _ess(True, "switch", "whether the emergency stop is armed")
    max_daily_drawdown_pct: Decimal = _ess(
        D("0.05"), "fraction", "total loss of the day that trips it", above=0, high=1
    )
    max_open_loss_pct: Decimal = _ess(D("0.10"), "fraction", "open loss, of equity, that trips it", above=0, high=1)
    max_execution_errors: int = _ess(5, "count", "errors in a row that trip it", low=1, high=1000)
    cooldown_minutes: int = _ess(
        15, "minutes", "how long it cools down before an operator may re-arm it", low=0, high=10080
    )
    allow_manual_reset: bool = _ess(True, "switch", "whether an operator may re-arm it without a config change")


class Policy(Section):
    profile: Literal["NORMAL", "DEFENSIVE", "AGGRESSIVE"] = knob(
        "NORMAL",
        "choice",
        "named set of limits; the strictest of profile, config and mode holds",
        step="policy",
    )
    refresh_seconds: int = knob(
        600, "seconds", "how often the profile in force is looked up", step="policy", low=1, high=86400
    )


class LiveLimited(Section):
    max_position_pct: Decimal = _limited(D("0.05"), "fraction", "notional of one position, of equity", above=0, high=1)
    max_daily_loss_pct: Decimal = _limited(D("0.02"), "fraction", "loss of a day, of its first equity", above=0, high=1)
    max_positions: int = _limited(3, "count", "positions at one time", low=1, high=1000)
