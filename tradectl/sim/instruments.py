"""The contracts that the simulated exchange lists: a dated table that ships, and those the operator declares."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.money import dec

_UNBOUNDED = Decimal("1E+15")  # a declared contract has one tier, for every notional


class Declared(Protocol):
    """One entry of `sim.instruments` in the config."""

    @property
    def base(self) -> str: ...
    @property
    def quote(self) -> str: ...
    @property
    def tick_size(self) -> Decimal: ...
    @property
    def qty_step(self) -> Decimal: ...
    @property
    def min_qty(self) -> Decimal: ...
    @property
    def min_notional(self) -> Decimal: ...
    @property
    def max_market_qty(self) -> Decimal: ...
    @property
    def max_leverage(self) -> Decimal: ...
    @property
    def maintenance_rate(self) -> Decimal: ...


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((files("tradectl.sim") / "data" / "instruments.toml").read_text(encoding="utf-8"))


def shipped_as_of() -> str:
    """The date of the table that ships, YYYY-MM-DD."""
    return str(_table()["as_of"])


def shipped() -> dict[str, Instrument]:
    """The table that ships, by symbol."""
    return {symbol: _read(symbol, row) for symbol, row in _table().items() if isinstance(row, dict)}


def listed(declared: Mapping[str, Declared]) -> dict[str, Instrument]:
    """The table that ships and the declared contracts; a declared one replaces the shipped one of its symbol."""
    return shipped() | {symbol: _declared(symbol, each) for symbol, each in declared.items()}


def _read(symbol: str, row: Mapping[str, Any]) -> Instrument:
    return Instrument(
        symbol=symbol,
        base=row["base"],
        quote=row["quote"],
        tick_size=dec(row["tick_size"]),
        qty_step=dec(row["qty_step"]),
        min_qty=dec(row["min_qty"]),
        min_notional=dec(row["min_notional"]),
        max_market_qty=dec(row["max_market_qty"]),
        tiers=tuple(Tier(*(dec(cell) for cell in tier)) for tier in row["tiers"]),
        max_limit_qty=dec(row["max_limit_qty"]),
    )


def _declared(symbol: str, each: Declared) -> Instrument:
    return Instrument(
        symbol=symbol,
        base=each.base or symbol.removesuffix(each.quote),
        quote=each.quote,
        tick_size=each.tick_size,
        qty_step=each.qty_step,
        min_qty=each.min_qty,
        min_notional=each.min_notional,
        max_market_qty=each.max_market_qty,
        tiers=(Tier(_UNBOUNDED, each.max_leverage, each.maintenance_rate),),
    )
