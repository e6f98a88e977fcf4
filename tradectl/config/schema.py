"""Every knob there is, under the dotted key an operator writes (`config.perps.risk_pct` is `perps.riskPct`).

Each default stands here, or in the sections imported here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tradectl.config.knob import Section, group, knob
from tradectl.config.section_machine import (
    Alerts,
    Engine,
    Execution,
    LogKnobs,
    Market,
    Sim,
    SimInstrument,
    State,
    Venue,
)
from tradectl.config.section_safety import Ess, LiveLimited, Policy, Safety
from tradectl.config.section_trading import Confidence, Exits, Perps, Risk, RiskManagement, Target, Trading

__all__ = ["Confidence", "Config", "Perps", "Risk", "Sim", "SimInstrument", "Target"]


class Config(Section):
    """The whole configuration; `Config()` is the built-in defaults, which run in paper mode."""

    account: str = knob(
        "main",
        "name",
        "stamped into the store, and part of the secrets' names",
        step="store",
        pattern=r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}",
        says="up to 32 letters, digits, - and _",
    )
    state: State = group(State)
    engine: Engine = group(Engine)
    venue: Venue = group(Venue)
    perps: Perps = group(Perps)
    trading: Trading = group(Trading)
    risk_management: RiskManagement = group(RiskManagement)
    risk: Risk = group(Risk)
    exits: Exits = group(Exits)
    safety: Safety = group(Safety)
    ess: Ess = group(Ess)
    execution: Execution = group(Execution)
    market: Market = group(Market)
    alerts: Alerts = group(Alerts)
    policy: Policy = group(Policy)
    live_limited: LiveLimited = group(LiveLimited)
    sim: Sim = group(Sim)
    log: LogKnobs = group(LogKnobs)
    accept: Mapping[str, str] = knob(
        {},
        "table",
        "rules of `validate-config` whose fault is accepted, each with its reason; it is shown, and does not count",
        step="validate-config, run",
        pattern="TC(?:0[1-9]|1[0-9]|2[0-6])",
        says="the id of a rule, TC01 to TC26",
    )

    def store_path(self, environment: str) -> Path:
        """`state.path` with the account and the environment (paper, testnet or live) filled in."""
        return Path(self.state.path.replace("{account}", self.account).replace("{environment}", environment))

    def symbols(self) -> tuple[str, ...]:
        """The markets to trade: the candidates, or the one market of `perps.symbol`."""
        return self.market.candidate_symbols or (self.perps.symbol,)
