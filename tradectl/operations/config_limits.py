"""What limits a knob now: the strictest of configuration, profile and mode; the caps beside it; and the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from tradectl.config.coerce import optional
from tradectl.config.crosscheck import crosscheck
from tradectl.config.in_force import KNOB_OF, MODE, in_force, limited_of
from tradectl.config.listing import Entry, text_of
from tradectl.config.load import Resolved
from tradectl.config.nearest import key_of
from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.money import percent
from tradectl.domain.money import text as money_text
from tradectl.domain.policy import PROFILES, Policy
from tradectl.errors import StoreMissing, TradectlError
from tradectl.operations.validate_config import market_of
from tradectl.validation.binding import Binding, bindings
from tradectl.validation.book import Cap, by_risk, least, position_caps, total_caps
from tradectl.validation.facts import Facts, Market, evident_mode, facts_of
from tradectl.validation.judge import findings
from tradectl.validation.room import Objection, Turn, turns
from tradectl.validation.rule import Severity
from tradectl.validation.rules import RULES

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the bot: the policy that an operator set, and the store that says so. unread: why nothing is.

    other_config: the session that lasts was started with another configuration than this one.
    """

    policy: Policy | None = None
    store: str = ""
    other_config: bool = False
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """in_force: the value that the bot goes by, where this knob is a limit that profile or mode may tighten; else ''.

    by: whose it is where it is not the configuration's own. caps: (of what, a sentence) about the size of positions.
    rules: every rule that reads the knob, with what it says now. turns: how far it can be moved before one objects.
    """

    mode: str
    in_force: str
    by: str
    caps: tuple[tuple[str, str], ...]
    rules: tuple[Binding, ...]
    turns: tuple[Turn, ...]


def standing(state: Path | None, files: tuple[Path, ...], resolved: Resolved) -> Standing:
    """Of the store that is meant, if there is one. Never raises for a store that cannot be read: it is said."""
    from tradectl.operations.opening import find_store, open_store
    from tradectl.store import policy, session

    try:
        ref = find_store(state, files)
        with open_store(ref, readonly=True) as db, db.read() as conn:
            if db.identity.account != resolved.config.account:
                return Standing(unread=f"{ref.path} is of account {db.identity.account}, and was not read")
            running = session.current(conn)
            other = running is not None and running.config_digest != resolved.digest
            return Standing(policy.current(conn), str(ref.path), other)
    except StoreMissing as missing:
        return Standing(unread=missing.what if state is not None else "")  # before its first run there is none
    except TradectlError as error:
        return Standing(unread=f"the store was not read: {error.what}")


def limits(resolved: Resolved, entry: Entry, mode: str | None, now: Standing) -> Limits:
    config, dotted = resolved.config, ".".join(entry.path)
    meant = mode or evident_mode(config)
    market = market_of(config, {}, meant)
    facts = _facts(resolved, meant, market, now)
    limit = next((name for name, knob in KNOB_OF.items() if knob == dotted), "")
    value: Any = facts.limits
    for part in entry.path:
        value = getattr(value, part)
    _, bound = _strictest(resolved, meant, now)
    return Limits(
        mode=meant,
        in_force=text_of(value) if limit else "",
        by=bound.get(limit, ""),
        caps=tuple(_caps(facts, dotted)),
        rules=tuple(bindings(facts, dotted)),
        turns=tuple(_turns(resolved, entry, meant, market, now)),
    )


def _strictest(resolved: Resolved, mode: str, now: Standing) -> tuple[Any, Any]:
    config = resolved.config
    held = now.policy or Policy(0, PROFILES[config.policy.profile])
    return in_force(config, held, limited_of(config) if mode == LIVE_LIMITED else None)


def _facts(resolved: Resolved, mode: str, market: Market, now: Standing) -> Facts:
    """As the rules have them; with the policy that is set, which a file does not know of."""
    facts = facts_of(resolved.config, mode, market, frozenset(resolved.provenance))
    return replace(facts, limits=_strictest(resolved, mode, now)[0])


def _caps(facts: Facts, knob: str) -> Iterator[tuple[str, str]]:
    """Which limit ends the size of one position, and of all together, where this knob is one of those."""
    wanted = by_risk(facts, facts.limits.risk.confidence.high_scale)
    for what, caps in (("one position", (wanted, *position_caps(facts))), ("all positions", total_caps(facts))):
        binding, own = least(caps), [cap for cap in caps if knob in cap.knobs]
        if not own:
            continue
        ends = f"ends at a notional of {percent(binding.notional)} of equity, by"
        if knob in binding.knobs:
            yield what, f"{ends} this knob ({binding.name})"
        else:
            mine = percent(least(tuple(own)).notional)
            yield what, f"{ends} {binding.name} ({_keys(binding)}); this knob would let it be {mine}"


def _keys(cap: Cap) -> str:
    return ", ".join(key_of(tuple(knob.split("."))) for knob in cap.knobs)


def _turns(resolved: Resolved, entry: Entry, mode: str, market: Market, now: Standing) -> Iterator[Turn]:
    wanted, _ = optional(entry.field.annotation)
    value = entry.value
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or wanted not in (int, Decimal):
        return
    accepted = resolved.config.accept

    @cache
    def ask(value: Decimal) -> frozenset[Objection]:
        changed = _with(resolved.config, entry.path, int(value) if wanted is int else value)
        if crosscheck(changed, {}):
            return frozenset({("", Severity.ERROR)})
        known = market_of(changed, {}, mode) if entry.path[0] == "sim" else market
        there = Resolved(changed, resolved.provenance, (), "")
        said = findings(_facts(there, mode, known, now))
        return frozenset(
            (rule.id, one.severity)
            for rule, one in said
            if one.severity is not Severity.NOTE and rule.id not in accepted
        )

    yield from turns(Decimal(value), entry.fact, whole=wanted is int, ask=ask)


def _with(section: Any, path: Path_, value: object) -> Any:
    head, *rest = path
    inner = _with(getattr(section, head), tuple(rest), value) if rest else value
    return section.model_copy(update={head: inner})


def said_of(turn: Turn, entry: Entry) -> tuple[str, str]:
    """('raise', 'up to 0.9199; at 0.92 TC01 is an error: margin budget < margin halt < 1')"""
    way, at = "raise" if turn.upwards else "lower", money_text(turn.first)
    severity = "an error" if turn.severity is Severity.ERROR else "a warning"
    said = f"{turn.rule} is {severity}: {RULES[turn.rule].title}" if turn.rule else "the file contradicts itself"
    if turn.ends:
        return way, f"to {at}, and {turn.rule} is {severity} no more: {RULES[turn.rule].title}"
    room = "no room" if turn.last == entry.value else f"{'up' if turn.upwards else 'down'} to {money_text(turn.last)}"
    return way, f"{room}; at {at} {said}"


def whose(limits: Limits, now: Standing) -> str:
    """Who tightens the limit, in words."""
    if limits.by == MODE:
        return f"the mode {LIVE_LIMITED} demands it"
    if now.policy is not None and limits.by.startswith("policy"):
        return f"{limits.by}, set by {now.policy.by}: {now.policy.reason}"
    return limits.by
