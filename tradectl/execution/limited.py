"""The door of live_limited: whatever gates and sizing have thought, no entry beyond these limits is recorded.

They are read where nothing can have gone round them: from the store in the recording transaction, and from the last
look at the venue, so that they scale with every change of the balance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.candle import day_start_ms
from tradectl.domain.intent import IntentDraft
from tradectl.domain.limited import LIVE_LIMITED, Limited
from tradectl.domain.money import ZERO, percent
from tradectl.domain.risk_state import RiskState, first_state, observe_equity
from tradectl.domain.signal import Sized
from tradectl.domain.snapshot import Snapshot
from tradectl.errors import EntryRefused
from tradectl.store import intents, ledger, positions, risk
from tradectl.store.connection import Connection


@dataclass(slots=True)
class LimitedDoor:
    """attached: the venue takes an entry with its stop. last: the newest look at the venue."""

    limits: Limited
    attached: bool
    last: Snapshot | None = None

    def observe(self, snapshot: Snapshot) -> None:
        self.last = snapshot

    def admit(self, conn: Connection, draft: IntentDraft) -> None:
        """Raises EntryRefused."""
        assert draft.sized is not None, "an entry is drafted from a Sized and nothing else"
        why = next(self._refusals(conn, draft, draft.sized), "")
        if why:
            raise EntryRefused(
                f"live_limited refuses the entry: {why}",
                code=LIVE_LIMITED,
                where=draft.symbol,
                why="these limits stand below everything else in this mode",
                hint="live_limited.* in the configuration; every change wants a new preflight",
            )

    def _refusals(self, conn: Connection, draft: IntentDraft, sized: Sized) -> Iterator[str]:
        limits, seen, symbol = self.limits, self.last, draft.symbol
        if seen is None or seen.equity <= 0:
            yield "the account's equity is not known" if seen is None else "equity is not above zero"
            return
        stop, reference = sized.stop_price, sized.reference_price
        if stop <= 0 or (reference - stop) * sized.side.sign <= 0 or (self.attached and draft.stop is None):
            yield "it has no stop"
        notional = max(self._held(conn, seen, draft) * reference, sized.notional)  # also before its first slice
        if notional > limits.max_position * seen.equity:
            yield (
                f"a position of {notional:.2f} is {percent(notional / seen.equity)} of equity "
                f"(limit {percent(limits.max_position)})"
            )
        held = self._symbols(conn, seen) | {symbol}
        if len(held) > limits.max_positions:
            yield f"{len(held)} positions with this one (limit {limits.max_positions})"
        lost = _daily_loss(conn, seen)
        if lost >= limits.max_daily_loss:
            yield f"the day has lost {percent(lost)} (limit {percent(limits.max_daily_loss)})"
        else:
            yield from self._room(conn, seen, sized, lost)

    def _held(self, conn: Connection, seen: Snapshot, draft: IntentDraft) -> Decimal:
        """What the symbol holds, or may hold already, and this order."""
        assert draft.qty is not None
        at_venue = seen.position(draft.symbol)
        trade = ledger.open_trade(conn, draft.symbol)
        known = max(abs(at_venue.qty) if at_venue is not None else ZERO, abs(trade.lot.qty) if trade else ZERO)
        return known + abs(positions.flying(conn).get(draft.symbol, ZERO)) + draft.qty

    def _symbols(self, conn: Connection, seen: Snapshot) -> set[str]:
        found = {position.symbol for position in seen.positions if position.qty}
        found.update(order.symbol for order in seen.orders if order.can_add_exposure and order.status.open)
        found.update(ledger.open_trades(conn), positions.alive(conn))
        found.update(intent.symbol for intent in intents.in_doubt(conn) if intent.purpose.adds_exposure)
        return found

    def _room(self, conn: Connection, seen: Snapshot, sized: Sized, lost: Decimal) -> Iterator[str]:
        """The loss at its stop must fit into what is left of the day."""
        base = _counters(conn, seen).day_start_equity
        left = (self.limits.max_daily_loss - lost) * base
        if sized.risk_amount > left:
            yield f"its loss at the stop {sized.risk_amount:.2f} does not fit into the day's {left:.2f} left"


def _counters(conn: Connection, seen: Snapshot) -> RiskState:
    """The day's, moved on to that look; over a midnight since, by the stricter of the two readings."""
    stored = risk.load(conn)
    if stored is None:
        return first_state(seen.equity, seen.at_ms)
    realised = ledger.realised_since(conn, day_start_ms(seen.at_ms))
    return observe_equity(stored, seen.equity, seen.at_ms, realised, 0)


def _daily_loss(conn: Connection, seen: Snapshot) -> Decimal:
    return _counters(conn, seen).daily_loss(seen.equity)
