"""Pure: closed candles in, a signal (or the reasons for none) out. A file per strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tradectl.domain.candle import Candle
from tradectl.domain.position import Side
from tradectl.domain.signal import NoSignal, Signal


class Strategy(Protocol):
    """`evaluate` reads closed candles only, oldest first, and at most the last `needs` of them."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> int:
        """How many closed candles it takes to have an opinion."""

    @property
    def sides(self) -> frozenset[Side]:
        """The directions it trades."""

    def evaluate(self, symbol: str, candles: Sequence[Candle]) -> Signal | NoSignal: ...
