"""`validate-config`: files read and held against every rule; and the same for what `run` is about to start."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tradectl.config import secrets
from tradectl.config.load import Resolved, check
from tradectl.config.place import Fault, Place
from tradectl.config.schema import Config
from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.instrument import Instrument
from tradectl.errors import ConfigError, ExitCode
from tradectl.validation.facts import LIVE_MODES, Market, evident_mode
from tradectl.validation.judge import Verdict, judge

ENDINGS = (".yaml", ".yml", ".toml")
DEFAULTS = "built-in defaults"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file cannot be judged: a fault where it was read. `where` is file:line:column as far as known."""

    where: str
    says: str
    why: str
    change: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One configuration: its files (one, or layers), and what was found. `verdict` is None where it does not load,
    `resolved` too."""

    name: str
    files: tuple[str, ...]
    faults: tuple[Unreadable, ...]
    verdict: Verdict | None
    notices: tuple[str, ...] = ()
    resolved: Resolved | None = None

    @property
    def errors(self) -> int:
        return len(self.faults) + (self.verdict.errors if self.verdict else 0)

    @property
    def warnings(self) -> int:
        return self.verdict.warnings if self.verdict else 0


def plan(named: Iterable[Path], layers: Iterable[Path], mode: str | None) -> tuple[Checked, ...]:
    """Each file named on its own, a folder's files each on their own; none named: the layers, as `run` takes them."""
    named = tuple(named)
    if not named:
        together = tuple(str(one) for one in layers)
        return (_checked(" + ".join(together) or DEFAULTS, together, mode),)
    found: list[Checked] = []
    for one in named:
        found.extend(_folder(one, mode) if one.is_dir() else [_checked(str(one), (str(one),), mode)])
    return tuple(found)


def exit_code(checked: Iterable[Checked], *, strict: bool) -> ExitCode:
    every = tuple(checked)
    if any(one.errors for one in every):
        return ExitCode.REFUSED
    return ExitCode.DRIFT if strict and any(one.warnings for one in every) else ExitCode.OK


def judged(resolved: Resolved, mode: str | None) -> Verdict:
    """Raises ConfigError when the file that should hold the secrets cannot be trusted or read."""
    meant = mode or evident_mode(resolved.config)
    return judge(resolved, meant, market_of(resolved.config, os.environ, meant))


def market_of(config: Config, environ: Mapping[str, str], mode: str) -> Market:
    """What stands outside the configuration: the simulated exchange's own settings where it is the venue."""
    channels = channels_of(config, environ) if mode in LIVE_MODES else ()
    if config.venue.name != "sim":
        return Market(channels=channels)
    from tradectl.risk.context import Costs
    from tradectl.sim.instruments import listed

    sim, costs = config.sim, Costs.simulated(config)
    known = listed(sim.instruments)
    traded = {symbol: known[symbol] for symbol in config.symbols() if symbol in known}
    prices = {}
    if sim.source == "generated":
        for symbol, one in traded.items():
            prices[symbol] = first_price(config, one)
    return Market(
        taker_fee=costs.taker_fee,
        slippage=costs.slippage,
        funding=sim.funding_rate,
        equity=sim.start_balance,
        instruments=traded,
        prices=prices,
        channels=channels,
    )


def first_price(config: Config, instrument: Instrument) -> Decimal:
    """Where the simulated exchange begins with it."""
    from tradectl.sim.prices import path_model

    declared = config.sim.instruments.get(instrument.symbol)
    return path_model(config.sim.seed, instrument, MINUTE_MS, declared.start_price if declared else None).start


def channels_of(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What an alert could be pushed through, by the names in the environment. Asked only where it counts: a paper run
    needs no secret."""
    found = secrets.read(config.account, environ)
    hook = ("ALERT_WEBHOOK_URL",) if found.alert_webhook_url else ()
    chat = ("TELEGRAM_BOT_TOKEN",) if found.telegram_bot_token and found.telegram_chat_id else ()
    return hook + chat


def _folder(folder: Path, mode: str | None) -> list[Checked]:
    try:
        files = sorted(one for one in folder.iterdir() if one.suffix.lower() in ENDINGS)
    except OSError as error:
        fault = Fault(Place(str(folder)), "the folder cannot be read", error.strerror or "", "check its owner and mode")
        return [_unread(str(folder), (str(folder),), (fault,))]
    if not files:
        fault = Fault(
            Place(str(folder)), "there is no configuration in this folder", "", "name one with .yaml or .toml"
        )
        return [_unread(str(folder), (str(folder),), (fault,))]
    return [_checked(str(one), (str(one),), mode) for one in files]


def _checked(name: str, files: tuple[str, ...], mode: str | None) -> Checked:
    outcome = check(files)
    if outcome.resolved is None:
        return _unread(name, files, outcome.faults)
    try:
        verdict = judged(outcome.resolved, mode)
        return Checked(name, files, (), verdict, outcome.resolved.notices, outcome.resolved)
    except ConfigError as error:
        fault = Unreadable(error.where or name, error.what, error.why, error.hint)
        return Checked(name, files, (fault,), None)


def _unread(name: str, files: tuple[str, ...], faults: tuple[Fault, ...]) -> Checked:
    return Checked(name, files, tuple(Unreadable(str(f.place or name), f.what, f.why, f.hint) for f in faults), None)
