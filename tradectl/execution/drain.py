"""The drain: after the fence, until no entry committed before it can reach the venue any more (promise 2).

Entries whose outcome is not known are asked for at the venue by client id; what is not found is waited for until its
request has expired by the venue's own clock (window + skew bound + 1 s at the longest) and searched for once more.
On a stepped simulated exchange the waiting moves server time and costs none on the wall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tradectl.domain.intent import Intent
from tradectl.domain.ports import Clock, Venue
from tradectl.errors import VenueUnreachable

MARGIN_MS = 1_000
_SLICE_MS = 500  # between two looks while waiting on a wall clock

ReadDoubtful = Callable[[], tuple[Intent, ...] | None]  # entries in doubt; None: the store cannot be read


@dataclass(frozen=True, slots=True)
class Windows:
    """How long the bot's requests live, and how far clocks may be apart."""

    recv_window_ms: int
    max_skew_ms: int

    @property
    def longest_ms(self) -> int:
        return self.recv_window_ms + self.max_skew_ms + MARGIN_MS


@dataclass(frozen=True, slots=True)
class Asked:
    """One entry that was in doubt. `settled`: it is known whether the venue has it, or that it never will."""

    client_id: str
    symbol: str
    settled: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Drained:
    entries: tuple[Asked, ...]
    waited_ms: int  # on the venue's clock
    complete: bool
    why: str = ""  # why it is not complete, or why all of the window was waited for


async def drain(read_doubtful: ReadDoubtful, venue: Venue, clock: Clock, windows: Windows, *, blind: str) -> Drained:
    """Waits until every entry recorded before the fence has an outcome or has expired.

    blind: why there may be entries that cannot be seen ('' when the latch was committed: then the store shows them
    all). A transaction under way when a halt file was left may still commit; its request was dated before that.
    Raises nothing for an unreachable venue: the answer is then incomplete, and says why.
    """
    started_ms = clock.now_ms()
    try:
        return await _drain(read_doubtful, venue, clock, windows, blind, started_ms)
    except VenueUnreachable as error:
        waited = clock.now_ms() - started_ms
        doubtful = read_doubtful() or ()
        entries = tuple(Asked(one.client_id, one.symbol, False, "the venue could not be asked") for one in doubtful)
        return Drained(entries, waited, False, error.what)


async def _drain(
    read_doubtful: ReadDoubtful, venue: Venue, clock: Clock, windows: Windows, blind: str, started_ms: int
) -> Drained:
    asked: dict[str, Asked] = {}
    until_ms = started_ms + windows.longest_ms if blind else 0
    while True:
        doubtful = read_doubtful()
        if doubtful is None:
            blind = blind or "the store cannot be read"
            until_ms = max(until_ms, started_ms + windows.longest_ms)
        open_entries = [one for one in doubtful or () if not _settled(asked.get(one.client_id))]
        for intent in open_entries:
            asked[intent.client_id] = await _ask(venue, intent)
        seen = {one.client_id for one in doubtful or ()}
        for client_id, one in asked.items():
            if doubtful is not None and client_id not in seen and not one.settled:
                asked[client_id] = replace(one, settled=True, sentence="settled by the bot meanwhile")
        waiting = [one for one in open_entries if not asked[one.client_id].settled]
        target_ms = max([until_ms, *(one.expires_ms + windows.max_skew_ms + MARGIN_MS for one in waiting)])
        now_ms = max(clock.now_ms(), 0)
        if now_ms >= target_ms:
            break
        await clock.sleep(min(target_ms - now_ms, _SLICE_MS) / 1000)
    for intent in waiting:
        asked[intent.client_id] = await _last_search(venue, intent)
    entries = tuple(asked.values())
    return Drained(entries, clock.now_ms() - started_ms, all(one.settled for one in entries), blind)


def _settled(asked: Asked | None) -> bool:
    return asked is not None and asked.settled


async def _ask(venue: Venue, intent: Intent) -> Asked:
    order = await venue.find_order(intent.symbol, intent.client_id)
    if order is None:
        return Asked(intent.client_id, intent.symbol, False, "not at the venue yet; its window is open")
    return Asked(intent.client_id, intent.symbol, True, f"the venue has it ({order.status.value})")


async def _last_search(venue: Venue, intent: Intent) -> Asked:
    """Expired: two complete searches that find nothing are the proof that it never arrived (promise 3)."""
    for _ in range(2):
        found = await _ask(venue, intent)
        if found.settled:
            return found
    return Asked(intent.client_id, intent.symbol, True, "it has expired and the venue does not have it")
