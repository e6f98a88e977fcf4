"""What cannot be protected: how long that is borne, and what is done then (`on_unprotectable`).

A stop that the venue refuses is tried again in the next pass. Once the grace after start-up is over, refusals in
`strikes` passes in a row are an emergency; what passes by itself (a limit of requests, a venue that is busy, a request
that came too late) is none. Then a position of ours is closed reduce-only, or trading is halted; and it is halted where
the close fails too. A level that the market has passed already is an emergency at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tradectl import logs
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import exit_drafts
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed, Rejected
from tradectl.domain.position import PositionFact, Side
from tradectl.domain.system_state import Latch, LatchName
from tradectl.domain.tags import Tag
from tradectl.execution.protected import ProtectionRules
from tradectl.execution.submit import Door, Submitted
from tradectl.store import latches, outbox, safety
from tradectl.store.database import Database

_log = logs.get("execution.unprotectable")
CLOSES = 2  # passes in a row that a close fails, before trading is halted
SCOPE = "protection"  # the invariant that it is
_TYPE = Tag.SAFETY_HALT.value.lower()


@dataclass(slots=True)
class Strikes:
    """What a bot remembers from pass to pass, by leg. started_ms: when it started, venue clock; None: long ago."""

    started_ms: int | None = None
    refused: dict[tuple[str, Side], int] = field(default_factory=dict)  # passes in a row
    unclosed: dict[tuple[str, Side], int] = field(default_factory=dict)
    struck: set[tuple[str, Side]] = field(default_factory=set)  # in this pass already

    def next_pass(self) -> None:
        self.struck.clear()

    def forget(self, position: PositionFact) -> None:
        """It is covered, or gone."""
        self.refused.pop((position.symbol, position.side), None)
        self.unclosed.pop((position.symbol, position.side), None)

    def close_failed(self, position: PositionFact) -> bool:
        """Whether that was once too often."""
        leg = (position.symbol, position.side)
        self.unclosed[leg] = self.unclosed.get(leg, 0) + 1
        return self.unclosed[leg] >= CLOSES


def borne(
    strikes: Strikes | None, rules: ProtectionRules, position: PositionFact, refusal: Rejected, now_ms: int
) -> str:
    """Counts the refusal that one pass ended in, and says why it is borne for now; '' when it is an emergency.

    Without a memory of earlier passes it never is.
    """
    if refusal.transient:
        return "that passes by itself"
    if strikes is None:
        return "the bot decides when it is an emergency"
    if strikes.started_ms is not None and now_ms - strikes.started_ms < rules.grace_ms:
        return "the bot has just started"
    leg = (position.symbol, position.side)
    if leg not in strikes.struck:
        strikes.struck.add(leg)
        strikes.refused[leg] = strikes.refused.get(leg, 0) + 1
    if strikes.refused[leg] < rules.strikes:
        return f"refused in pass {strikes.refused[leg]} of {rules.strikes} in a row that are an emergency"
    return ""


@dataclass(frozen=True, slots=True)
class Close:
    """An attempt to close. `last`: what the last order came to."""

    sent: Sequence[Submitted]
    filled: Decimal

    @property
    def last(self) -> Submitted:
        return self.sent[-1]

    @property
    def nothing_known(self) -> bool:
        """Nothing has filled, and the last order has not reached the book."""
        return not self.filled and (self.last.outcome is None or isinstance(self.last.outcome, Rejected))

    def sentence(self, reason: str, size: Decimal, rest: Decimal, *, closed: bool) -> str:
        """rest: what the books do not have of it."""
        said = f"unprotectable position {'closed' if closed else 'NOT closed'}: {reason}; {self.last.sentence()}"
        if not closed:
            said += f", {text(self.filled)} of {text(size)} filled"
        if rest:
            said += f"; the books do not have the other {text(rest)} of it, which is left as it is"
        return said


async def close(door: Door, position: PositionFact, size: Decimal, instrument: Instrument, reason: str) -> Close:
    """Reduce-only market orders for `size` of it, permitted in every state."""
    drafts = exit_drafts(position.symbol, position.side, size, instrument, f"unprotectable: {reason}")
    sent = await door.submit_slices(drafts, last_resort=True)
    return Close(sent, sum((one.outcome.order.filled_qty for one in sent if isinstance(one.outcome, Confirmed)), ZERO))


def halt(db: Database, position: PositionFact, sentence: str, *, wall_ms: int, now_ms: int) -> None:
    """A halt of our own, with its alert, in one transaction; one that is set already stays as it is."""
    symbol, said = position.symbol, f"UNPROTECTABLE: {sentence}"
    with db.transaction() as conn:
        standing = latches.get(conn, LatchName.HALT, SCOPE)
        fresh = standing is None
        latch = standing or Latch(LatchName.HALT, SCOPE, "bot", wall_ms, said)
        if fresh:
            latches.set_latch(conn, latch)
            safety.note_halt(conn)
        said_ms = outbox.last_ms(conn, _TYPE, symbol)
        if fresh or said_ms is None or now_ms - said_ms >= outbox.REPEAT_MS:
            context = {"symbol": symbol, "qty": text(abs(position.qty)), **latch.told}
            outbox.put(conn, at_ms=now_ms, type=_TYPE, symbol=symbol, urgent=True, text=said, context=context)
    _log.emit(Tag.SAFETY_HALT, said, latch.told, level=50 if fresh else 40, symbol=symbol)
