"""What a person does at the venue's own page where nothing may leave from here: nothing can be recorded (promise 1)."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.intent import IntentDraft
from tradectl.domain.money import text
from tradectl.domain.order import OrderFact
from tradectl.domain.position import PositionFact
from tradectl.execution.sweep import Sent
from tradectl.operations.killswitch_check import describe

_WHERE = "by hand, at the venue's own page:"


def nowhere(sent: Sent) -> bool:
    """It did not leave, because neither the store nor the emergency journal could take it."""
    return sent.outcome is None and not sent.recorded_in and not sent.raced


def to_place(draft: IntentDraft) -> str:
    trigger = text(draft.trigger_price) if draft.trigger_price is not None else "-"
    by = draft.trigger_by.value if draft.trigger_by is not None else "the venue's default"
    size = text(draft.qty) if draft.qty is not None else "all of the position"
    return f"{_WHERE} {draft.symbol} {draft.side.value} stop market {size}, trigger {trigger} by {by}, reduce-only"


def to_close(position: PositionFact, qty: Decimal) -> str:
    return f"{_WHERE} {position.symbol} {position.side.closing.value} market {text(qty)}, reduce-only"


def to_cancel(order: OrderFact) -> str:
    return f"{_WHERE} cancel {order.order_id} ({describe(order)})"
