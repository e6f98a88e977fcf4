"""Which rules read a knob: found out by letting each rule read a configuration that notes what is read of it.

So nothing is declared twice: a rule that begins to read a knob binds it from then on. A rule that ends early, because a
limit is not set, does not bind the knobs that it would have come to.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from tradectl.config.in_force import KNOB_OF
from tradectl.config.knob import Section
from tradectl.config.schema import Config
from tradectl.validation.facts import Facts, Market
from tradectl.validation.rule import Finding, Rule
from tradectl.validation.rules import RULES
from tradectl.validation.venue_facts import VenueFacts

PROFILE = "policy.profile"
# What a rule reads of the market is a knob's where the venue is the simulated exchange.
_OF_SIM: Mapping[str, tuple[str, ...]] = {
    "taker_fee": ("sim.taker_fee",),
    "slippage": ("sim.slippage_bps",),
    "funding": ("sim.funding_rate",),
    "equity": ("sim.start_balance",),
    "instruments": ("sim.instruments",),
    "prices": ("sim.instruments", "sim.seed"),
    "unlisted": ("sim.instruments",),
}


@dataclass(frozen=True, slots=True)
class Binding:
    """A rule that reads the knob, and what it has to say now; no findings: it holds."""

    rule: Rule
    findings: tuple[Finding, ...]


class _Noted:
    """A section, or another bag of values, that notes the dotted path of every value that is read."""

    def __init__(self, inner: Any, path: str, seen: set[str], also: Mapping[str, tuple[str, ...]]) -> None:
        self._inner, self._path, self._seen, self._also = inner, path, seen, also

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if isinstance(found, types.MethodType):
            return types.MethodType(found.__func__, self)  # what the method reads is read as well
        path = f"{self._path}.{name}" if self._path else name
        if isinstance(found, Section):
            return _Noted(found, path, self._seen, self._also)
        self._seen.update(self._also.get(path, ()) if path in self._also else (path,))
        return found


def readers(facts: Facts, rules: Mapping[str, Rule] = RULES) -> dict[str, frozenset[str]]:
    """{rule: dotted paths of every knob that it reads of this configuration in this mode}."""
    found = {}
    for rule in rules.values():
        seen: set[str] = set()
        for finding in rule.check(_noting(facts, seen)):
            seen.update(finding.knobs)
        found[rule.id] = frozenset(seen)
    return found


def bindings(facts: Facts, knob: str, rules: Mapping[str, Rule] = RULES) -> Iterator[Binding]:
    """The rules that read the knob of this dotted path, each with what it says with this knob in its arithmetic."""
    for name, read in readers(facts, rules).items():
        if knob in read:
            said = tuple(one for one in rules[name].check(facts) if knob in one.knobs)
            yield Binding(rules[name], said)


def _noting(facts: Facts, seen: set[str]) -> Facts:
    stricter = {knob: (knob, PROFILE) for limit, knob in KNOB_OF.items() if limit != "positions"}
    simulated = facts.config.venue.name == "sim"
    of_market = _OF_SIM if simulated else dict.fromkeys(_OF_SIM, ())
    of_venue = dict.fromkeys((f"venue.{name}" for name in VenueFacts.__dataclass_fields__), ("venue.name",))
    told: dict[str, tuple[str, ...]] = dict.fromkeys((f"market.{name}" for name in Market.__dataclass_fields__), ())
    market = told | {f"market.{name}": knobs for name, knobs in of_market.items()}
    return replace(
        facts,
        config=cast("Config", _Noted(facts.config, "", seen, {})),
        limits=cast("Config", _Noted(facts.limits, "", seen, stricter)),
        market=cast("Market", _Noted(facts.market, "market", seen, market)),
        venue=cast("VenueFacts", _Noted(facts.venue, "venue", seen, of_venue)),
    )
