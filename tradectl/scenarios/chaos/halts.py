"""What halts trading, judged from outside: by the journal's order of commits, and by true time.

Whatever a latch forbids is not recorded while it stands, however often the bot was restarted since; a halt clears
itself only where that is allowed; a cooldown takes as long as it says, whatever this machine's clock does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tradectl.domain.emergency_stop import EssState
from tradectl.domain.intent import ClientId, IntentState, Purpose
from tradectl.domain.system_state import Latch, LatchName
from tradectl.store import journal, latches, safety
from tradectl.store.connection import Connection

PAGE = 100_000
TICK_MS = 2_000  # a state is looked at once a second
Finding = tuple[str, str]


def judged(conn: Connection, most_recoveries: int, reasons: tuple[str, ...]) -> Iterator[Finding]:
    """The journal told once more from its beginning: who set and cleared what, and what was recorded meanwhile."""
    active: dict[tuple[LatchName, str], str] = {}
    doubtful: set[str] = set()
    recoveries, last_seq = 0, -PAGE
    for row in journal.page(conn, limit=PAGE):
        if row.subject.startswith("latch:"):
            name, scope = LatchName(str(row.body["latch"])), str(row.body["scope"])
            if row.body["result"] == "set":
                active[name, scope] = str(row.body["reason"])
            if row.body["result"] != "cleared":
                continue  # set, or set already
            reason = active.pop((name, scope), "")
            if name is LatchName.HALT and row.actor == "bot":
                recoveries += row.seq - last_seq > 1  # several halts that cleared in one commit are one
                last_seq = row.seq
                yield from _recovered(row.subject, reason, reasons, active, doubtful)
        elif row.kind == "outcome":
            if not IntentState(str(row.body["to"])).in_doubt:
                doubtful.discard(row.subject)
        elif row.kind == "intent":
            doubtful.add(row.subject)
            parsed = ClientId.parse(row.subject)
            if parsed is not None and parsed.purpose is Purpose.ENTRY:
                for name, scope in active:
                    if Latch(name, scope, "", 0, "").forbids_entry(row.symbol):
                        yield "a latch holds", f"entry {row.subject} was recorded while {name.value} {scope} stood"
    if recoveries > most_recoveries:
        yield "a halt waits for a person", f"{recoveries} recoveries, {most_recoveries} are allowed in a day"
    standing = {(latch.name, latch.scope) for latch in latches.active(conn)}
    for name, scope in sorted(standing ^ active.keys()):
        where = "stands, and the journal does not know why" if (name, scope) in standing else "is gone without a word"
        yield "a latch holds", f"{name.value} {scope} {where}"


def _recovered(
    what: str,
    reason: str,
    reasons: tuple[str, ...],
    active: dict[tuple[LatchName, str], str],
    doubtful: set[str],
) -> Iterator[Finding]:
    law = "a halt waits for a person"
    if not reason.startswith(reasons):
        yield law, f"{what} cleared itself: {reason}"
    others = [name.value for name, _ in active if name is not LatchName.HALT]
    if others:
        yield law, f"{what} cleared itself while {', '.join(others)} stood"
    if doubtful:
        yield law, f"{what} cleared itself with {', '.join(sorted(doubtful))} in doubt"


@dataclass
class Cooldown:
    """Looks at the emergency stop once a second of true time."""

    minutes: int
    violate: Callable[[str, str], None]
    now_ms: Callable[[], int]
    state: EssState = EssState.ARMED
    since_ms: int = field(default=0)

    def look(self, conn: Connection) -> None:
        state = safety.ess(conn).state
        if state is self.state:
            return
        now_ms = self.now_ms()
        cooled_ms = now_ms - self.since_ms
        ended = self.state is EssState.COOLING_DOWN and state is not EssState.TRIPPED  # which begins it anew
        if ended and cooled_ms < self.minutes * 60_000 - TICK_MS:
            self.violate("a cooldown takes its time", f"re-armed after {cooled_ms} ms of {self.minutes} min")
        self.state, self.since_ms = state, now_ms
