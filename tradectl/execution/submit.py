"""The one door. An intent is committed before its request leaves, and the fence is checked in that same commit.

Promise 1 (write before act): record → send → outcome, never a resend.
Promise 2 (fence): latches, halt file and lease are read inside the recording transaction; the request's timestamp is
fixed before that check and the request is not sent once its window has passed.
Promise 3 (unknown stays unknown): anything but a clear answer blocks the symbol until `resolve` has evidence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradectl import logs
from tradectl.domain.intent import Intent, IntentDraft, IntentState, Purpose
from tradectl.domain.money import text
from tradectl.domain.order import Confirmed, OrderFact, Outcome, Rejected, Unknown
from tradectl.domain.ports import Clock, Venue
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import Latch, LatchName
from tradectl.domain.tags import Tag
from tradectl.errors import VenueUnreachable
from tradectl.execution.admission import admit
from tradectl.execution.limited import LimitedDoor
from tradectl.store import intents, latches, outbox, safety
from tradectl.store.connection import Connection
from tradectl.store.database import Database

_log = logs.get("execution.submit")

ORDER_NOT_FOUND = "order_not_found"
TOO_MANY_STOPS = "too_many_conditional"
_AT_ONCE = (
    Purpose.STOP,
    Purpose.CANCEL,
    Purpose.AMEND,
)  # between a symbol's orders there is a pause, but not for these


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a draft. `outcome` None: it was recorded but never sent, because its window had passed."""

    intent: Intent
    outcome: Outcome | None

    @property
    def confirmed(self) -> bool:
        return isinstance(self.outcome, Confirmed)

    def sentence(self) -> str:
        if isinstance(self.outcome, Confirmed):
            return "confirmed by the venue"
        if isinstance(self.outcome, Rejected):
            return f"rejected by the venue: {self.outcome.code} {self.outcome.message}".rstrip()
        if isinstance(self.outcome, Unknown):
            return f"outcome unknown: {self.outcome.reason}"
        return "not sent: its window had passed"


