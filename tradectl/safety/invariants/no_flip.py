"""Nothing that rests could add to a position, or turn it over, but an entry that the gates admitted.

In a guard session that is said of our own orders only: what others place there is how they trade.
"""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.domain.money import text
from tradectl.safety.breach import Breach, Level
from tradectl.safety.view import SafetyView

ID = "no_flip"


def check(view: SafetyView) -> Iterator[Breach]:
    held = {position.symbol for position in view.snapshot.positions if position.qty}
    for order in view.snapshot.orders:
        if not order.status.open or not order.can_add_exposure or order.order_id in view.entries:
            continue
        mine = order.order_id in view.ours
        if mine or (order.symbol in held and not view.guard):
            what = "an order of ours that is no entry" if mine else "an order that is not ours"
            evidence = (
                f"{what} could add to {order.symbol}: {order.side.value} {order.type.value} "
                f"{text(order.remaining_qty)} ({order.order_id})"
            )
            yield Breach(ID, Level.HALT, evidence, order.symbol, code="UNADMITTED_ORDER")
