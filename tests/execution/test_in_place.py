"""Stops that are moved where they stand: at no moment do they cover less than what they covered and were wanted to."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.execution.no_room import in_place

D = Decimal
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def standing(number: int, qty: int) -> OrderFact:
    return OrderFact(
        order_id=f"o{number}",
        client_id=None,
        symbol="SOLUSDT",
        side=OrderSide.SELL,
        type=OrderType.STOP_MARKET,
        qty=D(qty),
        filled_qty=D(0),
        average_price=None,
        price=None,
        trigger_price=D(90),
        reduce_only=True,
        close_position=False,
        status=OrderStatus.NEW,
        created_ms=number,
        updated_ms=number,
    )


@given(SIZES, st.integers(1, 40), st.integers(1, 12))
def test_what_is_covered_never_shrinks_below_what_is_wanted(sizes: list[int], wanted: int, most: int) -> None:
    orders = [standing(number, qty) for number, qty in enumerate(sizes)]
    now = {order.order_id: order.qty for order in orders}
    kept = min(D(wanted), sum(now.values()))
    covered = D(0)
    for order, qty, covers in in_place(orders, D(wanted), D(most)):
        now[order.order_id] = order.qty if qty is None else qty
        covered += covers
        assert sum(now.values()) >= kept, "at this moment"
        assert now[order.order_id] <= max(order.qty, D(most)), "the venue would not take it"
        assert covers <= now[order.order_id]
    assert (
        covered == min(D(wanted), sum(max(order.qty, min(D(most), D(wanted))) for order in orders)) or covered >= kept
    )


def test_two_of_different_sizes_swap_what_they_cover_without_a_gap() -> None:
    """The larger one first: it keeps its size until the other has grown (chaos seed 9783)."""
    changes = list(in_place([standing(1, 9), standing(2, 1)], D(10), D(5)))
    assert [(one.order.order_id, one.qty, one.covers) for one in changes] == [("o1", None, D(9)), ("o2", None, D(1))]
