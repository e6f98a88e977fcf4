"""Targets: worth more than they cost, and more than the stop gives up."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradectl.domain.money import ONE, ZERO, percent, text
from tradectl.validation.book import STOP, round_trip
from tradectl.validation.facts import Facts, ratio
from tradectl.validation.rule import Finding, error, unchecked, warning

TARGET, TARGETS = "perps.take_profit_pct", "exits.targets"
FEES = ("sim.taker_fee", "sim.slippage_bps")


def tc09(facts: Facts) -> Iterator[Finding]:
    stop, costs = facts.limits.perps.stop_loss_pct, round_trip(facts)
    nearest, average, knob = _targets(facts)
    if costs is None:
        yield unchecked("the venue's fees are not known here", knob)
    elif nearest <= costs:
        knobs = (knob, *(FEES if facts.venue.name == "sim" else ()))
        yield error(
            "the target does not pay for its own fees",
            f"{percent(nearest)} > {percent(costs)} (fees and slippage of entry and exit) does not hold",
            *knobs,
            change=f"{knob} well above {text(costs)}",
        )
    if average < stop:
        yield warning(
            "a win pays less than a loss costs",
            f"{percent(average)} / {percent(stop)}: risk/reward 1 to {ratio(average, stop):.2f}, below 1",
            knob,
            STOP,
            change=f"a target of {text(stop)} at least, or a nearer stop",
        )


def _targets(facts: Facts) -> tuple[Decimal, Decimal, str]:
    """(the nearest target, what they pay on average, the knob that says so); distances from the entry."""
    perps, targets = facts.limits.perps, facts.config.exits.targets
    if not targets:
        return perps.take_profit_pct, perps.take_profit_pct, TARGET
    closed = sum((one.fraction for one in targets), ZERO)
    paid = sum((one.distance_r * one.fraction for one in targets), ZERO)
    # What no target closes runs on; it is reckoned at the farthest.
    paid += max(ONE - closed, ZERO) * targets[-1].distance_r
    return targets[0].distance_r * perps.stop_loss_pct, paid * perps.stop_loss_pct, TARGETS
