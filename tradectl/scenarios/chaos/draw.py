"""From a seed to a world and what happens in it: everything that is drawn is drawn here, before anything runs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from tradectl.config.schema import Config
from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.instrument import Instrument
from tradectl.scenarios.chaos.own import Own
from tradectl.scenarios.world import START_MS
from tradectl.sim.instruments import listed
from tradectl.sim.state import FOR_EVER, HALTED, REDUCE_ONLY, WHILE_OPEN

PRICES = {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3_000), "SOLUSDT": Decimal(150)}
ACTIVE_MINUTES = 14
SETTLE_MINUTES = 5
TURNOVER = Decimal(1_000_000)  # a market that an operator chose trades; how much of it an entry may be is its own limit
# What is done while an entry is on its way.
AMBUSHES = ("killswitch", "killswitch", "kill", "pause", "buy", "sell", "close", "close_all", "flatten")
LOTS = (60, 300, 300, 2_500)  # what a person trades at a time, in quote currency
OPERATORS = (
    "killswitch", "killswitch", "killswitch_flatten", "clear", "pause", "resume", "close", "close_part", "second_bot",
    "place_missing", "place_missing", "tighten", "loosen", "reconcile", "reconcile", "adopt", "cancel_order", "flatten",
)  # fmt: skip
PEOPLE = (
    "buy", "sell", "close_all", "cancel_stop", "cancel_target", "resting", "own_stop", "other_store", "deposit",
    "withdraw",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens at a moment of true time."""

    at_ms: int
    kind: str
    who: str  # 'operator', 'person', 'venue', 'machine'
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One world, as a seed gives it."""

    seed: int
    config: Config
    instruments: dict[str, Instrument]
    prices: dict[str, Decimal]
    chance: float
    lies: float
    happenings: tuple[Happening, ...]
    venue: dict[str, Any] = field(default_factory=dict)  # the exchange's own rules, where they are not the usual ones
    turnover: Decimal | None = None  # of each market in a minute, in quote currency

    @property
    def calm_ms(self) -> int:
        """When the faults stop."""
        return START_MS + ACTIVE_MINUTES * MINUTE_MS

    @property
    def minutes(self) -> int:
        return ACTIVE_MINUTES + SETTLE_MINUTES


def draw(seed: int, own: Own | None = None) -> Drawn:
    """The world of a seed. own: around an operator's configuration, instead of one that is drawn as well."""
    if own is not None:
        return _around(seed, own)
    dice = random.Random(f"{seed}:world")
    symbols = sorted(dice.sample(sorted(PRICES), dice.choice([1, 1, 2, 3])))
    table = listed({})
    instruments = {symbol: _sliced(dice, table[symbol], PRICES[symbol]) for symbol in symbols}
    nerves = random.Random(f"{seed}:safety")
    config = _nervous(nerves, _config(dice, symbols))
    return Drawn(
        seed=seed,
        config=config,
        instruments=instruments,
        prices={symbol: PRICES[symbol] for symbol in symbols},
        chance=dice.choice([0.0, 0.01, 0.02, 0.05, 0.12]),
        lies=dice.choice([0.0, 0.3, 0.6]),
        happenings=tuple(
            sorted(
                [*_happenings(dice, symbols), *_halting(nerves, config, symbols)], key=lambda one: (one.at_ms, one.kind)
            )
        ),
        venue=_venue(random.Random(f"{seed}:venue"), symbols),
    )


def _around(seed: int, own: Own) -> Drawn:
    dice, nerves = random.Random(f"{seed}:world"), random.Random(f"{seed}:safety")
    count = min(dice.choice([1, 1, 2, 3]), len(own.instruments))
    symbols = sorted(dice.sample(sorted(own.instruments), count))
    happenings = [*_happenings(dice, symbols), *_halting(nerves, own.config, symbols)]
    return Drawn(
        seed=seed,
        config=own.config,
        instruments={symbol: _sliced(dice, own.instruments[symbol], own.prices[symbol]) for symbol in symbols},
        prices={symbol: own.prices[symbol] for symbol in symbols},
        chance=dice.choice([0.0, 0.01, 0.02, 0.05, 0.12]),
        lies=dice.choice([0.0, 0.3, 0.6]),
        happenings=tuple(sorted(happenings, key=lambda one: (one.at_ms, one.kind))),
        venue=_venue(random.Random(f"{seed}:venue"), symbols),
        turnover=TURNOVER,
    )


