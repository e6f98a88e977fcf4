"""A list may still show a stop that is gone: no other makes way for it (promises 4 and 5)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import CALM, SOL, UP, Rig, rig
from protect_kit import TWO, go

from tradectl.domain.intent import stop_drafts
from tradectl.domain.order import Confirmed, OrderFact, TriggerBy
from tradectl.domain.position import Protection, coverage
from tradectl.sim import views
from tradectl.sim.faults import Refuse
from tradectl.sim.ops import CancelOrder


def there(desk: Rig, symbol: str) -> list[OrderFact]:
    """Its stops, as the exchange has them."""
    orders = views.snapshot(desk.embedded.host.state).orders
    return [order for order in orders if order.symbol == symbol and order.protective and order.status.open]


def one_more(desk: Rig, symbol: str) -> None:
    """A second stop for all of the position, where the first one stands: one of the two is to make way."""
    position = desk.snapshot().position(symbol)
    (first,) = there(desk, symbol)
    assert position is not None and first.trigger_price is not None
    (draft,) = stop_drafts(
        symbol, position.side, abs(position.qty), first.trigger_price, TriggerBy.LAST, desk.bot.instruments[symbol],
        "one too many", held=abs(position.qty),
    )  # fmt: skip
    assert desk.run(desk.bot.door.submit(draft)).confirmed


def cancel_elsewhere(desk: Rig, order: OrderFact) -> None:
    host = desk.embedded.host
    now_ms = host.state.server_ms
    assert isinstance(host.execute(CancelOrder(order.symbol, order.order_id, now_ms, now_ms + 5_000)).reply, Confirmed)


def covered(desk: Rig, symbol: str) -> bool:
    picture = views.snapshot(desk.embedded.host.state)
    position = picture.position(symbol)
    return position is not None and coverage(position, picture.orders).protection is Protection.COVERED


def test_a_stop_too_many_makes_way(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        one_more(desk, SOL)
        go(desk)
        assert len(there(desk, SOL)) == 1 and covered(desk, SOL)


@pytest.mark.parametrize("gone", [0, 1])
def test_no_stop_makes_way_for_one_that_only_an_older_picture_shows(tmp_path: Path, gone: int) -> None:
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        one_more(desk, SOL)
        older = desk.snapshot()
        cancel_elsewhere(desk, there(desk, SOL)[gone])
        go(desk, older)
        assert covered(desk, SOL)


def test_what_cannot_be_asked_about_does_not_stand_and_keeps_nobody_else_bare(tmp_path: Path) -> None:
    with rig(tmp_path, {name: [UP, CALM, CALM] for name in TWO}) as desk:
        desk.cycle()
        eth, sol = TWO
        one_more(desk, eth)
        (stop,) = there(desk, sol)
        cancel_elsewhere(desk, stop)
        picture = desk.snapshot()
        desk.plan.always = lambda call: Refuse("internal", "no") if call.name == "order" else None
        go(desk, picture)
        assert len(there(desk, eth)) == 2, "neither makes way for the other unseen"
        assert covered(desk, sol)
        assert sum((order.remaining_qty for order in there(desk, sol)), Decimal(0)) > 0
