"""Everything a rule may look at: the configuration as written and in force, and what is known of the venue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tradectl.config.in_force import in_force, limited_of
from tradectl.config.schema import Config
from tradectl.domain.instrument import Instrument
from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.policy import PROFILES, Policy, Profile
from tradectl.validation.venue_facts import VENUES, VenueFacts

LIVE_MODES = (LIVE_LIMITED, "live")


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """To all 60 digits: quantised, the smallest share that a knob takes would be none, and be divided by."""
    return numerator / denominator


@dataclass(frozen=True, slots=True)
class Market:
    """What stands outside the configuration. Fractions of the notional; None is not known here.

    instruments: of the symbols traded, those that are known, without tiers where these are not. prices: where each
    begins, where that is known. unlisted: symbols that the venue was asked for and does not trade, with the reason.
    requests_per_minute, conditional_orders (per symbol): the venue's limits, where it was asked for them.
    channels: the names of the alert channels that the environment gives.
    """

    taker_fee: Decimal | None = None
    slippage: Decimal | None = None
    funding: Decimal | None = None
    equity: Decimal | None = None
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    unlisted: Mapping[str, str] = field(default_factory=dict)
    requests_per_minute: int | None = None
    conditional_orders: Mapping[str, int] = field(default_factory=dict)

    def tiers_known(self, symbols: Iterable[str]) -> bool:
        """Of every one of them."""
        return all(symbol in self.instruments and self.instruments[symbol].tiers for symbol in symbols)


@dataclass(frozen=True, slots=True)
class Facts:
    """mode: the one it is judged for. limits: the configuration with the strictest of itself, its profile and mode.

    written: paths of the knobs that a file sets.
    """

    config: Config
    limits: Config
    mode: str
    market: Market
    venue: VenueFacts
    written: frozenset[str] = frozenset()
    profiles: Mapping[str, Profile] = field(default_factory=lambda: PROFILES)

    @property
    def live(self) -> bool:
        return self.mode in LIVE_MODES

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.config.symbols()

    @property
    def count(self) -> int:
        """Positions that can be open at one time: one per symbol, and no more than the limit."""
        return min(len(self.symbols), self.limits.risk.max_concurrent_positions)


def facts_of(config: Config, mode: str | None, market: Market, written: frozenset[str] = frozenset()) -> Facts:
    meant = mode or evident_mode(config)
    profile = Policy(0, PROFILES[config.policy.profile])
    limits, _ = in_force(config, profile, limited_of(config) if meant == LIVE_LIMITED else None)
    venue = VENUES[config.venue.name]
    if market.requests_per_minute is not None:
        venue = replace(venue, requests_per_minute=market.requests_per_minute)
    return Facts(config, limits, meant, market, venue, written)


def evident_mode(config: Config) -> str:
    """The mode that a configuration is written for, where nobody says it: the simulated exchange is paper."""
    if config.venue.name == "sim" and config.venue.base_url is None:
        return "paper"
    return "testnet" if config.perps.use_testnet else "live"
