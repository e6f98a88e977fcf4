"""What bots of the incidents did, put back into ours: a test or a scenario that does not see it is worthless."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from tradectl.domain.intent import cancel_draft, target_draft
from tradectl.domain.order import Confirmed, OrderFact
from tradectl.domain.position import protective_stops
from tradectl.execution import exits, protect


@contextmanager
def a_plan_is_placed_whole_or_not_at_all() -> Iterator[None]:
    """The old fault: the targets of a position are one request, which its first invalid part rejects."""

    async def put_back(
        door: Any, position: Any, ours: Any, resting: Any, instrument: Any, doubtful: Any, done: Any
    ) -> None:
        plan = exits._missing(position, ours, resting)
        if any(exits._not_now(position, target, qty, instrument, doubtful) for target, qty in plan):
            return
        placed: list[OrderFact] = []
        for target, qty in plan:
            if not qty:
                continue
            draft = target_draft(position.symbol, position.side, target.name, qty, target.price, "the whole plan")
            sent = await door.submit(draft)
            if not isinstance(sent.outcome, Confirmed):
                for order in placed:
                    await door.submit(cancel_draft(order.symbol, order.side, order.order_id, "the plan is rejected"))
                return
            placed.append(sent.outcome.order)
        done.placed[position.symbol] = "the whole plan"

    with patch.object(exits, "_put_back", put_back):
        yield


@contextmanager
def cancel_and_place_share_one_block() -> Iterator[None]:
    """The old fault: cancel what is to be replaced, then place; an error of the first ends both."""
    real = protect._Pass._put_in_order

    async def in_one_block(self: Any, look: Any, snapshot: Any, whose: Any) -> None:
        position = look.position
        for order in protective_stops(position, snapshot.orders_of(position.symbol))[0]:
            too_loose = (order.trigger_price - self._wanted(position, look.cover)) * position.side.sign < 0
            if too_loose or order.qty > abs(position.qty):
                sent = await self._door.submit(cancel_draft(order.symbol, order.side, order.order_id, "replaced"))
                if not isinstance(sent.outcome, Confirmed):
                    return
        await real(self, look, snapshot, whose)

    with patch.object(protect._Pass, "_put_in_order", in_one_block):
        yield
