"""Whose an open order is, and what it is: the venue's word beside the store's intents.

Ownership is in the client id: prefix, store tag, purpose, number. What an order does, the venue says (reduce-only,
close-position, stop type), never local memory. Attached children carry no id of ours: they belong to their parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import cast

from tradectl.domain.intent import ClientId, Intent, IntentState, Purpose
from tradectl.domain.order import OrderFact
from tradectl.errors import Busy, StoreRefused
from tradectl.execution.sweep import EMERGENCY_KIND
from tradectl.execution.whose import Owner, Whose
from tradectl.operations.killswitch_venue import Books
from tradectl.store import emergency, intents, journal, ledger
from tradectl.store.connection import Connection

OURS, ATTACHED, OTHER_STORE, FOREIGN = (
    Whose.OURS.value,
    Whose.ATTACHED.value,  # to an order of ours, which `note` names
    Whose.OTHER_STORE.value,  # a second bot may run on the account
    Whose.FOREIGN.value,
)
STRAY = "stray"  # our tag, and no intent that explains it
UNTOLD = "untold"  # our prefix, and the store that would say whose cannot be read
STRANGE = (STRAY, OTHER_STORE)
PROTECTIVE = "protective stop"
TAKE_PROFIT = "take-profit"
ENTRY = "entry"
_PAGE_ROWS = 1_000
_NEVER_STOOD = (IntentState.REJECTED, IntentState.NOT_PLACED)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One open order; times on the venue's clock, quantities in base units (`qty` 0 with close_position: all held).

    intent, purpose, state: of one of ours; `state` None where the store cannot be read or the emergency journal has it.
    store_tag: in its client id, or in its parent's.
    note:      what explains `whose`; '' where nothing needs to be explained.
    """

    order_id: str
    client_id: str | None
    parent_id: str | None
    symbol: str
    what: str
    side: str
    type: str
    qty: Decimal
    filled_qty: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    reduce_only: bool
    close_position: bool
    created_ms: int
    age_ms: int
    whose: str
    intent: int | None
    purpose: str | None
    state: str | None
    store_tag: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of some orders. `trouble`: why it could not be asked; '' when it could.

    placed:  intents by the client id of an order that is open, or by the venue's id of one that others are attached to
    filled:  {order id: client id} of such parents, as their fills tell it
    beside:  client ids that the emergency journal accounts for
    """

    store_tag: str
    placed: Mapping[str, Intent] = field(default_factory=dict)
    filled: Mapping[str, str | None] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    trouble: str = ""

    @property
    def owner(self) -> Owner:
        return Owner(self.store_tag, frozenset(self.placed))


def look_up(books: Books, orders: Iterable[OrderFact]) -> Known:
    """One short read of the store about these orders. Call it after they were read: an intent precedes its order."""
    tag = books.identity().store_tag
    beside = _waiting(books.path)
    if books.db is None:
        return Known(tag, beside=beside, trouble=books.trouble or "the store could not be opened")
    listed = tuple(orders)
    placed: dict[str, Intent] = {}
    filled: dict[str, str | None] = {}
    try:
        with books.db.read() as conn:
            for order in listed:
                if order.client_id and (intent := intents.by_client_id(conn, order.client_id)):
                    placed[order.client_id] = intent
                if order.parent_id and (intent := intents.by_order_id(conn, order.parent_id)):
                    placed[order.parent_id] = intent
                elif order.parent_id and (fill := ledger.order_of_fill(conn, order.parent_id, order.symbol)):
                    filled[order.parent_id] = fill[1]
            if any(order.client_id not in placed and _tag(order.client_id) == tag for order in listed):
                beside |= _imported(conn)
    except (Busy, StoreRefused) as error:
        books.trouble = error.what
        return Known(tag, beside=beside, trouble=error.what)
    return Known(tag, placed, filled, beside)


def line(order: OrderFact, known: Known, orders: Iterable[OrderFact], now_ms: int) -> OrderLine:
    """`orders`: the open ones, among which a parent may be."""
    intent = known.placed.get(order.client_id or "")
    whose, tag, note = _whose(order, intent, known, orders)
    named = ClientId.parse(order.client_id) if whose == OURS else None  # the id says it where the store cannot
    return OrderLine(
        order_id=order.order_id,
        client_id=order.client_id,
        parent_id=order.parent_id,
        symbol=order.symbol,
        what=what(order, named.purpose if named is not None else None),
        side=order.side.value,
        type=order.type.value,
        qty=order.qty,
        filled_qty=order.filled_qty,
        price=order.price,
        trigger_price=order.trigger_price,
        reduce_only=order.reduce_only,
        close_position=order.close_position,
        created_ms=order.created_ms,
        age_ms=max(now_ms - order.created_ms, 0),
        whose=whose,
        intent=named.number if named is not None else None,
        purpose=named.purpose.value if named is not None else None,
        state=intent.state.value if intent is not None else None,
        store_tag=tag,
        note=note,
    )


def what(order: OrderFact, purpose: Purpose | None) -> str:
    """What an open order is, by the venue's own word; an entry only where its own id says so."""
    if order.protective:
        return PROTECTIVE
    if order.take_profit:
        return TAKE_PROFIT
    if order.reduces:
        return "reduces"
    return ENTRY if purpose is Purpose.ENTRY else "could add exposure"


