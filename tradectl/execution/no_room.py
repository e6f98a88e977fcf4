"""Where the venue takes no stop beside those that stand: they are moved or enlarged in place (promise 5).

In place, a stop is never made smaller than what still has to be covered, also where it is larger than the venue's
largest market order is now. What fails leaves everything as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from tradectl import logs
from tradectl.domain.intent import Intent, IntentDraft, amend_draft
from tradectl.domain.money import ZERO, text
from tradectl.domain.order import OrderFact
from tradectl.domain.tags import Tag
from tradectl.execution.submit import Door

_log = logs.get("execution.no_room")


class InPlace(NamedTuple):
    """What one standing stop becomes. qty None: its quantity stays. covers: as much of what is wanted."""

    order: OrderFact
    qty: Decimal | None
    covers: Decimal


def in_place(orders: Sequence[OrderFact], wanted: Decimal, most: Decimal) -> Iterator[InPlace]:
    """How standing stops take over `wanted`, one by one: none becomes smaller before the others have what it gave up.

    most: the venue's largest market order.
    """
    for place, order in enumerate(orders):
        if wanted <= 0:
            return  # the rest is surplus then
        later = sum((other.qty for other in orders[place + 1 :]), ZERO)
        taken = wanted if order.close_position else min(wanted, max(order.qty, min(most, wanted - later)))
        yield InPlace(order, None if order.close_position or taken == order.qty else taken, taken)
        wanted -= taken


async def move(door: Door, drafts: Sequence[IntentDraft], orders: Sequence[OrderFact], most: Decimal) -> Decimal | None:
    """Orders that were to make way are moved to the level of these drafts, one by one, until they cover as much.

    most: the venue's largest market order. The level, where anything was moved to it.
    """
    level, moved = drafts[0].trigger_price, None
    assert level is not None, "the drafts are stops"
    left = sum((draft.qty for draft in drafts if draft.qty is not None), ZERO)
    for order, qty, _ in in_place(orders, left, most):  # what is surplus then is cancelled by the next pass
        why = f"moved in place, the venue takes no more stops: {drafts[0].reason}"
        change = amend_draft(order.order_id, order.symbol, order.side, level, qty, why)
        if not (await door.submit(change)).confirmed:
            break
        moved = level
        _log.emit(Tag.SAFETY_STOP_PLACED, why, symbol=order.symbol, order=order.order_id)
    return moved


class Enlarged(NamedTuple):
    """level: of the stop that takes what is missing too; None: none could. awaited: it may have, and is asked about."""

    level: Decimal | None
    awaited: Intent | None = None


async def enlarge(door: Door, orders: Iterable[OrderFact], missing: Decimal, most: Decimal) -> Enlarged:
    """One of these stops takes what is missing too. An outcome that is not known ends it (promise 3)."""
    for order in orders:
        if order.close_position or order.qty + missing > most:
            continue
        assert order.trigger_price is not None, "the orders are stops"
        why = f"enlarged by {text(missing)}: the venue takes no more stops"
        qty = order.qty + missing
        change = amend_draft(order.order_id, order.symbol, order.side, order.trigger_price, qty, why)
        sent = await door.submit(change)
        if sent.confirmed:
            _log.emit(Tag.SAFETY_STOP_PLACED, why, symbol=order.symbol, order=order.order_id)
            return Enlarged(order.trigger_price)
        if sent.intent.state.in_doubt:
            return Enlarged(None, sent.intent)
    return Enlarged(None)
