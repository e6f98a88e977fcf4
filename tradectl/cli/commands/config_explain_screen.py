"""What `config explain` prints: the knob, what limits it now, and the rules that read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tradectl.cli.render import Screen
from tradectl.operations.config_explain import Explained
from tradectl.operations.config_limits import whose
from tradectl.validation.binding import Binding
from tradectl.validation.rule import Severity

_TONE = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.NOTE: "dim"}


def plain(knob: Explained) -> dict[str, Any]:
    """For JSON: the knob as before, then its limits, the way to them, and the rules with all they say."""
    names = (
        "key", "also", "meaning", "value", "text", "default", "unit", "bounds", "choices", "step", "available",
        "unavailable_values", "set_at", "looser",
    )  # fmt: skip
    found = knob.limits
    return {name: getattr(knob, name) for name in names} | {
        "mode": found.mode,
        "in_force": found.in_force,
        "limited_by": whose(found, knob.standing),
        "store": knob.standing.store,
        "store_unread": knob.standing.unread,
        "other_config_runs": knob.standing.other_config,
        "caps": found.caps,
        "turns": found.turns,
        "rules": [
            {"rule": one.rule.id, "title": one.rule.title, "findings": one.findings} for one in knob.limits.rules
        ],
    }


def draw(screen: Screen, knob: Explained, *, verbose: bool) -> None:
    screen.title(knob.key)
    screen.text(knob.meaning)
    screen.facts(list(_facts(knob)))
    if knob.standing.other_config:
        screen.text(
            "the session that lasts was started with another configuration: the bot goes by that one until it is "
            "started anew",
            "warn",
        )
    screen.blank()
    screen.title(f"What limits it now (mode {knob.limits.mode})")
    said = list(_limits(knob))
    for line in said or ["nothing but its own bounds"]:
        screen.text(f"  {line}")
    screen.blank()
    screen.title("Rules that read it")
    if not knob.limits.rules:
        screen.text("  none: no threshold depends on it")
    for one in knob.limits.rules:
        _rule(screen, one, verbose=verbose)


def _facts(knob: Explained) -> Iterator[tuple[str, str]]:
    yield "value", knob.text
    yield "set by", "; ".join(knob.set_at)
    yield "default", knob.default
    yield "unit", knob.unit
    optional = (("bounds", knob.bounds), ("choices", ", ".join(knob.choices)), ("also written", knob.also))
    yield from ((name, text) for name, text in optional if text)
    yield "at stake", knob.looser
    yield "read by", knob.step
    yield "available", "yes" if knob.available else "not yet: only the default runs"
    if knob.unavailable_values:
        yield "not yet", ", ".join(knob.unavailable_values)


def _limits(knob: Explained) -> Iterator[str]:
    found = knob.limits
    if found.in_force:
        by = whose(found, knob.standing)
        yield f"in force: {found.in_force}, by {by}" if by else f"in force: {found.in_force}, as it is written"
    if knob.standing.unread:
        yield f"a policy that an operator set is not known here: {knob.standing.unread}"
    yield from found.caps
    yield from knob.room


def _rule(screen: Screen, one: Binding, *, verbose: bool) -> None:
    loud = [finding for finding in one.findings if finding.severity is not Severity.NOTE]
    notes = [finding for finding in one.findings if finding.severity is Severity.NOTE]
    if not loud:
        screen.text(f"  {one.rule.id} holds: {one.rule.title}", "good")
    for finding in [*loud, *notes]:
        screen.text(f"  {one.rule.id} {finding.severity.value}: {finding.says}", _TONE[finding.severity])
        if verbose and finding.arithmetic:
            screen.text(f"      {finding.arithmetic}")
        if finding.change and finding.severity is not Severity.NOTE:
            screen.text(f"      do: {finding.change}")