class Door:
    """Takes drafts and nothing else. The bot's door carries its lease epoch; an operator's carries epoch 0."""

    def __init__(
        self,
        db: Database,
        venue: Venue,
        clock: Clock,
        *,
        epoch: int,
        actor: str,
        recv_window_ms: int,
        spacing_ms: int = 0,
        turn: Callable[[], Awaitable[None]] | None = None,
        limited: LimitedDoor | None = None,
    ) -> None:
        self._db = db
        self._venue = venue
        self._clock = clock
        self._epoch = epoch
        self._actor = actor
        self._window_ms = recv_window_ms
        self._spacing_ms = spacing_ms
        self._turn = turn
        self.limited = limited
        # Symbol → when its last request expires, while its outcome has not been written: the store failed on the way.
        self.unsettled: dict[str, int] = {}

    async def submit(self, draft: IntentDraft, *, last_resort: bool = False, seen: int | None = None) -> Submitted:
        """Records, sends, and records the outcome.

        `last_resort` marks the bot's own closing of a position that cannot be protected, permitted in every state.
        `seen`, of a stop: the newest stop of its symbol when the position was looked at. Where somebody has recorded
        another since, this one is refused: two who cover a position at the same moment do not both place.
        Raises EntryRefused (nothing was recorded), StoreBusy or StoreUnwritable (nothing was sent).
        """
        if draft.purpose not in _AT_ONCE and not last_resort:
            await self._keep_apart(draft.symbol)
        if self._turn is not None and draft.purpose.adds_exposure:
            await self._turn()
        created_ms = self._clock.now_ms()
        with self._db.transaction() as conn:
            admit(conn, draft, store=self._db.path, epoch=self._epoch, last_resort=last_resort, seen=seen)
            if self.limited is not None and draft.purpose.adds_exposure:
                self.limited.admit(conn, draft)
            intent = intents.record(
                conn,
                draft,
                created_ms=created_ms,
                expires_ms=created_ms + self._window_ms,
                epoch=self._epoch,
                actor=self._actor,
            )
        if self._clock.now_ms() > intent.expires_ms:
            return Submitted(self._too_late(intent), None)
        self.unsettled[intent.symbol] = intent.expires_ms
        outcome = await self._send(intent)
        settled = self._settle(intent, outcome)
        self.unsettled.pop(intent.symbol, None)
        return Submitted(settled, outcome)

    async def _keep_apart(self, symbol: str) -> None:
        """Waits until the symbol's last order is at least the spacing old. What protects never waits for that."""
        with self._db.read() as conn:
            last_ms = intents.last_order_ms(conn, symbol)
        if last_ms is None:
            return
        wait_ms = last_ms + self._spacing_ms - self._clock.now_ms()
        if 0 < wait_ms <= self._spacing_ms:
            await self._clock.sleep(wait_ms / 1000)

    async def look(self) -> Snapshot:
        """The venue's picture now, for who is about to act on an older one. Raises VenueUnreachable."""
        return await self._venue.snapshot()

    async def stand(self, orders: Iterable[OrderFact]) -> bool:
        """Whether the venue, asked for each by its id, has it open: a list that lags shows some that are gone.

        What cannot be asked about is not known to stand (promise 4).
        """
        try:
            found = [await self._venue.order(order.symbol, order.order_id) for order in orders]
        except VenueUnreachable as error:
            _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"not known whether a stop stands: {error.what}", level=30)
            return False
        return all(order is not None and order.status.open for order in found)

    async def submit_slices(
        self, drafts: Sequence[IntentDraft], *, last_resort: bool = False, seen: int | None = None
    ) -> tuple[Submitted, ...]:
        """The slices of one exit or stop, one after another; the first that is not confirmed ends it. Never empty."""
        sent: list[Submitted] = []
        for draft in drafts:
            sent.append(await self.submit(draft, last_resort=last_resort, seen=seen))
            if not sent[-1].confirmed:
                break
            seen = sent[-1].intent.number if seen is not None else None
        return tuple(sent)

    async def prepare_symbol(self, symbol: str, leverage: Decimal, margin_mode: str) -> Rejected | Unknown | None:
        """Sets margin mode and leverage of a symbol without a position. None when both now stand as asked."""
        if await self._venue.margin_mode(symbol) != margin_mode:
            failed = await self._venue.set_margin_mode(symbol, margin_mode)
            if isinstance(failed, Rejected | Unknown):
                return failed
        if await self._venue.leverage(symbol) != leverage:
            failed = await self._venue.set_leverage(symbol, leverage)
            if isinstance(failed, Rejected | Unknown):
                return failed
        return None

    async def _send(self, intent: Intent) -> Outcome:
        try:
            if intent.purpose is Purpose.CANCEL:
                assert intent.cancels_order_id is not None
                return await self._venue.cancel(
                    intent.symbol, intent.cancels_order_id, intent.created_ms, intent.expires_ms
                )
            if intent.purpose is Purpose.AMEND:
                assert intent.cancels_order_id is not None
                return await self._venue.amend(
                    intent.symbol,
                    intent.cancels_order_id,
                    intent.created_ms,
                    intent.expires_ms,
                    trigger_price=intent.trigger_price,
                    qty=intent.qty,
                )
            return await self._venue.place(intent.request())
        except VenueUnreachable as error:
            # It may have arrived before the connection broke: that is not a rejection.
            return Unknown(error.what)

    def _too_late(self, intent: Intent) -> Intent:
        """Not sent, its window has passed. What another process has settled meanwhile stays as it is: whoever is
        thawed after that long may find its order adopted, searched for and closed."""
        with self._db.transaction() as conn:
            now = intents.get(conn, intent.number)
            if now is not None and not now.state.in_doubt:
                return now
            detail = "its window had passed before it could leave"
            at_ms = self._clock.now_ms()
            return intents.advance(conn, intent.number, IntentState.NOT_PLACED, at_ms=at_ms, detail=detail)

    def _settle(self, intent: Intent, outcome: Outcome) -> Intent:
        at_ms = self._clock.now_ms()
        with self._db.transaction() as conn:
            now = intents.get(conn, intent.number)
            if now is not None and now.state is not IntentState.RECORDED:
                return self._settle_adopted(conn, now, outcome, at_ms)
            intents.advance(conn, intent.number, IntentState.SENT, at_ms=at_ms)
            _count(conn, intent, outcome)
            if isinstance(outcome, Confirmed):
                return intents.advance(conn, intent.number, IntentState.CONFIRMED, at_ms=at_ms, order=outcome.order)
            if isinstance(outcome, Rejected):
                self._report_rejection(conn, intent, outcome, at_ms)
                return intents.advance(
                    conn,
                    intent.number,
                    IntentState.REJECTED,
                    at_ms=at_ms,
                    detail=f"{outcome.code}: {outcome.message}",
                )
            settled = intents.advance(conn, intent.number, IntentState.UNKNOWN, at_ms=at_ms, detail=outcome.reason)
            block_symbol(conn, settled, self._clock.wall_ms(), at_ms, outcome.reason)
            return settled

    def _settle_adopted(self, conn: Connection, intent: Intent, outcome: Outcome, at_ms: int) -> Intent:
        """Another process took it for in doubt while it was under way (a bot starting up, a kill switch): the venue's
        answer is evidence still. What was settled meanwhile stays as it is."""
        if intent.state is not IntentState.UNKNOWN or isinstance(outcome, Unknown):
            return intent
        if isinstance(outcome, Confirmed):
            return intents.advance(conn, intent.number, IntentState.CONFIRMED, at_ms=at_ms, order=outcome.order)
        self._report_rejection(conn, intent, outcome, at_ms)
        detail = f"the venue refused it: {outcome.code}: {outcome.message}"
        return intents.advance(conn, intent.number, IntentState.NOT_PLACED, at_ms=at_ms, detail=detail)

    def _report_rejection(self, conn: Connection, intent: Intent, outcome: Rejected, at_ms: int) -> None:
        if outcome.code == ORDER_NOT_FOUND and intent.purpose is Purpose.CANCEL:
            return  # the order had ended already: whoever asked for the cancel looks at what is left
        sentence = f"{intent.purpose.value} order rejected: {outcome.code} {outcome.message}".rstrip()
        _log.emit(Tag.SAFETY_ORDER_REJECTED, sentence, symbol=intent.symbol, client_id=intent.client_id)
        type = Tag.SAFETY_ORDER_REJECTED.value.lower()
        said_ms = outbox.said_ms(conn, type, intent.symbol, sentence)
        if said_ms is not None and at_ms - said_ms < outbox.REPEAT_MS:
            return  # each pass tries again: one alert that is read, instead of hundreds that are not
        outbox.put(
            conn,
            at_ms=at_ms,
            type=type,
            symbol=intent.symbol,
            urgent=intent.purpose is Purpose.STOP,
            text=sentence,
            context={"symbol": intent.symbol, "client_id": intent.client_id, "qty": _shown(intent.qty)},
        )


