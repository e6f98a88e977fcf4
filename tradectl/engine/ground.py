"""What a bot stands on: a venue, its clock, and how its market moves. The embedded exchange is one, a wire another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tradectl.domain.instrument import Instrument
from tradectl.domain.ports import Clock, Venue


class Ground(Protocol):
    """Implementations are given to `assemble`; nothing else in the engine knows which one it is."""

    @property
    def venue(self) -> Venue: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def pace_clock(self) -> Clock:
        """The clock that waits for a turn use."""

    @property
    def wall(self) -> bool:
        """Time moves by itself: cycles follow the clock, not the candles."""

    @property
    def symbols(self) -> tuple[str, ...]: ...

    @property
    def interval(self) -> str:
        """The candle that the market moves by, by name."""

    @property
    def instruments(self) -> Mapping[str, Instrument]: ...

    @property
    def notices(self) -> tuple[str, ...]:
        """What an operator should be told of the market."""

    def market_ms(self) -> int:
        """How far prices are known."""

    def last_event_seq(self) -> int:
        """The newest event that the venue has; books that know a later one belong to another exchange."""

    def step(self) -> bool:
        """Moves a market that this process moves on by one candle; False at its end. Raises VenueUnreachable."""

    def close(self) -> None: ...
