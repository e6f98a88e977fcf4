"""The limits in force: the strictest of the configuration's own, its profile, and the profile that an operator set."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tradectl.config.schema import Config
from tradectl.domain.limited import LIVE_LIMITED, Limited
from tradectl.domain.policy import DAILY, FLOOR, LEVERAGE, PROFILES, RISK, Policy, Profile

POSITIONS = "positions"
# The knob that a limit in force has the place of.
KNOB_OF: Mapping[str, str] = {
    RISK: "perps.risk_pct",
    DAILY: "trading.max_daily_risk",
    LEVERAGE: "risk.max_leverage",
    FLOOR: "risk.confidence.floor",
    POSITIONS: "risk.max_concurrent_positions",
}
MODE = f"mode {LIVE_LIMITED}"


def limited_of(config: Config) -> Limited:
    """What mode live_limited demands, as the configuration has it."""
    own = config.live_limited
    return Limited(own.max_position_pct, own.max_daily_loss_pct, own.max_positions)


def in_force(config: Config, policy: Policy, limited: Limited | None = None) -> tuple[Config, Mapping[str, str]]:
    """(the configuration as every gate is to read it, {limit: whose it is}). A limit of the configuration's own is
    not named; of equals, the configuration's holds. limited: what the mode demands."""
    sources: list[tuple[str, Profile]] = [
        (f"profile {config.policy.profile} of the configuration", PROFILES[config.policy.profile])
    ]
    if policy.version:
        sources.append((f"policy {policy.profile.name} v{policy.version}", policy.profile))
    bound: dict[str, str] = {}

    def least(name: str, own: Decimal, of: Mapping[str, Decimal]) -> Decimal:
        value = own
        for source, limit in of.items():
            if limit < value:
                value, bound[name] = limit, source
        return value

    risk = least(RISK, config.perps.risk_pct, {source: one.max_risk_per_trade for source, one in sources})
    days = {source: one.max_daily_loss for source, one in sources}
    if limited is not None:
        days[MODE] = limited.max_daily_loss
    daily = least(DAILY, config.trading.max_daily_risk, days)
    count = config.risk.max_concurrent_positions
    if limited is not None and limited.max_positions < count:
        count, bound[POSITIONS] = limited.max_positions, MODE
    most = least(LEVERAGE, config.risk.max_leverage, {source: one.max_leverage for source, one in sources})
    floor = config.risk.confidence.floor
    for source, one in sources:
        if one.confidence_floor > floor:
            floor, bound[FLOOR] = one.confidence_floor, source
    if not bound:
        return config, bound
    confidence = config.risk.confidence.model_copy(update={"floor": floor})
    changed = {
        "perps": config.perps.model_copy(update={"risk_pct": risk}),
        "trading": config.trading.model_copy(update={"max_daily_risk": daily}),
        "risk": config.risk.model_copy(
            update={"max_leverage": most, "confidence": confidence, "max_concurrent_positions": count}
        ),
    }
    return config.model_copy(update=changed), bound


def without_policy(config: Config, limited: Limited | None) -> dict[str, Decimal]:
    """{limit: value} of those that a policy can make stricter, as they hold where nobody has set one."""
    held, _ = in_force(config, Policy(0, PROFILES[config.policy.profile]), limited)
    return {
        RISK: held.perps.risk_pct,
        DAILY: held.trading.max_daily_risk,
        LEVERAGE: held.risk.max_leverage,
        FLOOR: held.risk.confidence.floor,
    }
