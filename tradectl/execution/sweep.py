"""The sweep of the kill switch: order by order, by id, keeping every protective stop; and the hands it works with.

What an order is, the venue says (reduce-only or close-position, stop type), never local memory. Cancelled: whatever
could add exposure, whoever placed it, and take-profits. Kept: protective stops, plain, conditional and attached
(promise 5). A cancel that fails never ends the sweep.

Promise 1 and its one exception: each cancel and each reduce-only close is recorded before it leaves, in the store, or
where the store cannot be written, in the emergency journal beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradectl import logs
from tradectl.domain.intent import ClientId, IntentDraft, Purpose, cancel_draft
from tradectl.domain.money import text
from tradectl.domain.order import Confirmed, OrderFact, OrderRequest, Outcome, Rejected, Unknown
from tradectl.domain.ports import Clock, Venue
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.errors import EntryRefused, StoreBusy, StoreRefused, StoreUnwritable, VenueUnreachable
from tradectl.execution.admission import RACED
from tradectl.execution.submit import ORDER_NOT_FOUND, Door
from tradectl.store import emergency

_log = logs.get("execution.sweep")

IN_STORE = "store"
IN_EMERGENCY = "emergency journal"
EMERGENCY_KIND = "emergency"  # the journal's kind of what was imported
_REDUCING = (Purpose.CANCEL, Purpose.CLOSE, Purpose.STOP, Purpose.EXIT)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one request. `outcome` None: it did not leave, and `sentence` says why."""

    outcome: Outcome | None
    sentence: str
    recorded_in: str
    client_id: str = ""  # of an order; '' of a cancel
    raced: bool = False  # another process is at the same thing just now


@dataclass(frozen=True, slots=True)
class _Request:
    """One request as it is recorded: what, under which id, and how long it lives on the venue's clock."""

    draft: IntentDraft
    client_id: str
    created_ms: int
    expires_ms: int


class EmergencyDoor:
    """Takes cancels, stops and reduce-only exits while the store cannot; records each before it leaves (promise 1)."""

    def __init__(
        self, store_path: str, venue: Venue, clock: Clock, *, actor: str, store_tag: str, recv_window_ms: int
    ) -> None:
        self._store_path = store_path
        self._venue = venue
        self._clock = clock
        self._actor = actor
        self._store_tag = store_tag
        self.window_ms = recv_window_ms
        self._sent = 0

    async def submit(self, draft: IntentDraft) -> Sent:
        """Records, sends, records the outcome. Raises StoreUnwritable: then nothing has left."""
        if draft.purpose not in _REDUCING:
            raise ValueError(f"the emergency journal takes what can only reduce, not a {draft.purpose.value}")
        created_ms = self._clock.now_ms()
        # Wall time stands in for the intent's number.
        self._sent += 1
        number = self._clock.wall_ms() * 1000 + self._sent
        client_id = str(ClientId(self._store_tag, draft.purpose, number, emergency=True))
        request = _Request(draft, client_id, created_ms, created_ms + self.window_ms)
        self._record("recorded", request, draft.reason)
        if draft.purpose is Purpose.CANCEL:
            assert draft.cancels_order_id is not None
            outcome = await self._cancel(draft.symbol, draft.cancels_order_id, created_ms)
        else:
            outcome = await self._place(self._request(draft, client_id, created_ms))
        sentence = outcome_sentence(outcome)
        try:
            self._record(_step(outcome), request, sentence, outcome)
        except StoreUnwritable as error:
            # It has left, and that it was about to is on record: its outcome is the venue's to tell.
            sentence += f" (this outcome could not be recorded: {error.what})"
        return Sent(outcome, sentence, IN_EMERGENCY, "" if draft.purpose is Purpose.CANCEL else client_id)

    def _request(self, draft: IntentDraft, client_id: str, created_ms: int) -> OrderRequest:
        return OrderRequest(
            client_id=client_id,
            symbol=draft.symbol,
            side=draft.side,
            type=draft.type,
            qty=draft.qty,
            timestamp_ms=created_ms,
            expires_ms=created_ms + self.window_ms,
            trigger_price=draft.trigger_price,
            trigger_by=draft.trigger_by,
            reduce_only=True,
        )

    async def _cancel(self, symbol: str, order_id: str, created_ms: int) -> Outcome:
        try:
            return await self._venue.cancel(symbol, order_id, created_ms, created_ms + self.window_ms)
        except VenueUnreachable as error:
            return Unknown(error.what)

    async def _place(self, request: OrderRequest) -> Outcome:
        try:
            return await self._venue.place(request)
        except VenueUnreachable as error:
            return Unknown(error.what)

    def _record(self, step: str, request: _Request, detail: str, outcome: Outcome | None = None) -> None:
        draft = request.draft
        body: dict[str, object] = {
            "step": step,
            "action": draft.purpose.value,
            "client_id": request.client_id,
            "side": draft.side.value,
            "created_ms": request.created_ms,
            "expires_ms": request.expires_ms,
            "detail": detail,
        }
        if draft.cancels_order_id is not None:
            body["cancels"] = draft.cancels_order_id
        if draft.qty is not None:
            body["qty"] = text(draft.qty)
        if draft.trigger_price is not None and draft.trigger_by is not None:
            body |= {"trigger_price": text(draft.trigger_price), "trigger_by": draft.trigger_by.value}
        if isinstance(outcome, Confirmed):
            order = outcome.order
            body |= {"order_id": order.order_id, "status": order.status.value, "filled": text(order.filled_qty)}
        emergency.record(
            self._store_path,
            at_ms=self._clock.wall_ms(),
            kind=EMERGENCY_KIND,
            actor=self._actor,
            symbol=draft.symbol,
            body=body,
        )


