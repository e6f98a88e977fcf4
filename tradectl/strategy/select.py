"""The strategy that the config chooses. Gates apply whatever the strategy."""

from __future__ import annotations

from tradectl.config.schema import Config
from tradectl.errors import NotAvailable
from tradectl.strategy import Strategy
from tradectl.strategy.ma_cross import MaCross


def make(config: Config) -> Strategy:
    """Raises NotAvailable for a strategy that this build does not have yet."""
    if config.perps.use_multi_tf_atr_strategy:
        raise NotAvailable(
            "the mtf_atr strategy is not available yet",
            where="perps.useMultiTfAtrStrategy",
            hint="set perps.useMultiTfAtrStrategy = false to trade with ma_cross",
        )
    return MaCross(config.perps.fast_period, config.perps.slow_period)