def _venue(dice: random.Random, symbols: list[str]) -> dict[str, Any]:
    """Venues differ: in whether entries carry brackets, in how long a client id is taken, in room for stops."""
    found: dict[str, Any] = {"client_ids": dice.choice([WHILE_OPEN, FOR_EVER])}
    if dice.random() < 0.3:
        found["attaches_brackets"] = False
    if dice.random() < 0.2:
        found["max_conditional_orders"] = 2 * len(symbols)
    return found


def _sliced(dice: random.Random, instrument: Instrument, price: Decimal) -> Instrument:
    """In some worlds an entry takes several orders."""
    if dice.random() < 0.6:
        return instrument
    most = instrument.floor_qty(Decimal(dice.choice([900, 1500, 2500])) / price)
    return replace(instrument, max_market_qty=max(most, instrument.min_qty))


def _config(dice: random.Random, symbols: list[str]) -> Config:
    targets = [{"distance_r": 1, "fraction": "0.5"}, {"distance_r": 2, "fraction": "0.5"}]
    exits: dict[str, Any] = {}
    if dice.random() < 0.5:
        exits = {"targets": targets, "break_even_after_tp1": dice.random() < 0.7}
        if dice.random() < 0.5:
            exits["trailing_activation_atr_min"] = "0.0005"
    return Config.model_validate(
        {
            "account": "chaos",
            "engine": {"cycle_seconds": dice.choice([5, 10, 15]), "reconcile_seconds": dice.choice([30, 60, 120])},
            "perps": {
                "symbol": symbols[0],
                "interval": "1m",
                "fast_period": 1,
                "slow_period": dice.choice([2, 3, 4]),
                "stop_loss_pct": dice.choice(["0.004", "0.006", "0.010"]),
                "take_profit_pct": dice.choice(["0.006", "0.009"]),
                "risk_pct": dice.choice(["0.002", "0.005"]),
                "leverage": dice.choice([3, 5, 20]),
                "margin_mode": dice.choice(["isolated", "isolated", "isolated", "cross"]),
                "early_exit_on_cross": dice.random() < 0.4,
                "max_requests_per_second": 20,
                "max_requests_per_minute": 900,
            },
            "risk": {"signal_cooldown_hours": 0, "max_concurrent_positions": dice.choice([1, 2, 10])},
            "trading": {"max_daily_risk": dice.choice(["0.05", "1"])},
            "risk_management": {
                "crisis_mode": {
                    "drawdown_threshold": "1",
                    "volatility_multiplier": 1000,
                    "atr_period": 2,
                    "lookback_bars": 10,
                }
            },
            "exits": exits,
            "market": {"candidate_symbols": symbols},
            # Worlds are short: an emergency is not delayed for as long as it is by default.
            "safety": {
                "protection": {"unexplained": dice.choice(["protect", "protect", "report"]), "grace_seconds": 15}
            },
        }
    )


def _nervous(dice: random.Random, config: Config) -> Config:
    """The safety machine with bounds that are met in a quarter of an hour, in some worlds."""
    changed: dict[str, Any] = {"engine": {"protection_seconds": dice.choice([3, 5, 10])}}
    changed["ess"] = {"cooldown_minutes": dice.choice([1, 1, 2])}
    if dice.random() < 0.4:
        bound = dice.choice(["0.05", "0.10", "0.20"])
        changed["safety"] = {
            "max_margin_utilization_pct": bound,
            "degraded_margin_utilization_pct": dice.choice([bound, "0.04"]),
            "auto_recovery": {"after_seconds": dice.choice([5, 20, 60]), "below_margin_utilization_pct": bound},
        }
    if dice.random() < 0.3:
        changed["ess"] |= {
            "max_execution_errors": dice.choice([2, 3, 5]),
            "max_daily_drawdown_pct": dice.choice(["0.002", "0.01"]),
            "max_open_loss_pct": dice.choice(["0.002", "0.01"]),
        }
    tree = config.model_dump()
    for section, values in changed.items():
        for name, value in values.items():
            tree[section][name] = {**tree[section][name], **value} if isinstance(value, dict) else value
    return Config.model_validate(tree)


