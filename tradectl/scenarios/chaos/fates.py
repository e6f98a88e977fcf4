"""What becomes of each call, by chance: rare in most worlds, frequent in some, nothing once the faults have stopped."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tradectl.scenarios.wire import Fate
from tradectl.sim.faults import (
    CONDITIONAL,
    ORDERS,
    POSITIONS,
    REFUSALS,
    Answer,
    Call,
    Distort,
    DropRequest,
    Fault,
    LoseAnswer,
    Refuse,
    Thin,
)

SNAPSHOT = ("account", POSITIONS, ORDERS, CONDITIONAL)


@dataclass
class Weather:
    """How bad the network is now. Shared by all processes; `outage` is a venue that nobody reaches."""

    chance: float = 0.0
    lies: float = 0.0  # share of faulty reads that come back wrong instead of failing
    outage: bool = False
    ambush: Callable[[Call], Fate] | None = None  # what waits for an entry that is sent
    entries_first: int = 0  # that it lets by: an entry may have several slices
    over: bool = False  # the faults have stopped
    drawn: int = 0  # calls that something has gone wrong with


@dataclass
class RandomFates:
    """Draws the fate of each call of one process."""

    dice: random.Random
    weather: Weather

    def of(self, call: Call) -> Fate:
        ambush = self.weather.ambush
        if (
            ambush is not None
            and not self.weather.over
            and call.name == "place"
            and call.subject.split(".")[2:3] == ["en"]
        ):
            self.weather.entries_first -= 1
            if self.weather.entries_first < 0:
                self.weather.ambush = None
                return ambush(call)
        return self._draw(call)

    def _draw(self, call: Call) -> Fate:
        dice, weather = self.dice, self.weather
        out_ms, back_ms = dice.randint(5, 80), dice.randint(5, 80)
        if weather.outage:
            return Fate(out_ms=out_ms, back_ms=back_ms, fault=DropRequest("the venue is not there"))
        if weather.over or dice.random() >= weather.chance:
            return Fate(out_ms=out_ms, back_ms=back_ms)
        weather.drawn += 1
        if not call.changes:
            return Fate(out_ms=out_ms, back_ms=back_ms, fault=self._of_a_read(call))
        kind = dice.random()
        if kind < 0.15:  # a frozen process, mid-send
            return Fate(stall_ms=dice.randint(500, 15_000), out_ms=out_ms, back_ms=back_ms)
        if kind < 0.25:  # a request that takes its time
            return Fate(out_ms=dice.randint(500, 40_000), back_ms=back_ms)
        if kind < 0.35:  # a connection that breaks while the request is on its way
            return Fate(out_ms=dice.randint(200, 4_900), back_ms=back_ms, abandon_ms=dice.randint(20, 150))
        if kind < 0.40 and call.name == "cancel":
            return Fate(out_ms=out_ms, back_ms=back_ms, twice=True)
        return Fate(out_ms=out_ms, back_ms=back_ms, fault=self._of_a_change(call))

    def _of_a_change(self, call: Call) -> Fault:
        dice = self.dice
        kind = dice.random()
        if kind < 0.3:
            return LoseAnswer()
        if kind < 0.6:
            return DropRequest()
        if call.name == "cancel" and kind < 0.75:
            return Refuse("order_not_found", "no such order") if dice.random() < 0.5 else Answer("order_not_found", "-")
        if call.name == "place" and kind < 0.75:
            return Thin(dice.choice([0.0, 0.3, 0.6]))
        code, message = REFUSALS[dice.choice(sorted(REFUSALS))]
        return Refuse(code, message, retry_after_ms=dice.randint(1, 20) * 1000 if code == "rate_limited" else None)

    def _of_a_read(self, call: Call) -> Fault:
        dice = self.dice
        if dice.random() < self.weather.lies:
            lie = self._lie(call)
            if lie is not None:
                return lie
        kind = dice.random()
        if kind < 0.4:
            return DropRequest()
        if kind < 0.7:
            return LoseAnswer()
        if kind < 0.85:
            return Refuse("rate_limited", "too many requests", retry_after_ms=dice.randint(1, 10) * 1000)
        return Refuse("server_error", "internal error")

    def _lie(self, call: Call) -> Distort | None:
        """A complete answer that is not the truth, of a kind that this call can give."""
        dice = self.dice
        stale, cut = Distort(stale_ms=dice.randint(1, 40) * 1000), Distort(lacks=dice.randint(0, 5))
        if call.name == POSITIONS:
            empty = Distort(empty=frozenset({POSITIONS}))
            return dice.choice([stale, empty, cut, Distort(reversed_=True), Distort(no_liquidation=True)])
        if call.name in (ORDERS, CONDITIONAL):
            empty = Distort(empty=frozenset({ORDERS, CONDITIONAL}))
            return dice.choice([stale, empty, cut, Distort(reversed_=True)])
        if call.name == "account_events":
            hole = Distort(hole=dice.randint(1, 3))
            return dice.choice([Distort(tail=dice.randint(1, 3)), hole, Distort(reversed_=True), stale])
        if call.name in ("account", "ticker", "candles"):
            return stale
        return None
