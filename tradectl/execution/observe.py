"""The world, read once: complete, or not at all (promise 4).

A list that lacks something is not taken at its word. What we know from before is held against each picture: an order
that stood and is not listed is asked for by its own id; margin that is set aside belongs to somebody; a picture that
is older than our books is read again. So an empty, partial or stale answer never reads as "no position" or "no stop".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from tradectl import logs
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.order import OrderFact
from tradectl.domain.ports import Venue
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.errors import Busy, StoreRefused, VenueUnreachable
from tradectl.execution.absent import absent
from tradectl.store import emergency_orders, intents, ledger, views
from tradectl.store.database import Database
from tradectl.venue.through import Through

_log = logs.get("execution.observe")
TRIES = 3
LOST_AFTER_MS = 60_000  # between two searches that do not find an order: a history may lag for a while
_ENDED_KEPT = 1_000  # a list that is older than that many orders is not foreseen


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the venue before it is asked.

    standing:   {order id: symbol} of the orders that should be open
    booked_seq: the newest account event that is in the books
    expires_ms: {order id: when the request that placed it expired} of those that are ours, on the venue's clock
    held:       {symbol: signed quantity} that the books hold
    """

    standing: Mapping[str, str] = field(default_factory=dict)
    booked_seq: int = 0
    expires_ms: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, Decimal] = field(default_factory=dict)


class Evidence(Protocol):
    def known(self, *, last_picture: bool) -> Known:
        """last_picture: with the orders that were open in the last picture saved, whoever's they are."""

    def ended(self, order_ids: list[str]) -> frozenset[str]:
        """Those of these orders that are known to have ended."""


class StoreEvidence:
    """What the store knows: orders of ours that were confirmed and have not ended, and the last picture saved.

    With it, what was placed while the store could not be written, and waits beside it to be imported. A store that
    cannot be read knows nothing else: the venue's word is then all there is.
    """

    def __init__(self, db: Database | None, path: Path | None = None) -> None:
        """path: of a store that could not be opened; an open one tells its own."""
        self._db = db
        self._path = path if db is None else db.path

    def known(self, *, last_picture: bool) -> Known:
        # Before the store: what is imported in between is then found in both, and never in neither.
        beside = emergency_orders.placed(self._path) if self._path is not None else ()
        blind = {one.order_id: one.symbol for one in beside}
        expires_ms = {one.order_id: one.expires_ms for one in beside}
        if self._db is None:
            return Known(blind, 0, expires_ms)
        try:
            with self._db.read() as conn:
                ours = {one.order_id: one for one in intents.standing(conn) if one.order_id is not None}
                last = views.load_account(conn) if last_picture else None
                booked = ledger.cursor(conn)
                held = {symbol: trade.lot.qty for symbol, trade in ledger.open_trades(conn).items()}
        except (Busy, StoreRefused):
            return Known(blind, 0, expires_ms)
        seen = {} if last is None else {order.order_id: order.symbol for order in last.orders if order.status.open}
        standing = {order_id: one.symbol for order_id, one in ours.items()}
        expires_ms |= {order_id: one.expires_ms for order_id, one in ours.items()}
        return Known({**seen, **blind, **standing}, booked, expires_ms, held)

    def ended(self, order_ids: list[str]) -> frozenset[str]:
        if self._db is None or not order_ids:
            return frozenset()
        try:
            with self._db.read() as conn:
                return intents.ended(conn, order_ids)
        except (Busy, StoreRefused):
            return frozenset()


