"""The liquidity tier of a symbol, as one entry sees it.

A pinned market is tier A whatever it trades. A volume that is not known is never taken for a large one: it counts as
the least that a market of the lowest tier (of tier A, where it is pinned) trades.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.config.schema import Config
from tradectl.domain.liquidity import LiquidityTier, tier_of
from tradectl.domain.money import ZERO
from tradectl.risk.context import SymbolContext


@dataclass(frozen=True, slots=True)
class Liquidity:
    """`tier` None: below the lowest one. `volume`: of 24 h in quote currency, or what is assumed of it."""

    tier: LiquidityTier | None
    volume: Decimal
    known: bool
    pinned: bool

    @property
    def limits_of(self) -> LiquidityTier:
        """The tier whose limits hold; below the lowest, those of the lowest."""
        return self.tier or LiquidityTier.C

    @property
    def sentence(self) -> str:
        traded = f"24 h volume {self.volume:.0f}"
        if not self.known:
            traded = f"24 h volume not known, taken as {self.volume:.0f}"
        name = f"tier {self.tier}" if self.tier is not None else "below every tier"
        return f"{name}{' (pinned)' if self.pinned else ''}, {traded}"


def liquidity_of(ctx: SymbolContext) -> Liquidity:
    market = ctx.account.config.market
    floors = {
        LiquidityTier.A: market.tiers.a_min_volume_usd,
        LiquidityTier.B: market.tiers.b_min_volume_usd,
        LiquidityTier.C: market.tiers.c_min_volume_usd,
    }
    pinned = ctx.instrument.base in market.pinned or ctx.symbol in market.pinned
    volume = ctx.ticker.quote_volume_24h
    if volume is None or not volume.is_finite() or volume < ZERO:
        tier = LiquidityTier.A if pinned else LiquidityTier.C
        return Liquidity(tier, floors[tier], False, pinned)
    return Liquidity(LiquidityTier.A if pinned else tier_of(volume, floors), volume, True, pinned)


def tier_scale(config: Config, tier: LiquidityTier) -> Decimal:
    """How a tier scales the size: never up."""
    scales = config.risk.size_by_tier
    return {LiquidityTier.A: scales.a, LiquidityTier.B: scales.b, LiquidityTier.C: scales.c}[tier]
