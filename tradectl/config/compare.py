"""Two configurations, knob by knob: what changes risk, which way, and what it means. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tradectl.config.in_guard import unexplained
from tradectl.config.knob import Knob
from tradectl.config.listing import entries, plain_of, text_of
from tradectl.config.load import Resolved
from tradectl.config.nearest import key_of
from tradectl.config.secrets import redact
from tradectl.config.stake import ENDLESS, Stake, Way, Word
from tradectl.config.stakes import STAKES
from tradectl.domain.liquidity import LiquidityTier, least_liquid

Path = tuple[str, ...]
SYMBOL, CANDIDATES = ("perps", "symbol"), ("market", "candidate_symbols")
BY_TIER, UNEXPLAINED = ("risk", "max_leverage_by_tier"), ("safety", "protection", "unexplained")
_LISTED = 8  # names in one sentence


@dataclass(frozen=True, slots=True)
class Written:
    """A value in one of the two: ready for JSON, for a person, and where it was written ('default': nowhere)."""

    value: Any
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Change:
    """One knob, or one entry of a table, that differs. `factor`: how many times, endless where it is no degree."""

    key: str
    word: Word
    says: str
    a: Written
    b: Written
    factor: Decimal = ENDLESS


def changes(a: Resolved, b: Resolved) -> tuple[Change, ...]:
    """Everything that differs in effect, the loosest first; among equals the largest step, then the schema's order."""
    found = [change for each in _every(a, b) for change in each]
    words = list(Word)
    return tuple(sorted(found, key=lambda one: (words.index(one.word), -one.factor)))


@dataclass(frozen=True, slots=True)
class _Pair:
    """One knob in both."""

    path: Path
    fact: Knob
    stake: Stake
    a: Resolved
    b: Resolved
    before: Any
    after: Any

    def change(
        self, word: Word, says: str, before: Any, after: Any, *, entry: str = "", factor: Decimal = ENDLESS
    ) -> Change:
        path = (*self.path, entry) if entry else self.path
        old, new = _written(self.a, path, before), _written(self.b, path, after)
        return Change(key_of(path), word, says, old, new, factor)


def _every(a: Resolved, b: Resolved) -> Iterator[Iterator[Change]]:
    for old, new in zip(entries(a.config), entries(b.config), strict=True):
        pair = _Pair(old.path, old.fact, STAKES[".".join(old.path)], a, b, old.value, new.value)
        if pair.path in (SYMBOL, CANDIDATES):
            yield _markets(pair)
        elif pair.path == UNEXPLAINED and pair.before == pair.after:
            yield _in_guard(pair)
        elif pair.before == pair.after:
            continue
        elif pair.path == BY_TIER:
            yield _leverages(pair)
        elif pair.path == ("accept",):
            yield _accepted(pair)
        elif isinstance(pair.before, Mapping):
            yield _table(pair)
        elif pair.stake.way in (Way.ADDED, Way.REMOVED):
            yield _names(pair, pair.before, pair.after)
        else:
            yield _one(pair)


def _one(pair: _Pair) -> Iterator[Change]:
    stake, before, after = pair.stake, pair.before, pair.after
    says = stake.sentence(before, after, pair.fact)
    yield pair.change(stake.word(before, after), says, before, after, factor=stake.factor(before, after))


def _names(pair: _Pair, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Change]:
    """A line for what came in, and one for what went."""
    stake = pair.stake
    added = [name for name in after if name not in before]
    removed = [name for name in before if name not in after]
    looser, tighter = (Word.LOOSER, Word.TIGHTER) if stake.way is Way.ADDED else (Word.TIGHTER, Word.LOOSER)
    for names, word, said in ((added, looser, stake.says), (removed, tighter, stake.other)):
        if names:
            yield pair.change(word, said.format(name=_some(names)), pair.before, pair.after)
    if not added and not removed and stake.reordered:
        yield pair.change(Word.DIFFERENT, stake.reordered, pair.before, pair.after)


