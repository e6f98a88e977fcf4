"""What `--online` asks of the venue that a configuration names, and what the rules get to know from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tradectl.config import secrets
from tradectl.config.schema import Config
from tradectl.domain.money import CURRENCY
from tradectl.domain.terms import Missing, Terms
from tradectl.errors import ExitCode
from tradectl.validation.facts import Market

FAILED = (Missing.UNREACHABLE, Missing.NOT_UNDERSTOOD)


def ask(config: Config, environ: Mapping[str, str]) -> Terms | None:
    """None: the venue is the simulated exchange, whose terms are in the configuration.

    A key goes only where the configuration trades with it: to the venue's own address, or, in testnet mode, to an
    address of this machine. Raises NotAvailable for a venue that tradectl does not speak with, ConfigError when the
    file that should hold the secrets cannot be trusted or read.
    """
    if config.venue.name == "sim":
        return None
    import asyncio

    from tradectl.operations.opening import wall_ms
    from tradectl.venue import terms
    from tradectl.venue.client import Address, Keys

    venue, testnet = config.venue, config.perps.use_testnet
    found = secrets.read(config.account, environ)
    keys = Keys(found.api_key, found.api_secret) if found.api_key and found.api_secret else None
    if venue.base_url is not None and not testnet:
        keys = None  # TC19: an error of its own
    pauses = config.execution.read_backoff_seconds
    return asyncio.run(
        terms.ask(
            Address(venue.name, testnet, venue.base_url),
            config.symbols(),
            CURRENCY,
            keys,
            recv_window_ms=venue.recv_window_ms,
            wall_ms=wall_ms,
            pause_seconds=float(pauses[0]) if pauses else 0.0,
        )
    )


def market_told(terms: Terms, symbols: Iterable[str], channels: tuple[str, ...]) -> Market:
    """Of several markets the worst: the highest fee, the widest spread, the largest payment of funding. Where one of
    them is untold, so is the worst. Slippage is half the spread: a small order's, in a market that stands still."""
    wanted = [symbol for symbol in symbols if symbol not in terms.unlisted]
    spread = _worst(terms.spreads, wanted)
    return Market(
        taker_fee=_worst(terms.taker_fees, wanted),
        slippage=spread / 2 if spread is not None else None,
        funding=_worst({symbol: abs(rate) for symbol, rate in terms.funding.items()}, wanted),
        equity=terms.equity,
        instruments=terms.instruments,
        prices=terms.prices,
        channels=channels,
        unlisted=terms.unlisted,
        requests_per_minute=terms.requests_per_minute,
        conditional_orders=terms.conditional_orders,
    )


def _worst(told: Mapping[str, Decimal], symbols: list[str]) -> Decimal | None:
    found = [told[symbol] for symbol in symbols if symbol in told]
    return max(found) if found and len(found) == len(symbols) else None


def exit_code(terms: Terms | None) -> ExitCode:
    """REFUSED: the key. BUSY: something that was asked did not come."""
    missing = {one.missing for one in terms.untold} if terms is not None else set()
    if Missing.REFUSED in missing:
        return ExitCode.REFUSED
    return ExitCode.BUSY if missing.intersection(FAILED) else ExitCode.OK


def skewed(terms: Terms, config: Config) -> bool:
    """Whether this machine's clock is further from the venue's than an entry may be made with."""
    return terms.skew_ms is not None and abs(terms.skew_ms) > config.venue.max_clock_skew_ms
