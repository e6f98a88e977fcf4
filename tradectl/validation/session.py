"""Sessions and cooldowns beside the length of a candle: what is shorter than one never shows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradectl.domain.candle import INTERVALS_MS, MINUTE_MS
from tradectl.domain.money import text
from tradectl.risk.gates.history import MIN_CANDLES
from tradectl.validation.facts import Facts
from tradectl.validation.rule import Finding, error, note, unchecked, warning

INTERVAL, CYCLE = "perps.interval", "engine.cycle_seconds"
TRADES, RUNTIME = "perps.session_max_trades", "perps.session_max_runtime_minutes"
AGE, PARTIAL = "safety.max_data_age_seconds", "risk.partial_close_cooldown_seconds"


def _minutes(facts: Facts) -> Decimal:
    return Decimal(INTERVALS_MS[facts.config.perps.interval]) / MINUTE_MS


def tc18(facts: Facts) -> Iterator[Finding]:
    perps, minutes = facts.config.perps, _minutes(facts)
    known = facts.venue.intervals
    if known is None:
        yield unchecked("the venue's candle intervals are not known here", INTERVAL, "venue.name")
    elif perps.interval not in known:
        yield error(
            f"{facts.venue.name} has no candles of {perps.interval}",
            f"it has {', '.join(sorted(known, key=lambda name: INTERVALS_MS[name]))}",
            INTERVAL,
            "venue.name",
            change="perps.interval: one of these",
        )
    runtime, trades = perps.session_max_runtime_minutes, perps.session_max_trades
    if runtime is None:
        return
    sums = f"{text(runtime)} min of candles of {perps.interval}: {int(runtime / minutes)} of them close"
    if runtime < minutes:
        yield error(
            "the session is over before one candle closes: nothing is ever decided",
            sums,
            RUNTIME,
            INTERVAL,
            change=f"perps.sessionMaxRuntimeMinutes: {text(minutes)} at least, or a shorter interval",
        )
    elif trades is not None and trades > int(runtime / minutes) * len(facts.symbols):
        yield warning(
            "the session cannot make as many trades as it may",
            f"{sums}, {len(facts.symbols)} symbols: {int(runtime / minutes) * len(facts.symbols)} decisions, "
            f"{trades} trades",
            TRADES,
            RUNTIME,
            INTERVAL,
            change=f"perps.sessionMaxTrades at most {int(runtime / minutes) * len(facts.symbols)}",
        )
    elif runtime < minutes * MIN_CANDLES:
        yield note(
            f"the session is shorter than the {MIN_CANDLES} candles that a decision needs: they come from the past",
            sums,
            RUNTIME,
            INTERVAL,
        )


def tc23(facts: Facts) -> Iterator[Finding]:
    config, seconds = facts.config, _minutes(facts) * 60
    cycle, age = config.engine.cycle_seconds, config.safety.max_data_age_seconds
    if cycle > seconds:
        yield error(
            "a cycle is longer than a candle: candles are missed",
            f"{text(cycle)} s ≤ {text(seconds)} s ({config.perps.interval}) does not hold",
            CYCLE,
            INTERVAL,
            change=f"engine.cycle_seconds at most {text(seconds)}",
        )
    if cycle > age:
        yield warning(
            "a candle is too old for an entry before the next cycle sees it",
            f"{text(cycle)} s ≤ {age} s does not hold",
            CYCLE,
            AGE,
            change=f"engine.cycle_seconds at most {age}, or a larger safety.max_data_age_seconds",
        )
    streak = config.perps.consecutive_loss_cooldown_hours
    for wait, knob, name in (
        (config.risk.signal_cooldown_hours * 3600, "risk.signal_cooldown_hours", "after a signal"),
        ((streak or Decimal(0)) * 3600, "perps.consecutive_loss_cooldown_hours", "after a streak of losses"),
    ):
        if 0 < wait < seconds:
            yield warning(
                f"the cooldown {name} is over before the next candle: it does nothing",
                f"{text(wait)} s ≥ {text(seconds)} s ({config.perps.interval}) does not hold",
                knob,
                INTERVAL,
                change=f"{knob}: {text((seconds / 3600).quantize(Decimal('0.0001')))} or more, or 0",
            )
    partial = config.risk.partial_close_cooldown_seconds
    if 0 < partial < cycle:
        yield warning(
            "the cooldown after a partial close is over before the next cycle: it does nothing",
            f"{partial} s ≥ {text(cycle)} s does not hold",
            PARTIAL,
            CYCLE,
            change=f"risk.partial_close_cooldown_seconds: {text(cycle)} or more, or 0",
        )
