"""Random configurations to compare: any value that a knob takes, on any knob."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from tradectl.config.coerce import optional
from tradectl.config.knob import Knob, fact_of, is_section, walk
from tradectl.config.load import Resolved, digest_of
from tradectl.config.schema import Config

KNOBS = {".".join(path): field for path, field in walk(Config)}
_NAMES = ("BTC", "ETH", "SOLUSDT", "PEPEUSDT", "XRPUSDT")
_STEPS = (Decimal(0), Decimal("0.001"), Decimal("0.5"), Decimal(1), Decimal("1.5"), Decimal(3), Decimal(7), Decimal(40))


def resolved(config: Config) -> Resolved:
    return Resolved(config, {}, (), digest_of(config))


def drawn(dice: random.Random, key: str) -> Any:
    """A value of the knob, the default among them."""
    field, fact = KNOBS[key], fact_of(KNOBS[key])
    assert fact is not None
    wanted, may_be_none = optional(field.annotation)
    if (may_be_none and dice.random() < 0.3) or dice.random() < 0.1:
        return None if may_be_none else field.default
    return _value(dice, key, field, fact, wanted)


def _value(dice: random.Random, key: str, field: FieldInfo, fact: Knob, wanted: Any) -> Any:
    if key == "accept":
        return {rule: dice.choice(("known", "for now")) for rule in ("TC06", "TC10", "TC21") if dice.random() < 0.5}
    if key == "risk.max_leverage_by_tier":
        return {tier: Decimal(dice.randint(1, 4)) for tier in "ABC" if dice.random() < 0.6}
    if get_origin(wanted) is Mapping:
        inner = get_args(wanted)[1]
        names = [name for name in _NAMES if dice.random() < 0.4]
        return {name: inner(start_price=Decimal(dice.randint(1, 3))) for name in names}
    if get_origin(wanted) is tuple:
        inner = get_args(wanted)[0]
        if is_section(inner):
            return tuple(inner(distance_r=Decimal(at + dice.randint(1, 2))) for at in range(dice.randint(0, 2)))
        some = _NAMES if inner is str else _STEPS
        return tuple(dice.sample(some, dice.randint(0, 3)))
    if wanted is bool:
        return dice.random() < 0.5
    if wanted is str:
        return dice.choice((field.default, "one", "another"))
    if wanted not in (int, Decimal):
        return dice.choice(get_args(wanted))
    low = fact.low if fact.low is not None else Decimal(0)
    high = fact.high if fact.high is not None else Decimal(1000)
    least = low + min((high - low) / 1000, Decimal("0.001")) if fact.low_open else low
    number = min(max(dice.choice((*_STEPS, least, high)), least), high)
    return int(number) if wanted is int else number


def with_value(config: Config, key: str, value: Any) -> Config:
    *groups, last = key.split(".")
    sections: list[Any] = [config]
    for name in groups:
        sections.append(getattr(sections[-1], name))
    built = sections.pop().model_copy(update={last: value})
    for section, name in zip(reversed(sections), reversed(groups), strict=True):
        built = section.model_copy(update={name: built})
    assert isinstance(built, Config)
    return built


def random_config(seed: int) -> Config:
    dice = random.Random(seed)
    config = Config()
    for key in dice.sample(sorted(KNOBS), dice.randint(0, 40)):
        config = with_value(config, key, drawn(dice, key))
    return config
