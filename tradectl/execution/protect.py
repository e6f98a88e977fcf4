"""Every position covered (promise 5). A halt never blocks this.

Each pass looks at the venue's own orders: a position whose stops cover less than all of it gets the missing stop at
once. When the stop's level is already passed, or the venue keeps refusing it, a position of ours is closed reduce-only
rather than left naked (`unprotectable`); one that nobody can explain is only reported. Stops that are too many, or
looser than planned, make way for the right ones: place, confirm, then cancel. What a position left behind is cancelled
once venue and books agree that it is gone. Before it alarms or closes, it looks at the venue once more; a stop or exit
of unknown outcome is waited for until its window has passed (promise 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tradectl import logs
from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import Intent, IntentDraft, Purpose, cancel_draft, stop_drafts
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import Confirmed, OrderFact, Rejected
from tradectl.domain.position import Coverage, PositionFact
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.errors import EntryRefused, ToolError, TradectlError, VenueUnreachable
from tradectl.execution import naked, unprotectable
from tradectl.execution.admission import RACED
from tradectl.execution.no_room import enlarge, move
from tradectl.execution.protected import Look, look_at, note
from tradectl.execution.protected import Protected as Protected
from tradectl.execution.protected import ProtectionRules as ProtectionRules
from tradectl.execution.stop_level import already_passed, arrange, level_of, placeable
from tradectl.execution.submit import ORDER_NOT_FOUND, TOO_MANY_STOPS, Door, Submitted
from tradectl.execution.unprotectable import Strikes
from tradectl.execution.whose import Owner, Whose, held_of, ours_of, owner, purpose_of
from tradectl.store import intents, positions
from tradectl.store.database import Database

_log = logs.get("execution.protect")
TRIES = 2  # of a refused stop, in one pass
_REPORTED = "nothing of ours explains it, and such positions are only reported"
_LEFT_BEHIND = (Purpose.STOP, Purpose.TP1, Purpose.TP2)


async def protect(
    db: Database,
    door: Door,
    snapshot: Snapshot,
    open_trades: Mapping[str, OpenTrade],
    instruments: Mapping[str, Instrument],
    rules: ProtectionRules,
    now_ms: int,
    *,
    strikes: Strikes | None = None,
    wall_ms: int = 0,
) -> Protected:
    """One pass over every position at the venue, ours or not explained: none stays naked unseen.

    strikes: what earlier passes came to; without it no refusal makes an emergency, and nothing is halted.
    wall_ms: this machine's clock, for a latch.
    An error of our own on one of them is raised again once all the others have been looked at.
    """
    with db.read() as conn:
        managed = positions.alive(conn)
        flying = positions.flying(conn)
        whose = owner(conn, rules.store_tag, snapshot.orders)
        doubtful = intents.in_doubt(conn)
    guard = _Pass(db, door, instruments, rules, managed, flying, open_trades, doubtful, now_ms, strikes, wall_ms)
    if strikes is not None:
        strikes.next_pass()
    for legs in snapshot.several_legs().values():
        naked.legs(db, legs, snapshot.orders, now_ms)
    faults: list[Exception] = []
    for position in snapshot.positions:
        try:
            if position.qty:
                await guard.one(look_at(snapshot, position), snapshot, whose)
        except Exception as error:
            if isinstance(error, TradectlError) and not isinstance(error, ToolError):
                raise  # store, venue or lease: everybody's
            naked.fault(db, position, error, now_ms)
            faults.append(error)
    await guard.cancel_left_behind(snapshot, whose)
    if faults:
        raise faults[0]
    return guard.result


class _Pass:
    """One pass, with what the books knew when it began."""

    def __init__(
        self,
        db: Database,
        door: Door,
        instruments: Mapping[str, Instrument],
        rules: ProtectionRules,
        managed: Mapping[str, Managed],
        flying: Mapping[str, Decimal],
        trades: Mapping[str, OpenTrade],
        doubtful: Sequence[Intent],
        now_ms: int,
        strikes: Strikes | None,
        wall_ms: int,
    ) -> None:
        self._db = db
        self._door = door
        self._instruments = instruments
        self._rules = rules
        self._managed = managed
        self._flying = flying
        self._trades = trades
        self._doubtful = doubtful
        self._now_ms = now_ms
        self._strikes = strikes
        self._wall_ms = wall_ms
        self._before_look = tuple(doubtful)
        self._newest: dict[str, int] = {}  # symbol → its newest stop when it was looked at
        self.result = Protected({}, {}, {})

    def _forget(self, position: PositionFact) -> None:
        if self._strikes is not None:
            self._strikes.forget(position)

    async def one(self, seen: Look, snapshot: Snapshot, whose: Owner) -> None:
        symbol = seen.position.symbol
        trade = self._trade(seen.position)
        if seen.covered:
            naked.end(self._db, trade, self._now_ms)
            self._forget(seen.position)
            if symbol in self._instruments:
                await self._put_in_order(seen, snapshot, whose)
            return
        if self._only_reported(seen.position) and trade is not None and trade.naked_since_ms is not None:
            note(self.result.reported, seen.position, _REPORTED)  # said when it began; no request helps it
            return
        # What is about to be alarmed about is looked at again: an operator may have closed it since the snapshot.
        with self._db.read() as conn:
            self._newest[symbol] = intents.newest_stop(conn, symbol)
            self._before_look = intents.in_doubt(conn)
        look = await self._look_again(seen)
        if look is None or look.covered:
            self._forget(seen.position)
        if look is None:
            note(self.result.gone, seen.position, "its position was closed meanwhile")
        elif look.covered:
            naked.end(self._db, trade, self._now_ms)
        elif symbol in self._instruments:
            naked.begin(self._db, look.position, trade, look.cover, self._now_ms)
            await self._cover(look)
        else:
            naked.begin(self._db, look.position, trade, look.cover, self._now_ms, more=naked.UNLISTED)
            note(self.result.naked, look.position, naked.UNLISTED)

    def _trade(self, position: PositionFact) -> OpenTrade | None:
        """The ledger's of that leg."""
        trade = self._trades.get(position.symbol)
        return trade if trade is not None and trade.side is position.side else None

    def _ours(self, position: PositionFact) -> Managed | None:
        symbol = position.symbol
        flying = self._flying.get(symbol, ZERO)
        return ours_of(position, self._managed.get(symbol), self._trades.get(symbol), flying)

    def _only_reported(self, position: PositionFact) -> bool:
        return not self._rules.unexplained and self._ours(position) is None

    def _wanted(self, position: PositionFact, cover: Coverage) -> Decimal:
        instrument = self._instruments[position.symbol]
        ours, trade = self._ours(position), self._trade(position)
        return level_of(position, ours, trade, instrument, self._rules.stop_loss_pct, cover.loosest_price).price

    async def _put_in_order(self, look: Look, snapshot: Snapshot, whose: Owner) -> None:
        """A covered position whose stops of ours are too many, or looser than planned. The books must agree on it."""
        position, symbol = look.position, look.position.symbol
        ours, trade = self._ours(position), self._trade(position)
        if trade is None or trade.lot.qty != position.qty or snapshot.doubts:
            return
        if self._only_reported(position):
            return
        wanted = self._wanted(position, look.cover) if ours is not None and ours.stop_price is not None else None
        if wanted is not None and already_passed(position.side, wanted, position.mark_price):
            wanted = None  # what is there covers; a tighter level through which the market has gone is not placed
        plan = arrange(position, snapshot.orders_of(symbol), wanted, whose.ours)
        instrument = self._instruments[symbol]
        if plan.done or self._awaited(look.at_ms, symbol, (Purpose.STOP, Purpose.AMEND, Purpose.CANCEL)) is not None:
            return
        if ZERO < plan.place < instrument.min_qty or (wanted is None and plan.place and not plan.cancel):
            return
        stays = [order for order in look.stops if order not in plan.cancel]
        if plan.cancel and not await self._door.stand(stays):
            return  # the list may show a stop that is gone: nothing makes way for it
        if plan.place:
            stands = look.cover.loosest_price
            assert stands is not None, "a covered position has a stop"
            tighter = wanted is not None and (wanted - stands) * position.side.sign > 0
            price = wanted if tighter and wanted is not None else stands  # by itself, never looser than what stands
            why = f"stops rearranged: {text(plan.place)} at {text(price)}"
            held = abs(position.qty)
            drafts = stop_drafts(
                symbol, position.side, plan.place, price, self._rules.trigger_by, instrument, why, held=held
            )
            sent = await self._door.submit_slices(drafts)
            last = sent[-1].outcome
            if isinstance(last, Rejected) and last.code == TOO_MANY_STOPS:
                moved = await move(self._door, drafts[len(sent) - 1 :], plan.cancel, instrument.max_market_qty)
                if moved is not None:
                    note(self.result.placed, position, text(moved))
                return
            if not isinstance(last, Confirmed):
                return  # the old ones stand
            note(self.result.placed, position, text(price))
            _log.emit(Tag.SAFETY_STOP_PLACED, why, symbol=symbol)
        for order in plan.cancel:
            await self._cancel(order, "another stop stands in its place")

    async def _cancel(self, order: OrderFact, why: str) -> None:
        """A cancel that fails is said, and nothing waits for it: the stop that counts stands already."""
        sent = await self._door.submit(cancel_draft(order.symbol, order.side, order.order_id, why))
        if isinstance(sent.outcome, Rejected) and sent.outcome.code != ORDER_NOT_FOUND:
            _log.emit(Tag.SAFETY_STOP_CANCEL_FAILED, f"{order.order_id}: {sent.sentence()}; {why}", symbol=order.symbol)

    async def _look_again(self, known: Look) -> Look | None:
        """The position as the venue has it now; None: it is gone. A read that fails tells nothing new (promise 4)."""
        symbol = known.position.symbol
        try:
            snapshot = await self._door.look()
        except VenueUnreachable as error:
            _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"no fresh look: {error.what}", level=30, symbol=symbol)
            return known
        position = snapshot.position(symbol, known.position.side)
        if position is None or not position.qty:
            return None
        return look_at(snapshot, position)

    def _awaited(self, look_ms: int, symbol: str, purposes: Sequence[Purpose]) -> Intent | None:
        """An order of that kind without an outcome that may have come too late for a look at `look_ms`, or may yet.

        A new attempt follows the old one's known outcome (promise 3). Once the old one has expired, a complete look
        taken after that shows whether it is there, even where `resolve` could not search for it: no position waits
        longer.
        """
        with self._db.read() as conn:
            doubtful = intents.in_doubt(conn)
        # What was in doubt before that look and is not now may have come too late for it all the same.
        for intent in {one.number: one for one in (*self._before_look, *doubtful)}.values():
            if intent.symbol == symbol and intent.purpose in purposes:
                if look_ms <= intent.expires_ms + self._rules.max_skew_ms:
                    return intent
        return None

    def _wait(self, intent: Intent) -> None:
        sentence = (
            f"the outcome of {intent.purpose.value} order {intent.client_id} is awaited until its window has passed"
        )
        self.result.waiting[intent.symbol] = sentence
        _log.emit(Tag.SAFETY_UNKNOWN_ORDER, sentence, level=20, symbol=intent.symbol, client_id=intent.client_id)

    async def _cover(self, look: Look) -> None:
        position, cover = look.position, look.cover
        symbol, side = position.symbol, position.side
        if self._only_reported(position):
            note(self.result.reported, position, _REPORTED)
            return
        ours = self._ours(position)
        instrument = self._instruments[symbol]
        missing = abs(position.qty) - cover.covered_qty
        qty = placeable(position, missing, instrument)
        if not qty:  # nor could it be closed: orders that are bound to be refused help nobody
            dust = f"it is dust, below the venue's smallest order {text(instrument.min_qty)}"
            note(self.result.naked, position, dust)
            return
        price = self._wanted(position, cover)
        if already_passed(side, price, position.mark_price):
            reason = f"stop level {text(price)} already passed (mark {text(position.mark_price)})"
            await self._close(look, reason)
            return
        if (awaited := self._awaited(look.at_ms, symbol, (Purpose.STOP, Purpose.AMEND))) is not None:
            self._wait(awaited)
            return
        why = f"{cover.protection.value}: missing stop placed"
        drafts = stop_drafts(symbol, side, qty, price, self._rules.trigger_by, instrument, why, held=abs(position.qty))
        try:
            submitted = await self._place(drafts)
        except EntryRefused as refusal:
            if refusal.code != RACED:
                raise
            self.result.waiting[symbol] = refusal.what
            return
        if isinstance(submitted.outcome, Confirmed):
            self._forget(position)
            note(self.result.placed, position, text(price))
            planned = ours.stop_price if ours is not None else None
            moved = f" instead of {text(planned)}, beyond liquidation" if planned not in (None, price) else ""
            sentence = f"missing stop placed at {text(price)}{moved}"
            _log.emit(Tag.SAFETY_STOP_PLACED, sentence, symbol=symbol, qty=text(qty))
            for order in cover.beyond:
                if self._is_our_stop(order):
                    await self._cancel(order, "it lay beyond liquidation")
            return
        if await self._enlarge(look, missing, submitted):
            return
        if not isinstance(submitted.outcome, Rejected) or submitted.intent.state.in_doubt:
            note(self.result.naked, position, submitted.sentence())
            return  # nothing is known to have failed: the next pass asks the venue first
        now = await self._look_again(look)  # reduce-only is refused as well where the position is gone
        if now is None or now.covered:
            self._forget(position)
            note(self.result.gone, position, "its position was closed or covered meanwhile")
            return
        refused = submitted.sentence()
        why = unprotectable.borne(self._strikes, self._rules, now.position, submitted.outcome, self._now_ms)
        if not why:
            await self._close(now, f"the venue keeps refusing its stop ({refused})")
            return
        sentence = f"its stop is not placed yet: {refused}; it is tried again, {why}"
        note(self.result.naked, position, sentence)
        if self._strikes is not None:
            naked.repeat(self._db, now.position, f"{symbol}: {sentence}", self._now_ms)

    async def _enlarge(self, look: Look, missing: Decimal, refused: Submitted) -> bool:
        """Where the venue takes no more stops, one of ours takes what is missing too. True: it does, or may."""
        if not isinstance(refused.outcome, Rejected) or refused.outcome.code != TOO_MANY_STOPS:
            return False
        symbol, mine = look.position.symbol, [order for order in look.stops if self._is_our_stop(order)]
        level, awaited = await enlarge(self._door, mine, missing, self._instruments[symbol].max_market_qty)
        if level is not None:
            note(self.result.placed, look.position, text(level))
        if awaited is not None:
            self._wait(awaited)
        return level is not None or awaited is not None

    async def _place(self, drafts: Sequence[IntentDraft]) -> Submitted:
        """The stops, each one refused tried once more as a new intent: one late request ends no position."""
        seen = self._newest.get(drafts[0].symbol, 0)
        for _ in range(TRIES):
            sent = await self._door.submit_slices(drafts, seen=seen)
            seen = sent[-1].intent.number
            if not isinstance(sent[-1].outcome, Rejected):
                break
            drafts = drafts[len(sent) - 1 :]
        return sent[-1]

    async def _close(self, look: Look, reason: str) -> None:
        """On `unprotectable`: our own position is closed. One that nobody can explain is reported (promise 6)."""
        position = look.position
        symbol, size = position.symbol, held_of(position, self._trade(position))
        if self._ours(position) is None or not size:
            sentence = f"unprotectable position NOT closed, nothing of ours explains it: {reason}"
            note(self.result.naked, position, sentence)
            naked.repeat(self._db, position, sentence, self._now_ms)
            return
        if not self._rules.close:
            sentence = f"{symbol} is unprotectable and NOT closed, as configured: {reason}"
            note(self.result.naked, position, sentence)
            self._halt(position, sentence)
            return
        if (awaited := self._awaited(look.at_ms, symbol, (Purpose.EXIT, Purpose.CLOSE))) is not None:
            self._wait(awaited)
            return
        done = await unprotectable.close(self._door, position, size, self._instruments[symbol], reason)
        closed, rest = done.filled >= size, abs(position.qty) - size
        if not closed and await self._look_again(look) is None:
            self._forget(position)
            if done.nothing_known:
                note(self.result.gone, position, "its position was closed meanwhile")  # by somebody else: no alarm
                return
            closed, rest = True, ZERO
        sentence = done.sentence(reason, size, rest, closed=closed)
        note(self.result.closed if closed and not rest else self.result.naked, position, sentence)
        naked.alarm(self._db, position, sentence, done.last.intent.created_ms)
        if closed:
            self._forget(position)
        elif not done.filled and self._strikes is not None and self._strikes.close_failed(position):
            self._halt(position, f"{symbol}: {sentence}")

    def _halt(self, position: PositionFact, sentence: str) -> None:
        if self._strikes is None:
            return  # the bot's own pass does
        note(self.result.halted, position, sentence)
        unprotectable.halt(self._db, position, sentence, wall_ms=self._wall_ms, now_ms=self._now_ms)

    async def cancel_left_behind(self, snapshot: Snapshot, whose: Owner) -> None:
        """Cancels stops and targets of ours whose position is gone: as venue and books both say (promises 4 and 6)."""
        held = {position.symbol for position in snapshot.positions if position.qty}
        if snapshot.doubts:
            return
        for order in snapshot.orders:
            symbol = order.symbol
            if symbol in held or symbol in self._trades or symbol in self._managed or not order.reduces:
                continue
            if any(intent.symbol == symbol for intent in self._doubtful):
                continue  # an entry that may be arriving has its stop with it
            found = whose.of(order)
            if found is Whose.ATTACHED or (found is Whose.OURS and purpose_of(order) in _LEFT_BEHIND):
                await self._cancel(order, "its position is gone")

    def _is_our_stop(self, order: OrderFact) -> bool:
        return Owner(self._rules.store_tag, frozenset()).of(order) is Whose.OURS and purpose_of(order) is Purpose.STOP
