"""What `config explain` prints: the knob, what limits it now, and the rules that read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tradectl.cli.render import Cell, Screen
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
    screen.facts(list(_limits(knob)) or [("  none", "but its own bounds")])
    screen.blank()
    screen.title("Rules that read it")
    rows = [row for one in knob.limits.rules for row in _rule(one, verbose=verbose)]
    screen.facts(rows or [("  none", "no threshold depends on it")])


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


def _limits(knob: Explained) -> Iterator[tuple[str, str]]:
    found = knob.limits
    if found.in_force:
        by = whose(found, knob.standing)
        yield "  in force", f"{found.in_force}, by {by}" if by else f"{found.in_force}, as it is written"
    if knob.standing.unread:
        yield "  policy", f"what an operator has set is not known here: {knob.standing.unread}"
    yield from ((f"  {name}", said) for name, said in (*found.caps, *knob.room))


def _rule(one: Binding, *, verbose: bool) -> Iterator[tuple[str, str | Cell]]:
    name = f"  {one.rule.id}"
    if all(finding.severity is Severity.NOTE for finding in one.findings):
        yield name, Cell(f"holds: {one.rule.title}", "good")
    for finding in sorted(one.findings, key=lambda each: each.severity.rank):
        yield name, Cell(f"{finding.severity.value}: {finding.says}", _TONE[finding.severity])
        if verbose and finding.arithmetic:
            yield "", finding.arithmetic
        if finding.change and finding.severity is not Severity.NOTE:
            yield "", f"do: {finding.change}"