class Hands:
    """The store's door as long as it works, the emergency journal from the first failure on."""

    def __init__(self, door: Door | None, emergency_door: EmergencyDoor, why: str = "") -> None:
        self._door = door
        self._emergency = emergency_door
        self.store_trouble = "" if door is not None else why or "the store could not be opened"

    async def cancel(self, order: OrderFact, reason: str) -> Sent:
        """Never raises for the store or the venue: what could not be done is in the answer."""
        draft = cancel_draft(order.symbol, order.side, order.order_id, reason)
        sent = await self._through_store(draft)
        return sent if sent is not None else await self._through_emergency(draft)

    async def close(self, draft: IntentDraft) -> Sent | None:
        """One reduce-only close. None: the store failed on the way and it is not known whether it left.

        Then the caller looks at the position again before it asks once more: this never sends the same close twice.
        """
        if self._door is None:
            return await self._through_emergency(draft)
        return await self._through_store(draft)

    async def stop(self, draft: IntentDraft, *, seen: int) -> Sent | None:
        """One protective stop; None as in `close`. `seen`: the symbol's newest stop when its position was looked at.

        What another process is placing just now is not placed a second time: that is in the answer.
        """
        if self._door is None:
            return await self._through_emergency(draft)
        door = self._door
        try:
            sent = await self._through_store(draft, seen=seen)
        except EntryRefused as refusal:
            return Sent(None, refusal.what, "", raced=refusal.code == RACED)
        if sent is None and draft.symbol not in door.unsettled:
            return await self._through_emergency(draft)  # the store failed before anything had left
        return sent

    async def amend(self, draft: IntentDraft) -> Sent:
        """A stop moved in place. Through the store or not at all: its outcome could be told by nothing else."""
        sent = await self._through_store(draft)
        return sent if sent is not None else Sent(None, f"not moved in place: {self.store_trouble}", "")

    async def _through_store(self, draft: IntentDraft, *, seen: int | None = None) -> Sent | None:
        if self._door is None:
            return None
        try:
            submitted = await self._door.submit(draft, seen=seen)
        except EntryRefused:
            raise
        except (StoreBusy, StoreRefused) as error:
            self._door = None  # each further try would wait for the lock again
            self.store_trouble = error.what
            return None
        client_id = "" if draft.purpose is Purpose.CANCEL else submitted.intent.client_id
        return Sent(submitted.outcome, submitted.sentence(), IN_STORE, client_id)

    async def _through_emergency(self, draft: IntentDraft) -> Sent:
        try:
            return await self._emergency.submit(draft)
        except StoreRefused as error:
            return Sent(None, f"not sent, it could be recorded nowhere: {error.what} ({error.why})", "")


@dataclass(frozen=True, slots=True)
class Swept:
    """One order and what the sweep did with it: 'cancelled', 'gone' (it had ended), 'failed', 'unknown' or 'kept'."""

    order: OrderFact
    result: str
    why: str
    detail: str = ""
    recorded_in: str = ""

    @property
    def done(self) -> bool:
        return self.result in ("cancelled", "gone", "kept")


def must_go(order: OrderFact) -> str:
    """Why the sweep cancels this order; '' when it keeps it."""
    if order.can_add_exposure:
        return "can add exposure"
    if order.take_profit:
        return "take-profit"
    return ""


def must_stay(order: OrderFact) -> str:
    return "protective stop" if order.protective else "can only reduce"


async def sweep(
    hands: Hands, snapshot: Snapshot, *, reason: str, tried: frozenset[str] = frozenset()
) -> tuple[Swept, ...]:
    """Every open order of the snapshot, those that add exposure first. Raises nothing for a cancel that fails.

    Orders of `tried` are passed over: what a cancel of unknown outcome did is asked, never tried again (promise 3).
    """
    done = []
    for order in sorted(snapshot.orders, key=lambda order: (order.reduces, order.symbol, order.order_id)):
        if not order.status.open or order.order_id in tried:
            continue
        why = must_go(order)
        if not why:
            done.append(Swept(order, "kept", must_stay(order)))
            _log.emit(Tag.SAFETY_STOP_PRESERVED, f"kept: {must_stay(order)}", symbol=order.symbol, order=order.order_id)
            continue
        sent = await hands.cancel(order, f"{reason}: {why}")
        swept = cancelled(order, sent, why)
        if not swept.done:
            _log.emit(
                Tag.SAFETY_STOP_CANCEL_FAILED,
                f"cancel failed: {swept.detail}",
                symbol=order.symbol,
                order=order.order_id,
            )
        done.append(swept)
    return tuple(done)


def cancelled(order: OrderFact, sent: Sent, why: str) -> Swept:
    """The answer to one cancel, as the report has it."""
    return Swept(order, _result(sent.outcome), why, sent.sentence, sent.recorded_in)


def outcome_sentence(outcome: Outcome) -> str:
    if isinstance(outcome, Confirmed):
        return "confirmed by the venue"
    if isinstance(outcome, Rejected):
        return f"rejected by the venue: {outcome.code} {outcome.message}".rstrip()
    return f"outcome unknown: {outcome.reason}"


def _result(outcome: Outcome | None) -> str:
    if isinstance(outcome, Confirmed):
        return "cancelled"
    if isinstance(outcome, Rejected):
        return "gone" if outcome.code == ORDER_NOT_FOUND else "failed"
    return "failed" if outcome is None else "unknown"


def _step(outcome: Outcome) -> str:
    if isinstance(outcome, Confirmed):
        return "confirmed"
    return "rejected" if isinstance(outcome, Rejected) else "unknown"
