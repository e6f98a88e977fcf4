"""All rules over one configuration, every fault at once: located, accepted where the operator says so, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tradectl.config.listing import entries
from tradectl.config.load import Resolved
from tradectl.config.nearest import key_of
from tradectl.config.secrets import redact
from tradectl.validation.facts import Facts, Market, facts_of
from tradectl.validation.rule import Finding, Rule, Severity
from tradectl.validation.rules import RULES


@dataclass(frozen=True, slots=True)
class Knob:
    """A knob in the arithmetic: its key as documented, its value, and file:line:column or 'default'."""

    key: str
    value: str
    place: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One finding as an operator reads it. `accepted`: the reason that the configuration gives; then it counts not."""

    rule: str
    title: str
    severity: str
    says: str
    arithmetic: str
    knobs: tuple[Knob, ...]
    change: str
    accepted: str = ""
    accepted_at: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    mode: str
    findings: tuple[Judged, ...]

    @property
    def errors(self) -> int:
        return self._count(Severity.ERROR)

    @property
    def warnings(self) -> int:
        return self._count(Severity.WARNING)

    @property
    def accepted(self) -> int:
        return sum(1 for one in self.findings if one.accepted)

    def _count(self, severity: Severity) -> int:
        return sum(1 for one in self.findings if one.severity == severity and not one.accepted)


def judge(resolved: Resolved, mode: str | None, market: Market, rules: Mapping[str, Rule] = RULES) -> Verdict:
    """mode None: the one that the configuration is evidently written for."""
    facts = facts_of(resolved.config, mode, market, frozenset(resolved.provenance))
    found = [_judged(resolved, rule, finding) for rule, finding in findings(facts, rules)]
    found += _pointless(resolved, {one.rule for one in found if one.accepted})
    order = [severity.value for severity in Severity]
    found.sort(key=lambda one: (bool(one.accepted), order.index(one.severity), one.rule))
    return Verdict(facts.mode, tuple(found))


def findings(facts: Facts, rules: Mapping[str, Rule] = RULES) -> Iterator[tuple[Rule, Finding]]:
    for rule in rules.values():
        for finding in rule.check(facts):
            yield rule, finding


def _judged(resolved: Resolved, rule: Rule, finding: Finding) -> Judged:
    # A note is nothing to accept.
    reason = resolved.config.accept.get(rule.id, "") if finding.severity is not Severity.NOTE else ""
    return Judged(
        rule=rule.id,
        title=rule.title,
        severity=finding.severity.value,
        says=finding.says,
        arithmetic=finding.arithmetic,
        knobs=tuple(_knob(resolved, path) for path in finding.knobs),
        change=finding.change,
        accepted=redact(reason),
        accepted_at=str(resolved.origin(("accept", rule.id))) if reason else "",
    )


def _pointless(resolved: Resolved, used: set[str]) -> list[Judged]:
    """What is accepted and was not found: said, for the next fault of that rule would be accepted unseen."""
    return [
        Judged(
            rule=name,
            title=RULES[name].title,
            severity=Severity.NOTE.value,
            says=f"accept.{name} accepts nothing: the rule has no fault here",
            arithmetic="",
            knobs=(Knob(f"accept.{name}", redact(reason), str(resolved.origin(("accept", name)))),),
            change="remove the line",
        )
        for name, reason in sorted(resolved.config.accept.items())
        if name not in used
    ]


def _knob(resolved: Resolved, dotted: str) -> Knob:
    path = tuple(dotted.split("."))
    value = next(redact(each.text) for each in entries(resolved.config) if each.path == path)
    return Knob(key_of(path), value, str(resolved.origin(path)))