def _whose(
    order: OrderFact, intent: Intent | None, known: Known, orders: Iterable[OrderFact]
) -> tuple[str, str | None, str]:
    """(whose, store tag, note)"""
    parsed = ClientId.parse(order.client_id)
    if parsed is None:
        return (FOREIGN, None, "") if order.parent_id is None else _of_parent(order, order.parent_id, known, orders)
    tag = parsed.store_tag
    if not known.store_tag:
        return UNTOLD, tag, "a tradectl bot's; which one's cannot be told without the store"
    if known.owner.of(order) is Whose.OTHER_STORE:
        return OTHER_STORE, tag, f"it carries the tag of another store, {tag}"
    if intent is not None and intent.state in _NEVER_STOOD:
        return STRAY, tag, f"the store says {intent.state.value.replace('_', ' ')}: {intent.detail}"
    if intent is not None:
        return OURS, tag, ""
    if order.client_id in known.beside:
        return OURS, tag, "placed while the store could not be written (emergency journal)"
    if known.trouble:
        return OURS, tag, "its intent cannot be read now"
    return STRAY, tag, f"it carries our tag, but this store has no intent {parsed.number}"


def _of_parent(
    order: OrderFact, parent_id: str, known: Known, orders: Iterable[OrderFact]
) -> tuple[str, str | None, str]:
    """A child belongs to whom its parent belongs; the parent may rest, or its fills may name it."""
    intent = known.placed.get(parent_id)
    if known.owner.of(order) is Whose.ATTACHED and intent is not None:
        return ATTACHED, known.store_tag, f"to {intent.purpose.value} #{intent.number}"
    client_id = next((one.client_id for one in orders if one.order_id == parent_id), None)
    client_id = client_id or known.filled.get(parent_id)
    parsed = ClientId.parse(client_id)
    if parsed is None:
        return FOREIGN, None, f"attached to order {parent_id}{f' ({client_id})' if client_id else ''}"
    if not known.store_tag:
        return UNTOLD, parsed.store_tag, f"attached to {client_id}"
    if parsed.store_tag != known.store_tag:
        return OTHER_STORE, parsed.store_tag, f"attached to {client_id}, which carries another store's tag"
    return ATTACHED, parsed.store_tag, f"to {client_id}"


def _tag(client_id: str | None) -> str | None:
    parsed = ClientId.parse(client_id)
    return parsed.store_tag if parsed is not None else None


def _waiting(path: Path) -> frozenset[str]:
    """Client ids in the emergency journal that wait for their import."""
    return frozenset(str(record["body"].get("subject", "")) for record in emergency.look(path).records)


def _imported(conn: Connection) -> frozenset[str]:
    """The same of what was imported already."""
    found: set[str] = set()
    after = 0
    while rows := journal.page(conn, after, _PAGE_ROWS, kind=EMERGENCY_KIND):
        found |= {cast("str", row.body["subject"]) for row in rows if isinstance(row.body.get("subject"), str)}
        after = rows[-1].seq
    return frozenset(found)
