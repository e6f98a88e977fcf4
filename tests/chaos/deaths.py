"""Small worlds, drawn by hand, and bots that die in them: the n-th bot at the n-th of the chosen steps.

A step is everything that a process does: each statement that changes its store, each commit, each request that leaves
and each answer that comes back. A bot that has died is followed by another on the same files, as a service manager
has it, and the checker outside watches all of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tradectl.config.schema import Config
from tradectl.scenarios.chaos import draw, run
from tradectl.scenarios.chaos.draw import PRICES, Drawn, Happening
from tradectl.scenarios.chaos.run import Verdict, run_seed
from tradectl.scenarios.machine import Steps
from tradectl.scenarios.world import START_MS, World
from tradectl.sim.instruments import listed

SOL = "SOLUSDT"
ACTIVE_MINUTES, SETTLE_MINUTES = 7, 3
AGAIN = (2, 9, 17, 24, 31, 38, 45, 52, 60, 75, 110)  # steps of a recovery, and of the first cycle after it
CONFIG: dict[str, Any] = {
    "account": "deaths",
    "engine": {"cycle_seconds": 15, "reconcile_seconds": 60},
    "perps": {
        "symbol": SOL,
        "interval": "1m",
        "fast_period": 1,
        "slow_period": 2,
        "stop_loss_pct": "0.006",
        "risk_pct": "0.005",
        "early_exit_on_cross": True,
        "max_requests_per_second": 20,
        "max_requests_per_minute": 900,
    },
    "risk": {"signal_cooldown_hours": 0},
    "trading": {"max_daily_risk": "1"},
    "risk_management": {
        "crisis_mode": {
            "drawdown_threshold": "1", "volatility_multiplier": 1000, "atr_period": 2, "lookback_bars": 10,
        }
    },
    "exits": {
        "targets": [{"distance_r": "0.5", "fraction": "0.5"}, {"distance_r": 3, "fraction": "0.5"}],
        "trailing_activation_atr_min": "0.0005",
    },
    "market": {"candidate_symbols": [SOL]},
}  # fmt: skip


def _at(minute: int, second: int, kind: str, who: str, **args: Any) -> Happening:
    at_ms = START_MS + minute * 60_000 + second * 1_000
    return Happening(at_ms, kind, who, {"symbol": SOL, "override": True, **args})


def _world(
    seed: int, *happenings: Happening, chance: float = 0.0, slice_qty: str = "", venue: dict[str, Any] | None = None
) -> Drawn:
    instrument = listed({})[SOL]
    if slice_qty:
        instrument = replace(instrument, max_market_qty=Decimal(slice_qty))
    return Drawn(seed, Config.model_validate(CONFIG), {SOL: instrument}, PRICES, chance, 0.0, happenings, venue or {})


WORLDS = {
    "a quiet network": _world(7),  # stops moved to break-even and along, a stop-out, an early exit
    "answers that are lost": _world(139, chance=0.09),  # orders in doubt; a position that ends with its last target
    "a venue that attaches no stops": _world(47, chance=0.09, venue={"attaches_brackets": False}),
    "a kill switch": _world(  # while a slice of an entry is on its way and its answer lost; cleared; closed by hand
        2,
        _at(1, 50, "ambush", "machine", then="killswitch", abandon_ms=50, out_ms=2_000),
        _at(3, 30, "clear", "operator"),
        _at(5, 40, "close", "operator"),
        slice_qty="15",
    ),
}


@dataclass
class Lived:
    """What a world came to. `bots`: the steps of each bot that was started, in order."""

    verdict: Verdict
    bots: list[Steps] = field(default_factory=list)


def live(name: str, *deaths: int, keep: Path | None = None) -> Lived:
    """Lives through one of the worlds; its first bot dies at the first of these steps, and so on."""
    with short_lives(), dying(deaths) as bots:
        return Lived(run_seed(WORLDS[name].seed, drawn=WORLDS[name], keep=keep), bots)


@contextmanager
def dying(deaths: Sequence[int]) -> Iterator[list[Steps]]:
    """Numbers the steps of every bot that is started, and says at which of them it dies."""
    bots: list[Steps] = []
    start = World.start_bot

    def numbered(self: World, fates: Any, steps: Any = None, **changed: Any) -> Any:
        place = len(bots)
        bots.append(Steps(fatal=deaths[place] if place < len(deaths) else 0, log=[]))
        return start(self, fates, bots[place], **changed)

    with patch.object(World, "start_bot", numbered):
        yield bots


@contextmanager
def short_lives() -> Iterator[None]:
    """Minutes instead of a quarter of an hour, and nothing written to the log."""
    with ExitStack() as stack:
        for module in (draw, run):
            stack.enter_context(patch.object(module, "ACTIVE_MINUTES", ACTIVE_MINUTES))
            stack.enter_context(patch.object(module, "SETTLE_MINUTES", SETTLE_MINUTES))
        level = logging.root.manager.disable
        logging.disable(logging.WARNING)
        stack.callback(logging.disable, level)
        yield


def steps_of(name: str) -> list[str]:
    """The steps of a bot that lives through a world."""
    log = live(name).bots[0].log
    assert log is not None
    return log


def born(log: Sequence[str]) -> int:
    """The step from which on there is a store."""
    return next(number for number, step in enumerate(log, 1) if step.startswith("INSERT INTO lease"))


def kind_of(step: str) -> str:
    """What a step is, whatever order or row it is about."""
    return re.sub(r"(tdc\.\w+\.\w+)\.\d+", r"\1", re.sub(r"\bo\d+\b", "o", " ".join(step.split())))


def spread(log: Sequence[str], count: int) -> list[int]:
    """About `count` steps from all over a life: of half of them the kinds differ, the others are equally far apart.

    The making of the store is one kind.
    """
    begins = born(log)
    last = sorted({kind_of(step): number for number, step in enumerate(log, 1) if number > begins}.values())
    half = count // 2
    kinds = {last[place * len(last) // half] for place in range(half)}
    return sorted({begins // 2, *kinds, *(place * len(log) // half + 1 for place in range(half))})
