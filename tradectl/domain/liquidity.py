"""How liquid a market is: its tier, by what is traded there in 24 hours."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum


class LiquidityTier(StrEnum):
    """The most liquid first."""

    A = "A"
    B = "B"
    C = "C"


def tier_of(volume: Decimal, floors: Mapping[LiquidityTier, Decimal]) -> LiquidityTier | None:
    """The most liquid tier whose floor the 24 h volume reaches (both in quote currency); None below every floor."""
    return next((tier for tier in LiquidityTier if volume >= floors[tier]), None)


def least_liquid(tier: LiquidityTier, by_tier: Mapping[str, Decimal]) -> Decimal | None:
    """The limit of a tier where less liquid ones may never have more: the least of its own and of all more liquid
    ones; None where none of these is set."""
    tiers = list(LiquidityTier)
    upto = tiers[: tiers.index(tier) + 1]
    return min((by_tier[one] for one in upto if one in by_tier), default=None)
