"""`validate-config`: files read and held against every rule; and the same for what `run` is about to start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tradectl.config import secrets
from tradectl.config.load import Resolved, check
from tradectl.config.place import Fault, Place
from tradectl.config.schema import Config
from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.instrument import Instrument
from tradectl.domain.terms import Terms
from tradectl.errors import ConfigError, ExitCode, NotAvailable
from tradectl.operations import venue_terms
from tradectl.operations.venue_terms import market_told
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
class Online:
    """What came of `--online`. terms: what the venue told; None where nobody was asked, and `why` says so.

    skewed: this machine's clock is further from the venue's than an entry may be made with.
    """

    terms: Terms | None
    why: str = ""
    skewed: bool = False
    exit_code: ExitCode = ExitCode.OK


@dataclass(frozen=True, slots=True)
class Checked:
    """One configuration: its files (one, or layers), and what was found. `verdict` is None where it does not load,
    `resolved` and `market` too. online: None where nobody wanted it."""

    name: str
    files: tuple[str, ...]
    faults: tuple[Unreadable, ...]
    verdict: Verdict | None
    notices: tuple[str, ...] = ()
    resolved: Resolved | None = None
    market: Market | None = None
    online: Online | None = None

    @property
    def errors(self) -> int:
        return len(self.faults) + (self.verdict.errors if self.verdict else 0)

    @property
    def warnings(self) -> int:
        """Of the rules, and a clock too far from the venue's."""
        skewed = self.online is not None and self.online.skewed
        return (self.verdict.warnings if self.verdict else 0) + skewed


def plan(
    named: Iterable[Path],
    layers: Iterable[Path],
    mode: str | None,
    *,
    online: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Checked, ...]:
    """Each file named on its own, a folder's files each on their own; none named: the layers, as `run` takes them.

    online: the venue that each names is asked for its terms; `tell` hears of it beforehand, for it may take a while.
    """
    named = tuple(named)
    ask = _Asker(tell) if online else None
    if not named:
        together = tuple(str(one) for one in layers)
        return (_checked(" + ".join(together) or DEFAULTS, together, mode, ask),)
    found: list[Checked] = []
    for one in named:
        found.extend(_folder(one, mode, ask) if one.is_dir() else [_checked(str(one), (str(one),), mode, ask)])
    return tuple(found)


def exit_code(checked: Iterable[Checked], *, strict: bool) -> ExitCode:
    """The worst: errors and a refused key, then a venue that did not tell all it was asked, then warnings."""
    every = tuple(checked)
    asked = {one.online.exit_code for one in every if one.online is not None}
    if ExitCode.REFUSED in asked or any(one.errors for one in every):
        return ExitCode.REFUSED
    if ExitCode.BUSY in asked:
        return ExitCode.BUSY
    return ExitCode.DRIFT if strict and any(one.warnings for one in every) else ExitCode.OK


def judged(resolved: Resolved, mode: str | None) -> Verdict:
    """Raises ConfigError when the file that should hold the secrets cannot be trusted or read."""
    meant = mode or evident_mode(resolved.config)
    return judge(resolved, meant, market_of(resolved.config, os.environ, meant))


def market_of(config: Config, environ: Mapping[str, str], mode: str, terms: Terms | None = None) -> Market:
    """What stands outside the configuration: the simulated exchange's own settings where it is the venue, otherwise
    what the venue told."""
    channels = channels_of(config, environ) if mode in LIVE_MODES else ()
    if config.venue.name != "sim":
        return market_told(terms, config.symbols(), channels) if terms is not None else Market(channels=channels)
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
        unlisted={
            symbol: "its table has no such contract, and the configuration declares none"
            for symbol in config.symbols()
            if symbol not in known
        },
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


def _folder(folder: Path, mode: str | None, ask: _Asker | None) -> list[Checked]:
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
    return [_checked(str(one), (str(one),), mode, ask) for one in files]


def _checked(name: str, files: tuple[str, ...], mode: str | None, ask: _Asker | None) -> Checked:
    outcome = check(files)
    if outcome.resolved is None:
        return _unread(name, files, outcome.faults)
    resolved = outcome.resolved
    meant = mode or evident_mode(resolved.config)
    try:
        asked = ask.of(resolved.config) if ask is not None else None
        market = market_of(resolved.config, os.environ, meant, asked.terms if asked is not None else None)
    except ConfigError as error:
        fault = Unreadable(error.where or name, error.what, error.why, error.hint)
        return Checked(name, files, (fault,), None)
    verdict = judge(resolved, meant, market)
    return Checked(name, files, (), verdict, resolved.notices, resolved, market, asked)


class _Asker:
    """Asks each venue once for the same account and markets, however many configurations name it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: dict[object, Terms | None] = {}

    def of(self, config: Config) -> Online:
        """Raises ConfigError when the file that should hold the secrets cannot be trusted or read."""
        same = (config.venue, config.account, config.perps.use_testnet, config.symbols())
        key = tuple(str(one) for one in same)
        if key not in self._told:
            if config.venue.name != "sim":
                count = len(config.symbols())
                self._tell(f"asking {config.venue.name} about {count} market{'s' * (count != 1)} …")
            try:
                self._told[key] = venue_terms.ask(config, os.environ)
            except NotAvailable as error:
                return Online(None, f"{error.what}: {error.hint}", exit_code=ExitCode.REFUSED)
        terms = self._told[key]
        if terms is None:
            return Online(None, "nobody to ask: the simulated exchange's terms stand in the configuration")
        return Online(terms, "", venue_terms.skewed(terms, config), venue_terms.exit_code(terms))


def _unread(name: str, files: tuple[str, ...], faults: tuple[Fault, ...]) -> Checked:
    return Checked(name, files, tuple(Unreadable(str(f.place or name), f.what, f.why, f.hint) for f in faults), None)
