"""Random worlds around an operator's own configuration: what is changed of it for them, and which markets they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradectl.config.load import check
from tradectl.config.schema import Config
from tradectl.domain.instrument import Instrument
from tradectl.errors import ConfigError
from tradectl.operations.validate_config import first_price
from tradectl.scenarios.effective import ground, said
from tradectl.sim.instruments import listed

FAST, SLOW = 1, 3  # bars of the averages: they cross several times in a quarter of an hour
SLOWEST_PROTECTION_S = Decimal(10)
SLOWEST_RECONCILE_S = 120
SLOWEST_INGEST_S = 300
LONGEST_ATR, LONGEST_LOOKBACK = 14, 40  # bars: of the sixty that a world begins with


@dataclass(frozen=True, slots=True)
class Own:
    """`config`: the operator's, on the ground of the simulated exchange. `changed`: what is not their own, a text each.
    `instruments`: of theirs that the exchange lists, and `prices`: where each begins."""

    config: Config
    changed: tuple[str, ...]
    instruments: Mapping[str, Instrument]
    prices: Mapping[str, Decimal]


def own_of(files: Sequence[Path], config: Config) -> Own:
    """`config` is what the files say, checked already. Raises ConfigError where no world can be made of it."""
    table = listed(config.sim.instruments)
    symbols = tuple(symbol for symbol in config.symbols() if symbol in table)
    missing = tuple(symbol for symbol in config.symbols() if symbol not in table)
    if not symbols:
        raise ConfigError(
            f"{', '.join(missing)}: not listed on the simulated exchange",
            hint=f"declare it under sim.instruments.{missing[0]}",
        )
    layer = ground(config, _wanted(config, symbols))
    checked = check([str(file) for file in files], (layer,))
    if checked.resolved is None:
        raise ConfigError(
            "no world can be made of this configuration",
            why="what the simulated exchange needs contradicts it",
            faults=tuple(str(fault) for fault in checked.faults),
        )
    changed = said(layer)
    if len(symbols) > 1:
        changed = (*changed, f"one to three of {', '.join(symbols)} in each world")
    if missing:
        changed = (*changed, f"without {', '.join(missing)}, which it does not list")
    return Own(
        checked.resolved.config,
        changed,
        {symbol: table[symbol] for symbol in symbols},
        {symbol: first_price(config, table[symbol]) for symbol in symbols},
    )


def _wanted(own: Config, symbols: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
    """Beside what every scenario needs: a quarter of an hour in which something happens, and is dealt with."""
    crisis = ("risk_management", "crisis_mode")
    return {
        ("market", "candidate_symbols"): symbols if own.market.candidate_symbols else (),
        ("perps", "symbol"): own.perps.symbol,
        ("perps", "fast_period"): FAST,
        ("perps", "slow_period"): SLOW,
        ("risk", "signal_cooldown_hours"): Decimal(0),
        (*crisis, "atr_period"): min(own.risk_management.crisis_mode.atr_period, LONGEST_ATR),
        (*crisis, "lookback_bars"): min(own.risk_management.crisis_mode.lookback_bars, LONGEST_LOOKBACK),
        ("engine", "protection_seconds"): min(own.engine.protection_seconds, SLOWEST_PROTECTION_S),
        ("engine", "reconcile_seconds"): min(own.engine.reconcile_seconds, SLOWEST_RECONCILE_S),
        ("engine", "closed_trades_seconds"): min(own.engine.closed_trades_seconds, SLOWEST_INGEST_S),
    }