def _markets(pair: _Pair) -> Iterator[Change]:
    """The markets that are traded: the candidates, or the one of perps.symbol, which nobody reads beside them."""
    a, b = pair.a.config, pair.b.config
    listed = bool(a.market.candidate_symbols or b.market.candidate_symbols)
    if pair.path == SYMBOL:
        if not listed and pair.before != pair.after:
            yield from _one(pair)
        elif pair.before != pair.after and a.market.candidate_symbols and b.market.candidate_symbols:
            says = "nobody reads it beside market.candidate_symbols"
            yield pair.change(Word.NONE, says, pair.before, pair.after)
    elif listed and a.symbols() != b.symbols():
        yield from _names(pair, a.symbols(), b.symbols())


def _in_guard(pair: _Pair) -> Iterator[Change]:
    """The one knob to which it matters that it is written: where it is not, a guard session only reports."""
    before, after = unexplained(pair.a.config, guard=True), unexplained(pair.b.config, guard=True)
    if before != after:
        says = "in `run --guard` only: " + pair.stake.sentence(before, after, pair.fact)
        yield pair.change(pair.stake.word(before, after), says, pair.before, pair.after)


def _leverages(pair: _Pair) -> Iterator[Change]:
    """By what holds in a tier: a less liquid one never has more than a more liquid one."""
    for tier in LiquidityTier:
        before, after = least_liquid(tier, pair.before), least_liquid(tier, pair.after)
        if before != after:
            stake = pair.stake
            says = stake.sentence(before, after, replace(pair.fact, unit="leverage"), tier.value)
            factor = stake.factor(before, after)
            yield pair.change(stake.word(before, after), says, before, after, entry=tier.value, factor=factor)


def _whose(by_tier: Mapping[str, Decimal], tier: str) -> str:
    """The tier whose entry holds in this one: the least of its own and of all more liquid ones."""
    least = least_liquid(LiquidityTier(tier), by_tier)
    return next((one for one in reversed(LiquidityTier) if one <= tier and by_tier.get(one) == least), tier)


def _accepted(pair: _Pair) -> Iterator[Change]:
    """Whether a rule is accepted counts; in what words it is does not."""
    for rule in sorted({*pair.before, *pair.after}):
        before, after = pair.before.get(rule), pair.after.get(rule)
        if before is None or after is None:
            word, said = (Word.LOOSER, pair.stake.says) if before is None else (Word.TIGHTER, pair.stake.other)
            yield pair.change(word, said.format(name=rule), before, after, entry=rule)
        elif before != after:
            yield pair.change(Word.NONE, "accepted for another reason", before, after, entry=rule)


def _table(pair: _Pair) -> Iterator[Change]:
    for name in sorted({*pair.before, *pair.after}):
        before, after = pair.before.get(name), pair.after.get(name)
        if before != after:
            says = pair.stake.sentence(before, after, pair.fact, name)
            yield pair.change(pair.stake.word(before, after), says, before, after, entry=name)


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _written(resolved: Resolved, path: Path, value: Any) -> Written:
    plain = plain_of(value)
    return Written(
        redact(plain) if isinstance(plain, str) else plain, _text(resolved, path, value), _place(resolved, path)
    )


def _text(resolved: Resolved, path: Path, value: Any) -> str:
    """A long list in its first names; where the markets are no list, the knob that says which it is instead."""
    if path == CANDIDATES and not value:
        return f"none: perps.symbol = {resolved.config.perps.symbol}"
    if isinstance(value, tuple) and len(value) > _LISTED:
        return redact(f"[{_some([text_of(each) for each in value])}]")
    return redact(text_of(value))


def _place(resolved: Resolved, path: Path) -> str:
    """Of a leverage by tier, that of the entry which holds; of the markets, the symbol's where there is no list."""
    if path[:-1] == BY_TIER:
        path = (*BY_TIER, _whose(resolved.config.risk.max_leverage_by_tier, path[-1]))
    elif path == CANDIDATES and not resolved.config.market.candidate_symbols:
        path = SYMBOL
    return str(resolved.origin(path))
