"""The knobs of the machine around the trading: store, cadences, venue, markets, alerts, simulation, logs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Literal

from tradectl.config.knob import Section, group, knob
from tradectl.config.section_trading import SYMBOL, SYMBOL_SAYS

D = Decimal

_registry = partial(knob, step="market registry", available=False)
_tier = partial(knob, step="gate liquidity; sizing")


class State(Section):
    path: str = knob(
        "data/{account}-{environment}.db", "path", "the store; {account} and {environment} are filled in", step="store"
    )


class Engine(Section):
    cycle_seconds: Decimal = knob(
        D(15), "seconds", "time between two cycles on a wall clock", step="engine", above=0, high=86400
    )
    protection_seconds: Decimal = knob(
        D(5),
        "seconds",
        "time between two protection passes",
        step="engine: protection pass",
        above=0,
        high=3600,
    )
    reconcile_seconds: int = knob(
        120, "seconds", "time between two reconciliations", step="engine: reconcile", low=1, high=86400
    )
    closed_trades_seconds: int = knob(
        300,
        "seconds",
        "fills are taken in at least this often, also while flat",
        step="execution: ingest",
        low=1,
        high=86400,
    )
    fetch_concurrency: int = knob(
        50, "count", "candle requests under way at one time", step="market feeds", low=1, high=1000, available=False
    )


class Rate(Section):
    per_minute: int = knob(
        1200,
        "count",
        "request weight in any minute",
        step="venue weight bucket",
        low=1,
        high=1000000,
        available=False,
        camel=True,
    )
    burst: int = knob(
        50, "count", "request weight at once", step="venue weight bucket", low=1, high=100000, available=False
    )


class Venue(Section):
    name: Literal["sim", "binanceusdm", "bybit", "zoomex", "krakenfutures"] = knob(
        "sim",
        "choice",
        "the exchange; sim is our own",
        step="venue",
        unavailable_values=("binanceusdm", "bybit", "zoomex", "krakenfutures"),
    )
    base_url: str | None = knob(
        None,
        "url",
        "a loopback address: a local simulated exchange in testnet mode",
        step="venue",
        available=False,
        camel=True,
    )
    recv_window_ms: int = knob(
        5000,
        "ms",
        "a signed request expires this long after its intent",
        step="execution: submit, fence drain",
        low=100,
        high=60000,
        camel=True,
    )
    max_clock_skew_ms: int = knob(
        1000,
        "ms",
        "difference of clocks beyond which no entry is made",
        step="gate fresh, fence drain",
        low=0,
        high=60000,
    )
    cancel_all_after_seconds: int | None = knob(
        None,
        "seconds",
        "dead-man switch: the venue cancels every order this long after the last sign of life, stops among them",
        step="venue",
        low=1,
        high=86400,
        available=False,
        camel=True,
    )
    rate: Rate = group(Rate)


class Execution(Section):
    read_backoff_seconds: tuple[Decimal, ...] = knob(
        (D(1), D(2), D(4)),
        "list",
        "waits between the tries of a failed read",
        step="venue retry",
        low=0,
        high=60,
    )
    symbol_spacing_ms: int = knob(
        500,
        "ms",
        "pause between two orders of one symbol; protective ones never wait",
        step="execution",
        low=0,
        high=60000,
    )


class Tiers(Section):
    a_min_volume_usd: Decimal = _tier(D(5_000_000), "usd", "24 h volume from which a market is tier A", low=0)
    b_min_volume_usd: Decimal = _tier(D(500_000), "usd", "24 h volume from which a market is tier B", low=0)
    c_min_volume_usd: Decimal = _tier(
        D(250_000), "usd", "24 h volume from which a market is tier C; below it nothing is entered", low=0
    )


class Market(Section):
    candidate_symbols: tuple[str, ...] = knob(
        (), "list", "markets to trade; empty means perps.symbol alone", step="cycle", pattern=SYMBOL, says=SYMBOL_SAYS
    )
    pinned: tuple[str, ...] = _tier(
        ("BTC", "ETH", "SOL", "DOGE", "BNB"), "list", "base assets (or symbols) whose markets are always tier A"
    )
    refresh_hours: Decimal = _registry(D(4), "hours", "time between two discoveries", above=0, high=720)
    shrink_floor: Decimal = _registry(
        D("0.5"), "fraction", "a discovery smaller than this share of the last is a venue fault", low=0, high=1
    )
    max_spread_pct: Decimal = knob(
        D("0.01"), "fraction", "no entry while the spread is wider", step="gate spread", above=0, high=1
    )
    tiers: Tiers = group(Tiers)


class Alerts(Section):
    per_type_seconds: int = knob(
        300,
        "seconds",
        "one alert per type and symbol in this time",
        step="alert sink",
        low=0,
        high=86400,
    )
    urgent: tuple[str, ...] = knob(
        ("KILL_SWITCH", "SYSTEM_HALTED", "AUTO_RECOVERY", "ESS_TRIPPED", "NAKED_POSITION"),
        "list",
        "types that are never held back",
        step="alert routing",
        available=False,
    )


class SimInstrument(Section):
    """A contract declared by the operator, where the table that ships has none for the symbol."""

    base: str = knob("", "name", "base asset; empty: the symbol without its quote", step="sim")
    quote: str = knob("USDT", "name", "quote asset", step="sim")
    tick_size: Decimal = knob(D("0.01"), "price", "smallest price difference", step="sim", above=0)
    qty_step: Decimal = knob(D("0.001"), "base", "smallest quantity difference", step="sim", above=0)
    min_qty: Decimal = knob(D("0.001"), "base", "smallest order", step="sim", above=0)
    min_notional: Decimal = knob(D(5), "quote", "smallest order value", step="sim", low=0)
    max_market_qty: Decimal = knob(D(100_000), "base", "largest market order", step="sim", above=0)
    max_leverage: Decimal = knob(D(50), "leverage", "largest leverage of the contract", step="sim", low=1, high=125)
    maintenance_rate: Decimal = knob(
        D("0.01"), "fraction", "maintenance margin, of the notional", step="sim", above=0, high="0.5"
    )
    start_price: Decimal = knob(D(100), "price", "first price where prices are generated", step="sim", above=0)


class Sim(Section):
    source: Literal["generated", "replay", "live"] = knob(
        "generated", "choice", "where prices come from", step="sim feed", unavailable_values=("live",)
    )
    seed: int = knob(
        7, "count", "seed of generated prices and every random choice", step="sim feed", low=0, high=2**63 - 1
    )
    start_balance: Decimal = knob(D(10_000), "quote", "wallet balance of a new exchange", step="sim", above=0)
    maker_fee: Decimal = knob(D("0.0002"), "fraction", "fee of resting fills", step="sim", low="-0.01", high="0.05")
    taker_fee: Decimal = knob(
        D("0.00055"), "fraction", "fee of market and stop fills", step="sim", low="-0.01", high="0.05"
    )
    slippage_bps: Decimal = knob(D(1), "bps", "how much worse market and stop fills are", step="sim", low=0, high=1000)
    funding_rate: Decimal = knob(
        D("0.0001"),
        "fraction",
        "paid by longs every 8 hours where a replay brings none",
        step="sim",
        low="-0.05",
        high="0.05",
    )
    instruments: Mapping[str, SimInstrument] = knob(
        {}, "table", "contracts beside the table that ships", step="sim", pattern=SYMBOL, says=SYMBOL_SAYS
    )
    clock: Literal["stepped", "wall"] = knob(
        "stepped", "choice", "who moves venue time: the bot, or the wall clock", step="sim clock"
    )


class LogKnobs(Section):
    path: str = knob("logs/trading.log", "path", "the log file", step="logs")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = knob(
        "INFO", "choice", "least level logged", step="logs"
    )
    format: Literal["text", "json"] = knob("text", "choice", "lines for eyes, or JSON lines", step="logs")
