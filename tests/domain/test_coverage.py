"""Coverage: what each stop takes of a position, in the order the market meets them (promise 5)."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.domain.position import PositionFact, Protection, coverage

D = Decimal
_numbers = count()


def position(qty: str, liquidation: str | None = None) -> PositionFact:
    size = D(qty)
    return PositionFact(
        "X", size, D(100), D(100), D(0), abs(size) * 10, D(1), D(10), "isolated",
        None if liquidation is None else D(liquidation), 0,
    )  # fmt: skip


def stop(qty: str, trigger: str, side: OrderSide = OrderSide.SELL, *, close: bool = False) -> OrderFact:
    return OrderFact(
        f"o{next(_numbers)}", None, "X", side, OrderType.STOP_MARKET, OrderStatus.NEW, D(qty), D(0), None, 0, 0,
        trigger_price=D(trigger), reduce_only=not close, close_position=close,
    )  # fmt: skip


def test_the_nearest_stop_takes_first_and_never_more_than_all() -> None:
    cover = coverage(position("1"), [stop("0.8", "80"), stop("0.5", "95")])
    assert cover.steps == ((D(95), D("0.5")), (D(80), D("0.5")))
    assert (cover.protection, cover.covered_qty, cover.stop_price) == (Protection.COVERED, D(1), D(95))


def test_a_short_meets_the_lowest_stop_first() -> None:
    buys = [stop("0.5", "120", OrderSide.BUY), stop("0.2", "105", OrderSide.BUY)]
    cover = coverage(position("-1"), buys)
    assert cover.steps == ((D(105), D("0.2")), (D(120), D("0.5")))
    assert (cover.protection, cover.covered_qty, cover.stop_price) == (Protection.SHORT, D("0.7"), D(105))


def test_a_close_position_stop_takes_what_is_left_and_one_beyond_liquidation_nothing() -> None:
    cover = coverage(position("1", "85"), [stop("0.4", "95"), stop("0", "90", close=True), stop("1", "80")])
    assert cover.steps == ((D(95), D("0.4")), (D(90), D("0.6")))
    assert [order.trigger_price for order in cover.beyond] == [D(80)]


def test_without_a_stop_it_is_naked() -> None:
    assert coverage(position("1"), []).steps == ()
    assert coverage(position("1"), []).protection is Protection.NAKED


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(50, 99)), max_size=6),
    st.integers(1, 30),
)
def test_the_steps_add_up_to_what_is_covered(stops: list[tuple[int, int]], size: int) -> None:
    cover = coverage(position(str(size)), [stop(str(qty), str(price)) for qty, price in stops])
    assert sum(qty for _, qty in cover.steps) == cover.covered_qty == min(size, sum(qty for qty, _ in stops))
    prices = [price for price, _ in cover.steps]
    assert prices == sorted(set(prices), reverse=True)
