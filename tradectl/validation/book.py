"""The largest book that all caps together let through, in shares of equity: what most rules reckon with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.money import ONE, ZERO, percent, text
from tradectl.validation.facts import Facts, ratio

RISK, STOP = "perps.risk_pct", "perps.stop_loss_pct"
CASH, LEVERAGE = "perps.cash_deploy_cap", "perps.leverage"
EXPOSURE, COUNT = "risk.max_exposure_pct", "risk.max_concurrent_positions"
SINGLE, AGGREGATE = "risk.max_single_position_margin_pct_equity", "risk.max_aggregate_margin_pct_equity"
AUCTION = "risk.auction_max_margin_util"


@dataclass(frozen=True, slots=True)
class Cap:
    """A notional, of equity, that a limit allows, with the knobs it is made of."""

    notional: Decimal
    name: str
    knobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """Shares of equity. `one` and `all` say which cap ends a position, and the sum of them."""

    leverage: Decimal
    count: int
    one: Cap
    all: Cap

    @property
    def margin(self) -> Decimal:
        return ratio(self.all.notional, self.leverage)

    def shown(self) -> str:
        return (
            f"largest book: {self.count} × {percent(self.one.notional)} ({self.one.name}), in sum "
            f"{percent(self.all.notional)} of equity ({self.all.name}), margin {percent(self.margin)} at "
            f"{text(self.leverage)}x"
        )


def leverage_of(facts: Facts) -> Decimal:
    """The leverage an entry uses at most."""
    config = facts.limits
    known = []
    if facts.market.tiers_known(facts.symbols):
        known.append(max(one.tiers[0].max_leverage for one in facts.market.instruments.values()))
    return min(config.perps.leverage, config.risk.max_leverage, *known)


def by_risk(facts: Facts, scale: Decimal = ONE) -> Cap:
    """What risk / stop distance asks for, before any cap."""
    perps = facts.limits.perps
    return Cap(ratio(perps.risk_pct * scale, perps.stop_loss_pct), "risk / stop distance", (RISK, STOP))


def position_caps(facts: Facts) -> tuple[Cap, ...]:
    """Every limit of one position's notional beside its risk."""
    config, most = facts.limits, leverage_of(facts)
    risk = config.risk
    caps = [
        Cap(config.perps.cash_deploy_cap, "cash cap", (CASH,)),
        Cap(risk.max_single_position_margin_pct_equity * most, "margin of one position", (SINGLE, LEVERAGE)),
        *total_caps(facts),
    ]
    if facts.mode == LIVE_LIMITED:
        knob = "live_limited.max_position_pct"
        caps.append(Cap(config.live_limited.max_position_pct, "live_limited", (knob,)))
    if risk.max_position_usd is not None and facts.market.equity:
        share = ratio(risk.max_position_usd * most, facts.market.equity)
        caps.append(Cap(share, "margin in dollars", ("risk.max_position_usd", LEVERAGE)))
    return tuple(caps)


def total_caps(facts: Facts) -> tuple[Cap, ...]:
    """Every limit of the sum of notionals."""
    risk, most = facts.limits.risk, leverage_of(facts)
    return (
        Cap(risk.max_exposure_pct, "exposure", (EXPOSURE,)),
        Cap(risk.max_aggregate_margin_pct_equity * most, "margin in sum", (AGGREGATE, LEVERAGE)),
        Cap(risk.auction_max_margin_util * most, "margin budget", (AUCTION, LEVERAGE)),
    )


def least(caps: tuple[Cap, ...]) -> Cap:
    return min(caps, key=lambda cap: cap.notional)


def book_of(facts: Facts) -> Book:
    """At the most confident signal, which is sized up before the caps."""
    one = least((by_risk(facts, facts.config.risk.confidence.high_scale), *position_caps(facts)))
    together = Cap(
        one.notional * facts.count,
        "one position" if facts.count == 1 else f"{facts.count} positions",
        (*one.knobs, COUNT),
    )
    return Book(leverage_of(facts), facts.count, one, least((together, *total_caps(facts))))


def round_trip(facts: Facts) -> Decimal | None:
    """Fees and slippage of entering and leaving, of the notional; None where the venue's are not known."""
    market = facts.market
    if market.taker_fee is None or market.slippage is None:
        return None
    return 2 * (max(market.taker_fee, ZERO) + max(market.slippage, ZERO))


def loss_at_stop(facts: Facts, notional: Decimal) -> Decimal:
    """What a position of this notional loses at its stop, costs included where they are known."""
    return notional * (facts.limits.perps.stop_loss_pct + (round_trip(facts) or ZERO))


def cost_words(facts: Facts) -> str:
    costs = round_trip(facts)
    return f"fees and slippage {percent(costs)}" if costs is not None else "the venue's fees not known here"


def maintenance_of(facts: Facts, notional: Decimal) -> Decimal | None:
    """The highest maintenance rate among the symbols at a position of this share of equity; None: not known."""
    market = facts.market
    if market.equity is None or not market.tiers_known(facts.symbols):
        return None
    return max(one.tier_for(notional * market.equity).maintenance_rate for one in market.instruments.values())