def _halting(dice: random.Random, config: Config, symbols: list[str]) -> list[Happening]:
    """An emergency stop that somebody trips and re-arms, too early as well, with a clock that is set meanwhile; halts
    that somebody clears; a policy that changes."""
    found: list[Happening] = []
    last_ms = ACTIVE_MINUTES * MINUTE_MS - 30_000

    def add(at_ms: int, kind: str, who: str = "operator", **args: Any) -> None:
        common = {"symbol": symbols[0], "override": dice.random() < 0.5, "dies_at": 0, "pick": dice.random()}
        found.append(Happening(START_MS + min(at_ms, last_ms), kind, who, {**common, **args}))

    if dice.random() < 0.3:
        at = dice.randint(60_000, last_ms // 2)
        add(at, "ess_trip")
        if dice.random() < 0.5:
            add(at + dice.randint(5_000, 50_000), "clock", "machine", offset_ms=dice.choice([90_000, 3_600_000]))
        if dice.random() < 0.3:
            add(at + dice.randint(5_000, 50_000), "kill", "machine")
        for _ in range(3):
            add(at + dice.randint(20_000, 200_000), "ess_reset")
    for _ in range(dice.choice([0, 1, 2])):
        add(dice.randint(60_000, last_ms), dice.choice(["ess_reset", "clear", "clear"]))
    if dice.random() < 0.2:
        add(dice.randint(20_000, last_ms), "policy")
    if config.safety.max_margin_utilization_pct < Decimal("0.5") and dice.random() < 0.7:
        # Once it halts, its margin is freed while an order of a process that died is in doubt.
        wait_ms = config.safety.auto_recovery.after_seconds * 1000 + dice.randint(-4_000, 4_000)
        dies = dice.choice(["send place", "receive place"])
        add(1_000, "once_halted", "machine", wait_ms=max(wait_ms, 0), dies_as_it=dies, share=1.0, usd=300)
    return found


def _happenings(dice: random.Random, symbols: list[str]) -> list[Happening]:
    found: list[Happening] = []

    def at() -> int:
        return START_MS + dice.randint(20_000, ACTIVE_MINUTES * MINUTE_MS - 30_000)

    for _ in range(dice.choice([0, 1, 2, 4])):
        found.append(Happening(at(), "kill", "machine", {"back_ms": dice.choice([100, 3_000, 20_000, 90_000])}))
    for _ in range(dice.choice([0, 0, 1, 2])):
        found.append(Happening(at(), "clock", "machine", {"offset_ms": dice.choice([-3_600_000, -2_000, 700, 90_000])}))
    for _ in range(dice.choice([0, 0, 1, 2])):
        kind = dice.choice(["locked", "full", "readonly"])
        found.append(Happening(at(), "disk", "machine", {"disk": kind, "for_ms": dice.randint(5, 60) * 1000}))
    for _ in range(dice.choice([0, 1, 1, 2])):
        where = dice.choice(["stall_ms", "out_ms"])  # a frozen process, or a slow network
        args = {"then": dice.choice(AMBUSHES), where: dice.choice([300, 2_000, 4_500, 7_000, 30_000]), "override": True}
        args["abandon_ms"] = dice.choice([50, 10_000])
        args |= {"entries_first": dice.choice([0, 0, 1]), "share": 1.0, "usd": dice.choice(LOTS)}
        found.append(Happening(at(), "ambush", "machine", {**args, "symbol": symbols[0]}))
    for _ in range(dice.choice([0, 0, 1])):
        found.append(Happening(at(), "outage", "venue", {"for_ms": dice.randint(5, 50) * 1000}))
    for _ in range(dice.choice([0, 0, 1, 2])):
        found.append(Happening(at(), "cancels_stop", "venue", {"symbol": dice.choice(symbols)}))
    for _ in range(dice.choice([0, 0, 0, 1])):
        args = {"symbol": dice.choice(symbols), "status": dice.choice([HALTED, REDUCE_ONLY])}
        found.append(Happening(at(), "status", "venue", {**args, "for_ms": dice.randint(5, 120) * 1000}))
    for _ in range(dice.choice([0, 0, 1, 3])):
        args = {"symbol": dice.choice(symbols), "share": dice.choice([0.3, 0.5, 1.0]), "usd": dice.choice(LOTS)}
        found.append(Happening(at(), dice.choice(PEOPLE), "person", args))
    for _ in range(dice.choice([0, 0, 1, 2])):  # a stop goes, and two set out to put it back
        moment, args = at(), {"symbol": dice.choice(symbols), "share": 1.0}
        found.append(Happening(moment, "cancel_stop", "person", args))
        later = moment + dice.randint(0, 8_000)
        found.append(Happening(later, "place_missing", "operator", {**args, "pick": dice.random(), "dies_at": 0}))
    for _ in range(dice.choice([0, 1, 2, 4])):
        args = {"symbol": dice.choice(symbols), "override": dice.random() < 0.7}
        args["dies_at"] = dice.choice([0, 0, 0, 0, dice.randint(1, 40)])
        args["pick"] = dice.random()
        found.append(Happening(at(), dice.choice(OPERATORS), "operator", args))
    return found
