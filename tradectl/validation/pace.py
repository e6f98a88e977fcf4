"""Time: how many requests a cycle makes, what the pace lets through, and what has to happen meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.money import percent, text
from tradectl.validation.facts import Facts, ratio
from tradectl.validation.rule import Finding, error, note, unchecked, warning

SECOND, MINUTE = "perps.max_requests_per_second", "perps.max_requests_per_minute"
CYCLE, BETWEEN = "engine.cycle_seconds", "engine.protection_seconds"
SYMBOLS, BUCKET = "market.candidate_symbols", "venue.rate.per_minute"
GRACE = "safety.protection.grace_seconds"
READS_PER_SYMBOL = 2  # candles and ticker
RECONCILED_PER_SYMBOL = 1  # the orders of the symbol that have ended


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of one cycle, of one with reconciliation, and of a minute with the passes between."""

    cycle: int
    reconciling: int
    minute: Decimal
    seconds_each: Decimal  # at the pace, where every request waits its turn

    @property
    def longest(self) -> Decimal:
        return self.reconciling * self.seconds_each


def load_of(facts: Facts) -> Load:
    config, count, reads = facts.config, len(facts.symbols), facts.venue.account_reads
    cycle = reads + READS_PER_SYMBOL * count
    reconciling = cycle + reads + RECONCILED_PER_SYMBOL * count
    per_second = Decimal(config.perps.max_requests_per_second)
    per_minute = Decimal(config.perps.max_requests_per_minute)
    every, between = config.engine.cycle_seconds, config.engine.protection_seconds
    passes = max(ratio(Decimal(60), between) - ratio(Decimal(60), every), Decimal(0))
    reconciled = ratio(Decimal(60), Decimal(config.engine.reconcile_seconds)) * (reconciling - cycle)
    minute = ratio(Decimal(60), every) * cycle + passes * reads + reconciled
    return Load(cycle, reconciling, minute, max(ratio(Decimal(1), per_second), ratio(Decimal(60), per_minute)))


def tc13(facts: Facts) -> Iterator[Finding]:
    perps, load, venue = facts.config.perps, load_of(facts), facts.venue
    second, minute, bucket = perps.max_requests_per_second, perps.max_requests_per_minute, facts.config.venue.rate
    if minute > second * 60:
        yield warning(
            "the limit per minute can never bind",
            f"{second} per second × 60 = {second * 60} < {minute} per minute",
            SECOND,
            MINUTE,
            change=f"perps.maxRequestsPerMinute at most {second * 60}",
        )
    for ours, theirs, unit, knob in (
        (second, venue.requests_per_second, "second", SECOND),
        (minute, venue.requests_per_minute, "minute", MINUTE),
        (bucket.per_minute if BUCKET in facts.written else 0, venue.requests_per_minute, "minute", BUCKET),
    ):
        if theirs is not None and ours > theirs:
            yield error(
                f"more requests than {venue.name} takes: it answers with a ban",
                f"{ours} ≤ {theirs} per {unit} does not hold",
                knob,
                "venue.name",
                change=f"{knob} at most {theirs}",
            )
    if venue.requests_per_minute is None and venue.name != "sim":
        yield unchecked("the venue's request limits are not known here", SECOND, MINUTE)
    need = load.minute
    if need > min(minute, second * 60):
        yield warning(
            "the pace is too slow for this many symbols: cycles wait, and are late",
            f"{len(facts.symbols)} symbols: {load.cycle} requests per cycle of "
            f"{text(facts.config.engine.cycle_seconds)} s, "
            f"the passes between and reconciliation make {need:.0f} a minute; {min(minute, second * 60)} may leave",
            MINUTE,
            SECOND,
            CYCLE,
            BETWEEN,
            SYMBOLS,
            change=f"perps.maxRequestsPerMinute: {int(need) + 1} or more, a longer engine.cycle_seconds, or "
            "fewer symbols",
        )


def tc14(facts: Facts) -> Iterator[Finding]:
    load, grace, every = load_of(facts), facts.config.safety.protection.grace_seconds, facts.config.engine.cycle_seconds
    longest = every + load.longest
    if grace < longest:
        yield error(
            "the grace of protection ends before one cycle with reconciliation has: an emergency begins that is none",
            f"{text(every)} s between cycles + {load.reconciling} requests × {load.seconds_each:.2f} s = "
            f"{longest:.0f} s; {grace} s ≥ {longest:.0f} s does not hold",
            GRACE,
            CYCLE,
            MINUTE,
            SECOND,
            SYMBOLS,
            change=f"safety.protection.grace_seconds: {int(longest) + 1}, or a faster pace, or fewer symbols",
        )


def tc15(facts: Facts) -> Iterator[Finding]:
    rules, safety = facts.config.safety.auto_recovery, facts.config.safety
    below, after = "safety.auto_recovery.below_margin_utilization_pct", "safety.auto_recovery.after_seconds"
    halt, degraded = safety.max_margin_utilization_pct, safety.degraded_margin_utilization_pct
    if not rules.reasons or not rules.max_per_day:
        yield note("no halt clears itself", "auto-recovery has no reason, or no recovery a day", below)
        return
    level = rules.below_margin_utilization_pct
    halting = "safety.max_margin_utilization_pct"
    if level >= halt:
        yield error(
            "a halt would clear itself where it trips again at once",
            f"{percent(level)} < {percent(halt)} does not hold",
            below,
            halting,
            change=f"safety.auto_recovery.below_margin_utilization_pct at most {text(degraded)}",
        )
    elif level > degraded:
        yield warning(
            "a halt clears itself while margin is still degraded: there is no hysteresis",
            f"{percent(level)} ≤ {percent(degraded)} (degraded) does not hold; the halt is at {percent(halt)}",
            below,
            "safety.degraded_margin_utilization_pct",
            halting,
            change=f"safety.auto_recovery.below_margin_utilization_pct at most {text(degraded)}",
        )
    longest = facts.config.engine.cycle_seconds + load_of(facts).longest
    if rules.after_seconds < longest:
        yield warning(
            "a halt may clear itself before one cycle has looked at it",
            f"{rules.after_seconds} s ≥ {longest:.0f} s (one cycle with reconciliation) does not hold",
            after,
            CYCLE,
            MINUTE,
            change=f"safety.auto_recovery.after_seconds: {int(longest) + 1} or more; 300 by default",
        )
