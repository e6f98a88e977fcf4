"""Size: which limit makes it, whether the risk per trade is ever reached, and whether it can be traded at all."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.money import ONE, amount, percent, text
from tradectl.domain.policy import Profile
from tradectl.validation.book import LEVERAGE, RISK, STOP, book_of, by_risk, least, position_caps
from tradectl.validation.facts import Facts, ratio
from tradectl.validation.rule import Finding, error, note, unchecked, warning

DAILY, PROFILE = "trading.max_daily_risk", "policy.profile"
VIABLE, BALANCE = "risk.min_notional_viable", "sim.start_balance"


def tc10(facts: Facts) -> Iterator[Finding]:
    wanted, cap = by_risk(facts), least(position_caps(facts))
    perps = facts.limits.perps
    sums = (
        f"{percent(perps.risk_pct)} / {percent(perps.stop_loss_pct)} asks for {percent(wanted.notional)} of equity; "
        f"{cap.name} allows {percent(cap.notional)}"
    )
    if wanted.notional <= cap.notional:
        return
    reached = cap.notional * perps.stop_loss_pct
    says = f"riskPct is never reached: {cap.name} binds, and a trade risks {percent(reached)} at most"
    if facts.mode == LIVE_LIMITED and cap.name == LIVE_LIMITED:
        yield note(says, sums, RISK, STOP, *cap.knobs)
        return
    yield warning(
        says,
        sums,
        RISK,
        STOP,
        *cap.knobs,
        change=f"perps.riskPct: {text(reached)} says the same, or raise {cap.knobs[0]} if more is meant",
    )


def tc11(facts: Facts) -> Iterator[Finding]:
    config = facts.config
    risk, profile = config.perps.risk_pct, facts.profiles[config.policy.profile]
    for limit, name, knob in (
        (profile.max_risk_per_trade, f"the most that profile {profile.name} risks per trade", PROFILE),
        (config.trading.max_daily_risk, "all that a day may lose", DAILY),
    ):
        if risk > limit:
            yield error(
                f"one trade risks {percent(risk)}, beyond {name}",
                f"{percent(risk)} ≤ {percent(limit)} does not hold",
                RISK,
                knob,
                change=f"perps.riskPct at most {text(limit)}",
            )
    yield from _ordered(tuple(facts.profiles.values()))
    inert = _inert(facts, profile)
    if inert:
        yield note(
            f"of profile {profile.name} the configuration is stricter in {', '.join(name for name, *_ in inert)}",
            "; ".join(f"{name}: {own} is stricter than {theirs}" for name, own, theirs, _ in inert),
            PROFILE,
            *(knob for *_, knob in inert),
        )


def _ordered(profiles: tuple[Profile, ...]) -> Iterator[Finding]:
    """From the strictest to the loosest, field by field."""
    for strict, loose in pairwise(profiles):
        pairs = (
            ("risk per trade", strict.max_risk_per_trade, loose.max_risk_per_trade),
            ("daily loss", strict.max_daily_loss, loose.max_daily_loss),
            ("leverage", strict.max_leverage, loose.max_leverage),
            ("confidence floor", loose.confidence_floor, strict.confidence_floor),
        )
        for name, less, more in pairs:
            if less > more:
                yield error(
                    f"profile {strict.name} is looser than {loose.name} in its {name}",
                    f"{text(less)} ≤ {text(more)} does not hold",
                    PROFILE,
                    change="the profiles are part of this build: report it",
                )


def _inert(facts: Facts, profile: Profile) -> list[tuple[str, str, str, str]]:
    """(field, the configuration's, the profile's, knob) wherever the configuration is the stricter."""
    config = facts.config
    found = []
    for name, own, theirs, knob in (
        ("risk per trade", config.perps.risk_pct, profile.max_risk_per_trade, RISK),
        ("daily loss", config.trading.max_daily_risk, profile.max_daily_loss, DAILY),
    ):
        if own < theirs:
            found.append((name, percent(own), percent(theirs), knob))
    most = min(config.perps.leverage, config.risk.max_leverage)
    if most < profile.max_leverage:
        found.append(("leverage", f"{text(most)}x", f"{text(profile.max_leverage)}x", LEVERAGE))
    return found


def tc20(facts: Facts) -> Iterator[Finding]:
    equity, wanted = facts.market.equity, facts.limits.perps.leverage
    asked = [symbol for symbol in facts.symbols if symbol not in facts.market.unlisted]
    missing = [symbol for symbol in asked if not facts.market.tiers_known((symbol,))]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        yield unchecked(
            f"the leverage tiers at the venue are not known here ({', '.join(missing[:5])}{more})", LEVERAGE
        )
    elif equity is None:
        yield unchecked("equity is not known here, so neither is the leverage tier of the largest position", LEVERAGE)
    if equity is None:
        return
    book = book_of(facts)
    largest = book.one.notional * equity
    for symbol, one in facts.market.instruments.items():
        if not one.tiers:
            continue
        tier = one.tier_for(largest)
        if wanted > tier.max_leverage:
            yield warning(
                f"{symbol}: the largest position does not get the leverage that is set",
                f"{amount(largest, one.quote)} at the caps allows {text(tier.max_leverage)}x, {text(wanted)}x is set",
                LEVERAGE,
                *book.one.knobs,
                change=f"perps.leverage at most {text(tier.max_leverage)}",
            )


def tc22(facts: Facts) -> Iterator[Finding]:
    yield from _unlisted(facts)
    config, equity = facts.limits, facts.market.equity
    caps = position_caps(facts)
    if equity is None:
        least_equity = ratio(config.risk.min_notional_viable, _share(facts, ONE))
        yield unchecked(
            f"equity is not known here; at {percent(_share(facts, ONE))} of it per trade, "
            f"{amount(least_equity)} is the least that makes a trade of {text(config.risk.min_notional_viable)}",
            RISK,
            STOP,
            VIABLE,
        )
        return
    for symbol, one in facts.market.instruments.items():
        price = facts.market.prices.get(symbol)
        minimums = [one.min_notional, config.risk.min_notional_viable]
        if config.risk.min_position_usd is not None:
            minimums.append(config.risk.min_position_usd * book_of(facts).leverage)
        if price is not None:
            minimums.append(one.min_qty * price)
        needed = max(minimums)
        smallest = _share(facts, _smallest_scale(facts, one.base, symbol)) * equity
        largest = min(by_risk(facts, config.risk.confidence.high_scale).notional, least(caps).notional) * equity
        balance = (BALANCE,) if facts.venue.name == "sim" else ()
        knobs = (RISK, STOP, VIABLE, "risk.confidence.low_scale", "risk.size_by_tier.c", *balance)
        if largest < needed:
            yield error(
                f"{symbol} can never be traded with this equity",
                f"the largest size is {amount(largest, one.quote)} of {amount(equity)} equity; an order needs "
                f"{amount(needed, one.quote)}",
                *knobs,
                *least(caps).knobs,
                change=f"at least {amount(ratio(needed * equity, largest), one.quote)} of equity, or another market",
            )
        elif smallest < needed:
            yield warning(
                f"{symbol}: a doubtful signal is sized too small to trade",
                f"the smallest size is {amount(smallest, one.quote)} of {amount(equity)} equity; an order needs "
                f"{amount(needed, one.quote)}",
                *knobs,
                change=f"at least {amount(ratio(needed * equity, smallest), one.quote)} of equity for every signal",
            )


def _unlisted(facts: Facts) -> Iterator[Finding]:
    for symbol, reason in facts.market.unlisted.items():
        yield error(
            f"{symbol} cannot be traded at {facts.venue.name}: {reason}",
            "an order there would be refused" if facts.venue.name != "sim" else "`run` refuses to start with it",
            "market.candidate_symbols" if facts.config.market.candidate_symbols else "perps.symbol",
            "venue.name",
            change="another market, or declare the contract under sim.instruments"
            if facts.venue.name == "sim"
            else "another market, or another venue",
        )


def _share(facts: Facts, scale: Decimal) -> Decimal:
    return min(by_risk(facts, scale).notional, least(position_caps(facts)).notional)


def _smallest_scale(facts: Facts, base: str, symbol: str) -> Decimal:
    """A doubtful signal in a market of which no more is known than whether it is pinned to tier A."""
    risk, pinned = facts.config.risk, facts.config.market.pinned
    tiers = {"A": risk.size_by_tier.a, "C": risk.size_by_tier.c}
    scale = tiers["A" if base in pinned or symbol in pinned else "C"]
    return scale * (risk.confidence.low_scale if risk.confidence.floor < risk.confidence.low else ONE)