class Evident(Through):
    """A venue whose pictures have been held against what is known. Every other call passes through.

    for_exit: a picture that stays at odds with what is known is given out with its `flaw`, for what it does show: no
    doubt of ours keeps an operator from cancelling and closing what is there.
    booked_next: the caller takes what a picture promises into the books before it compares the two.
    """

    def __init__(self, inner: Venue, evidence: Evidence, *, for_exit: bool = False, booked_next: bool = False) -> None:
        super().__init__(inner)
        self._booked_next = booked_next
        self._evidence = evidence
        self._for_exit = for_exit
        # {order id: symbol} of the last picture, and of what it missed. None: the store's last picture counts
        self._open: dict[str, str] | None = None
        self._ended: dict[str, OrderFact] = {}
        self._fresh: list[OrderFact] = []
        self._absent: dict[str, Decimal] = {}
        self._missed_ms: dict[str, int] = {}  # order id → when a search first did not find it, on the venue's clock
        self._lost: dict[str, str] = {}  # {order id: symbol} of those that nothing at the venue tells of any more

    async def snapshot(self) -> Snapshot:
        """Raises VenueUnreachable for a picture that cannot be completed, or (not for_exit) that is at odds."""
        known = self._evidence.known(last_picture=self._open is None)
        picture = await self._whole(known)
        listed = {order.order_id for order in picture.orders}
        for order_id in listed & (self._missed_ms.keys() | self._lost.keys()):
            self._found(order_id)
        known_ended = self._ended.keys() | self._evidence.ended(sorted(listed))
        standing = {**(self._open or {}), **known.standing}
        found: list[OrderFact] = []
        doubts: list[str] = []
        missed: dict[str, str] = {}
        for order_id in sorted(standing.keys() - listed - known_ended - self._lost.keys(), key=_by_age):
            order = await self._inner.order(standing[order_id], order_id)
            if order is not None:
                self._found(order_id)
            if order is None and self._is_lost(order_id, known, picture.at_ms):
                self._remember_lost(order_id, standing[order_id])
            elif order is None:
                missed[order_id] = standing[order_id]  # until the venue says what became of it, it is asked again
                doubts.append(f"the venue does not find order {order_id} of {standing[order_id]}, which stood there")
            elif order.status.open:
                found.append(order)
                doubts.append(f"the list of open orders lacks {order_id} of {order.symbol}, which is open")
            else:
                self._remember_end(order)
        stale = [order for order in picture.orders if order.order_id in known_ended]
        doubts += [f"the list of open orders still has {order.order_id} of {order.symbol}" for order in stale]
        orders = tuple(order for order in picture.orders if order not in stale)
        self._open = {**missed, **{order.order_id: order.symbol for order in (*orders, *found)}}
        for sentence in doubts:
            _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"the picture was completed: {sentence}", level=30)
        return replace(picture, orders=(*orders, *found), doubts=tuple(doubts))

    @property
    def ended(self) -> tuple[OrderFact, ...]:
        """Orders found to have ended, for the store to note; until `forget` says that it has."""
        return tuple(self._fresh)

    @property
    def lost(self) -> tuple[str, ...]:
        """Ids of orders that the venue tells nothing of any more, for the store to note: it knows those it has noted.

        One that is listed after all is believed, and is here no longer.
        """
        return tuple(self._lost)

    def forget(self, noted: Sequence[OrderFact]) -> None:
        """These are in the books: for after the commit. A commit that fails is followed by another try."""
        del self._fresh[: len(noted)]

    def _is_lost(self, order_id: str, known: Known, at_ms: int) -> bool:
        """Two complete searches have not found this order, a good while apart and (of ours) after its request expired,
        and no list since the first has had it: the venue's history is shorter than ours."""
        if at_ms <= known.expires_ms.get(order_id, -1):
            return False
        return at_ms - self._missed_ms.setdefault(order_id, at_ms) >= LOST_AFTER_MS

    def _found(self, order_id: str) -> None:
        self._missed_ms.pop(order_id, None)
        self._lost.pop(order_id, None)

    def _remember_lost(self, order_id: str, symbol: str) -> None:
        del self._missed_ms[order_id]
        self._lost[order_id] = symbol
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"order {order_id}: {intents.LOST}", level=30, symbol=symbol)
        if len(self._lost) > _ENDED_KEPT:
            del self._lost[next(iter(self._lost))]

    def _remember_end(self, order: OrderFact) -> None:
        self._fresh.append(order)
        self._ended[order.order_id] = order
        if len(self._ended) > _ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    async def _whole(self, known: Known) -> Snapshot:
        """A picture with every position that the books hold; one that lacks some is read once more."""
        again = False
        while True:
            picture = await self._consistent(known.booked_seq)
            lacks = await absent(
                self._inner,
                picture,
                known.held,
                known.booked_seq,
                booked_next=self._booked_next,
                for_exit=self._for_exit,
            )
            if again or not lacks or lacks == self._absent:
                break
            again = True
        for symbol in lacks.keys() - self._absent.keys():
            _log.emit(Tag.SAFETY_EXECUTION_ERROR, replace(picture, absent=lacks).absence(symbol), level=30)
        self._absent = lacks
        return replace(picture, absent=lacks) if lacks else picture

    async def _consistent(self, booked: int) -> Snapshot:
        """A picture that does not contradict itself and is no older than the books; else one with a flaw."""
        why = ""
        for _ in range(TRIES):
            picture = await self._inner.snapshot()
            why = picture.contradiction()
            if not why and picture.event_seq >= booked:
                return picture
            why = why or f"it ends with event {picture.event_seq}, and event {booked} is booked already"
        if self._for_exit:
            return replace(picture, flaw=why)
        raise VenueUnreachable("the venue's picture of the account cannot be believed", why=why, hint="try again")


def _by_age(order_id: str) -> tuple[int, str]:
    return len(order_id), order_id


def compare_books(snapshot: Snapshot, open_trades: dict[str, OpenTrade]) -> dict[str, str]:
    """Where local positions differ from the venue's, after ingestion: {symbol: one sentence}; empty: they agree."""
    found: dict[str, str] = {}
    theirs = {position.symbol: position.qty for position in snapshot.positions if position.qty}
    for symbol, qty in theirs.items():
        ours = open_trades.get(symbol)
        if ours is None:
            found[symbol] = f"the venue shows {qty} and the books show none"
        elif ours.lot.qty != qty:
            found[symbol] = f"the venue shows {qty} and the books show {ours.lot.qty}"
    for symbol, trade in open_trades.items():
        if symbol not in theirs:
            found[symbol] = f"the books show {trade.lot.qty} and the venue shows none"
    return found
