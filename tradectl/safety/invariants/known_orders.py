"""Every order at the venue is ours, hangs on one that is, or is on record as somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.safety.breach import Breach, Level
from tradectl.safety.view import SafetyView

ID = "known_orders"


def check(view: SafetyView) -> Iterator[Breach]:
    for order in view.snapshot.orders:
        if order.status.open and order.order_id not in view.ours | view.recorded:
            evidence = f"{order.order_id} on {order.symbol} is not ours and not on record"
            yield Breach(ID, Level.FINDING, evidence, order.symbol)
