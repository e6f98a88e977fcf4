"""The instruments that a bot knows: those it was assembled with, and what the venue lists later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tradectl import logs
from tradectl.domain.instrument import Instrument
from tradectl.domain.ports import Clock, Venue
from tradectl.domain.tags import Tag
from tradectl.errors import VenueUnreachable

_log = logs.get("engine.listing")
REFRESH_MS = 60_000


class Listed(Mapping[str, Instrument]):
    """By symbol. What the venue does not list any more stays known: an order of its old size can still be tried."""

    def __init__(self, known: Mapping[str, Instrument]) -> None:
        self._known = dict(known)
        self._asked_ms: int | None = None

    def __getitem__(self, symbol: str) -> Instrument:
        return self._known[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    async def learn(self, symbols: Iterable[str], venue: Venue, clock: Clock) -> None:
        """Asks the venue for its list where one of these is not known, at most once a minute."""
        unknown = sorted({symbol for symbol in symbols if symbol not in self._known})
        if not unknown:
            return
        now_ms = clock.now_ms()
        if self._asked_ms is not None and now_ms - self._asked_ms < REFRESH_MS:
            return
        self._asked_ms = now_ms
        named = ", ".join(unknown)
        try:
            listed = await venue.instruments()
        except VenueUnreachable as error:
            said = f"the list of instruments could not be read for {named}: {error.what}"
            _log.emit(Tag.SAFETY_EXECUTION_ERROR, said, level=30)
            return
        self._known |= listed
        still = [symbol for symbol in unknown if symbol not in listed]
        if still:
            _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"the venue does not list {', '.join(still)}", level=30)
