"""Pairs of knobs that make no sense together. Judgement about limits is not here: that is threshold coordination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise

from tradectl.config.nearest import key_of
from tradectl.config.place import Fault, Place
from tradectl.config.schema import Config

Path = tuple[str, ...]

# (smaller, larger, whether they may be equal, what is wrong otherwise)
_ORDERED: tuple[tuple[Path, Path, bool, str], ...] = (
    (("perps", "fast_period"), ("perps", "slow_period"), False, "a fast average is the shorter one"),
    (("risk", "min_position_usd"), ("risk", "max_position_usd"), True, "no size would be allowed"),
    (("risk", "confidence", "low"), ("risk", "confidence", "high"), True, "a signal would be both doubtful and sure"),
    (("risk", "size_by_tier", "b"), ("risk", "size_by_tier", "a"), True, "the more liquid tier has the larger size"),
    (("risk", "size_by_tier", "c"), ("risk", "size_by_tier", "b"), True, "the more liquid tier has the larger size"),
    (
        ("market", "tiers", "b_min_volume_usd"),
        ("market", "tiers", "a_min_volume_usd"),
        True,
        "tier A is the most liquid",
    ),
    (
        ("market", "tiers", "c_min_volume_usd"),
        ("market", "tiers", "b_min_volume_usd"),
        True,
        "tier C is the least liquid",
    ),
)


def crosscheck(config: Config, places: Mapping[Path, Place]) -> list[Fault]:
    """Every pair that contradicts itself, located at the knob that was set last."""
    return [
        *_order(config, places),
        *_leverages(config, places),
        *_targets(config, places),
        *_instruments(config, places),
        *_addresses(config, places),
    ]


def _read(config: Config, path: Path) -> Decimal | int | None:
    found: object = config
    for part in path:
        found = getattr(found, part)
    return found if isinstance(found, Decimal | int) else None


def _order(config: Config, places: Mapping[Path, Place]) -> Iterator[Fault]:
    for small_path, large_path, equal, why in _ORDERED:
        small, large = _read(config, small_path), _read(config, large_path)
        if small is None or large is None or small < large or (equal and small == large):
            continue
        other = f"{key_of(large_path)} = {large} ({places.get(large_path, 'default')})"
        what = f"{key_of(small_path)} = {small} ({places.get(small_path, 'default')}) against {other}"
        place = places.get(small_path) or places.get(large_path)
        yield Fault(place, what, why, f"make {key_of(small_path)} the smaller one")


def _leverages(config: Config, places: Mapping[Path, Place]) -> Iterator[Fault]:
    """An entry above that of a more liquid tier would say nothing: it is never used."""
    key, by_tier = ("risk", "max_leverage_by_tier"), config.risk.max_leverage_by_tier
    for tier, more in pairwise(sorted(by_tier, reverse=True)):
        if by_tier[tier] > by_tier[more]:
            what = f"{key_of(key)}: {tier} = {by_tier[tier]} against {more} = {by_tier[more]}"
            place = places.get((*key, tier)) or places.get((*key, more))
            yield Fault(place, what, f"tier {more} is the more liquid one", f"make {tier} the smaller one")


def _targets(config: Config, places: Mapping[Path, Place]) -> Iterator[Fault]:
    total = sum((target.fraction for target in config.exits.targets), Decimal(0))
    if total > 1:
        place = places.get(("exits", "targets"))
        yield Fault(
            place, f"exits.targets close {total} of a position", "more than all of it", "make the sum 1 or less"
        )
    targets, place = config.exits.targets, places.get(("exits", "targets"))
    if len(targets) > 2:
        yield Fault(place, f"exits.targets has {len(targets)} targets", "two are placed at most", "leave two")
    for first, second in pairwise(targets):
        if second.distance_r <= first.distance_r:
            what = f"exits.targets: {second.distance_r} R after {first.distance_r} R"
            yield Fault(place, what, "the nearest target comes first", "put them in the order they are reached")


def _instruments(config: Config, places: Mapping[Path, Place]) -> Iterator[Fault]:
    for symbol, each in config.sim.instruments.items():
        if each.min_qty > each.max_market_qty:
            place = places.get(("sim", "instruments", symbol))
            yield Fault(place, f"{symbol}: min_qty {each.min_qty} is above max_market_qty {each.max_market_qty}")
        if not each.base and not symbol.endswith(each.quote):
            place = places.get(("sim", "instruments", symbol))
            yield Fault(place, f"{symbol} does not end in {each.quote}", "its base is unknown", "set base")


def _addresses(config: Config, places: Mapping[Path, Place]) -> Iterator[Fault]:
    path = ("venue", "base_url")
    if config.venue.base_url is not None and not _loopback(config.venue.base_url):
        yield Fault(
            places.get(path), "venue.baseUrl is no loopback address", "", "only http://127.0.0.1:PORT and its like"
        )
    left = config.state.path.replace("{account}", "").replace("{environment}", "")
    if "{" in left or "}" in left:
        place = places.get(("state", "path"))
        yield Fault(place, "state.path has an unknown {placeholder}", "", "{account} and {environment} are known")


def _loopback(address: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    plain = parts.username is None and parts.password is None and parts.scheme in ("http", "https")
    return plain and (host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit()))