def _count(conn: Connection, intent: Intent, outcome: Outcome) -> None:
    """Execution errors in a row, for the emergency stop: a success ends them; an order that had ended is none."""
    if isinstance(outcome, Confirmed):
        safety.forget_errors(conn)
    elif isinstance(outcome, Unknown) or (outcome.code, intent.purpose) != (ORDER_NOT_FOUND, Purpose.CANCEL):
        safety.count_error(conn)


def block_symbol(conn: Connection, intent: Intent, wall_ms: int, at_ms: int, reason: str) -> None:
    """Sets the unknown-order latch of the intent's symbol, with its log line and alert, in the caller's transaction."""
    sentence = (
        f"outcome of {intent.purpose.value} order {intent.client_id} is unknown ({reason}); no entries until resolved"
    )
    latches.set_latch(conn, Latch(LatchName.UNKNOWN_ORDER, intent.symbol, "bot", wall_ms, sentence))
    _log.emit(Tag.SAFETY_UNKNOWN_ORDER, sentence, symbol=intent.symbol, client_id=intent.client_id)
    outbox.put(
        conn,
        at_ms=at_ms,
        type=Tag.SAFETY_UNKNOWN_ORDER.value.lower(),
        symbol=intent.symbol,
        urgent=False,
        text=sentence,
        context={"symbol": intent.symbol, "client_id": intent.client_id, "qty": _shown(intent.qty)},
    )


def _shown(qty: Decimal | None) -> str:
    return text(qty) if qty is not None else "all"
