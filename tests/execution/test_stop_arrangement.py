"""Where stops belong and how many: whole, never looser by itself, others' left alone (promises 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import FLAT, SOL, Rig, rig
from hypothesis import assume, given
from hypothesis import strategies as st
from ledger_kit import INSTRUMENT, D, X

from tradectl.domain.intent import stop_draft
from tradectl.domain.ledger import OpenTrade
from tradectl.domain.lifecycle import Managed, Origin, PositionState
from tradectl.domain.order import OrderFact, OrderStatus, OrderType, TriggerBy
from tradectl.domain.position import Lot, PositionFact, Protection, Side, coverage
from tradectl.execution.stop_level import Arrangement, already_passed, arrange, level_of, stop_level

STEP = D("0.1")
MARK = 1000  # in ticks
OURS = "tdc.abc123.st."


def held(side: Side, steps: int, liquidation: int | None = None) -> PositionFact:
    """Of so many steps, at the mark; `liquidation`: so many ticks behind it."""
    limit = None if liquidation is None else at(side, liquidation)
    return PositionFact(
        X, steps * STEP * side.sign, at(side, 0), at(side, 0), D(0), D(10), D(1), D(10), "isolated", limit, 1
    )


def at(side: Side, behind: int) -> Decimal:
    """The price so many ticks behind the mark, as the position's side has it."""
    return (MARK - side.sign * behind) * STEP


@dataclass(frozen=True)
class Stop:
    mine: bool
    steps: int
    behind: int
    filled: int = 0
    whole: bool = False  # a close-position stop


def facts(position: PositionFact, stops: Sequence[Stop]) -> list[OrderFact]:
    return [
        OrderFact(
            f"o{number}", f"{OURS}{number}" if one.mine else None, X, position.side.closing, OrderType.STOP_MARKET,
            OrderStatus.NEW, D(0) if one.whole else (one.steps + one.filled) * STEP, one.filled * STEP, None,
            number, number, trigger_price=at(position.side, one.behind), trigger_by=TriggerBy.LAST,
            reduce_only=not one.whole, close_position=one.whole,
        )
        for number, one in enumerate(stops, 1)
    ]  # fmt: skip


def mine(order: OrderFact) -> bool:
    return order.client_id is not None


def ladder(position: PositionFact, orders: Sequence[OrderFact]) -> list[Decimal]:
    """How tight the stop of each step of the position is, the one that the market meets first at the front."""
    found: list[Decimal] = []
    for price, qty in coverage(position, orders).steps:
        found += [price * position.side.sign] * int(qty / STEP)
    return found


def after(position: PositionFact, orders: Sequence[OrderFact], found: Arrangement, price: Decimal) -> list[OrderFact]:
    """The orders once it has been carried out."""
    left = [order for order in orders if order not in found.cancel]
    if found.place:
        (new,) = facts(position, [Stop(True, int(found.place / STEP), 1)])
        left.append(replace(new, order_id="new", created_ms=99, trigger_price=price))
    return left


@dataclass(frozen=True)
class World:
    position: PositionFact
    orders: list[OrderFact]
    wanted: Decimal | None

    @property
    def price(self) -> Decimal:
        """Where what is placed goes."""
        nearest = coverage(self.position, self.orders).stop_price
        return self.wanted if self.wanted is not None else nearest or at(self.position.side, 1)


STOPS = st.builds(
    Stop,
    mine=st.sampled_from([True, True, False]),
    steps=st.integers(1, 6),
    behind=st.integers(1, 6),
    filled=st.sampled_from([0, 0, 0, 1]),
    whole=st.sampled_from([False, False, False, False, True]),
)


@st.composite
def worlds(draw: st.DrawFn, others: bool = True, level: st.SearchStrategy[int | None] | None = None) -> World:
    position = held(draw(st.sampled_from(Side)), draw(st.integers(1, 6)), draw(st.sampled_from([None, 6, 4])))
    made = draw(st.lists(STOPS, max_size=5))
    orders = facts(position, [one for one in made if others or one.mine])
    behind = draw(level if level is not None else st.none() | st.integers(1, 3))
    return World(position, orders, None if behind is None else at(position.side, behind))


def counting(world: World) -> list[OrderFact]:
    """The stops that can cover anything at all."""
    return [one for one in world.orders if world.position.inside_liquidation(one.trigger_price or D(0))]


def tight(world: World, order: OrderFact) -> bool:
    assert order.trigger_price is not None
    return world.wanted is None or (order.trigger_price - world.wanted) * world.position.side.sign >= 0


def quantity(world: World, orders: Sequence[OrderFact]) -> Decimal:
    size = abs(world.position.qty)
    return sum((size if one.close_position else one.remaining_qty for one in orders), D(0))


@given(worlds(others=False, level=st.integers(1, 3)))
def test_where_all_stops_are_ours_the_position_is_covered_exactly_at_the_level_or_tighter(world):
    found = arrange(world.position, world.orders, world.wanted, mine)
    assert found.place >= 0 and found.place % STEP == 0
    left = [
        one
        for one in after(world.position, world.orders, found, world.price)
        if one in counting(world) or one.order_id == "new"
    ]
    assert all(tight(world, one) for one in left)
    assert quantity(world, left) == abs(world.position.qty)


@given(worlds())
def test_others_are_never_cancelled_and_what_is_cancelled_is_too_loose_or_too_much(world):
    found = arrange(world.position, world.orders, world.wanted, mine)
    assert all(mine(one) and one in counting(world) for one in found.cancel)
    kept = [one for one in counting(world) if one not in found.cancel]
    for one in found.cancel:
        if tight(world, one):
            instead = [other for other in kept if mine(other) or tight(world, other)]
            assert quantity(world, [*instead, one]) + found.place > abs(world.position.qty), "it would be too much"


@given(worlds(level=st.integers(1, 3)))
def test_ours_and_what_others_have_as_tight_never_come_to_more_than_the_position(world):
    found = arrange(world.position, world.orders, world.wanted, mine)
    left = [
        one
        for one in after(world.position, world.orders, found, world.price)
        if one.order_id == "new" or one in counting(world)
    ]
    if any(mine(one) for one in left):
        assert quantity(world, [one for one in left if mine(one) or tight(world, one)]) <= abs(world.position.qty)


@given(worlds())
def test_no_part_of_a_position_gets_a_looser_stop_than_it_had_or_than_is_wanted(world):
    ours = [one for one in counting(world) if mine(one)]
    replaced = min((number for number, one in enumerate(ours) if not tight(world, one)), default=len(ours))
    assume(not any(one.trigger_price == world.wanted for one in ours[replaced:]))  # half of a move is there already
    found = arrange(world.position, world.orders, world.wanted, mine)
    before = ladder(world.position, world.orders)
    now = ladder(world.position, after(world.position, world.orders, found, world.price))
    size = int(abs(world.position.qty) / STEP)
    assert len(now) == size, "all of it is covered"
    sign = world.position.side.sign
    for was, is_ in zip(before, now, strict=False):
        assert is_ >= (was if world.wanted is None else min(was, world.wanted * sign))


@given(worlds(), st.booleans())
def test_once_arranged_nothing_is_left_to_arrange(world, exactly):
    exactly = exactly and world.wanted is not None
    found = arrange(world.position, world.orders, world.wanted, mine, exactly=exactly)
    orders = after(world.position, world.orders, found, world.price)
    assert arrange(world.position, orders, world.wanted, mine, exactly=exactly).done


@given(worlds(), st.booleans())
def test_half_way_between_the_new_stop_and_the_cancels_only_the_cancels_are_left(world, exactly):
    """Whoever looks there (the bot beside an operator, a restart after a crash) places nothing a second time."""
    exactly = exactly and world.wanted is not None
    found = arrange(world.position, world.orders, world.wanted, mine, exactly=exactly)
    half = after(world.position, world.orders, Arrangement(found.place, ()), world.price)
    again = arrange(world.position, half, world.wanted, mine, exactly=exactly)
    assert again == Arrangement(D(0), found.cancel)


@given(worlds(), st.booleans(), st.randoms())
def test_the_order_in_which_stops_are_listed_makes_no_difference(world, exactly, dice):
    shuffled = list(world.orders)
    dice.shuffle(shuffled)
    one = arrange(world.position, world.orders, world.wanted, mine, exactly=exactly)
    other = arrange(world.position, shuffled, world.wanted, mine, exactly=exactly)
    assert (one.place, set(one.cancel)) == (other.place, set(other.cancel))


@given(worlds(level=st.integers(1, 3)))
def test_on_an_operators_word_all_of_ours_stand_exactly_there(world):
    found = arrange(world.position, world.orders, world.wanted, mine, exactly=True)
    left = after(world.position, world.orders, found, world.price)
    ours = [one for one in left if mine(one) and (one in counting(world) or one.order_id == "new")]
    assert {one.trigger_price for one in ours} <= {world.wanted}
    assert quantity(world, ours) <= abs(world.position.qty)
    assert coverage(world.position, left).protection is Protection.COVERED
    assert all(mine(one) for one in found.cancel)


def plan(side: Side, steps: int, stops: Sequence[Stop], behind: int | None) -> tuple[Decimal, set[str]]:
    """(placed quantity in steps, ids cancelled)."""
    position = held(side, steps)
    wanted = None if behind is None else at(side, behind)
    found = arrange(position, facts(position, stops), wanted, mine)
    return found.place / STEP, {one.order_id for one in found.cancel}


@pytest.mark.parametrize("side", Side)
def test_somebody_elses_looser_stop_does_not_send_ours_away(side):
    ours, theirs = Stop(True, 4, 2), Stop(False, 4, 5)
    assert plan(side, 4, [ours, theirs], 2) == (0, set())
    assert plan(side, 4, [ours, theirs], None) == (0, set())
    assert plan(side, 4, [Stop(True, 4, 3), theirs], 2) == (4, {"o1"}), "and ours still moves"
    assert plan(side, 4, [theirs], 2) == (0, set()), "where there is none of ours, theirs covers"


@pytest.mark.parametrize("side", Side)
def test_somebody_elses_tighter_stop_takes_its_share(side):
    assert plan(side, 4, [Stop(True, 4, 2), Stop(False, 1, 1)], 2) == (3, {"o1"})
    assert plan(side, 4, [Stop(True, 4, 2), Stop(False, 4, 1)], 2) == (0, {"o1"})


@pytest.mark.parametrize("side", Side)
def test_those_at_the_level_are_kept_before_tighter_ones(side):
    """An operator who loosens a stop puts the new one there first: the bot works towards it too, and not against it."""
    assert plan(side, 2, [Stop(True, 2, 1), Stop(True, 2, 2)], 2) == (0, {"o1"})
    assert plan(side, 2, [Stop(True, 2, 1), Stop(True, 2, 2)], None) == (0, {"o2"})


@pytest.mark.parametrize("side", Side)
def test_a_tighter_one_that_was_placed_without_the_store_is_kept_before_those_at_the_level(side):
    """An operator has tightened the stop, and could not store the level: the bot does not take that back."""
    position = held(side, 2)
    orders = facts(position, [Stop(True, 2, 2), Stop(True, 2, 1)])
    by_hand = replace(orders[1], client_id="tdc.abc123.st.e1")
    found = arrange(position, [orders[0], by_hand], at(side, 2), mine)
    assert (found.place, found.cancel) == (0, (orders[0],))


@pytest.mark.parametrize("side", Side)
def test_where_it_stands_beside_somebody_elses_ours_moves_whole(side):
    assert plan(side, 4, [Stop(True, 4, 3), Stop(False, 2, 3)], 2) == (4, {"o1"})


# Levels.

behinds = st.integers(1, 60)


def managed(side: Side, stop: Decimal | None) -> Managed:
    return Managed(1, X, side, PositionState.OPEN, Origin.ENTRY, "", 1, 1, 0, D(1), stop)


def traded(side: Side, stop: Decimal | None) -> OpenTrade:
    return OpenTrade(1, X, side, 0, Lot(D(side.sign), D(100) * side.sign), stop_price=stop)


@given(st.sampled_from(Side), behinds, behinds)
def test_a_level_inside_liquidation_stays_and_one_beyond_comes_inside_and_tighter(side, planned, liquidation):
    position, wanted = held(side, 1, liquidation), at(side, planned)
    price = stop_level(position, wanted, INSTRUMENT, D("0.01"))
    assert position.inside_liquidation(price) and price % STEP == 0
    if planned < liquidation:
        assert price == wanted
    else:
        assert (price - wanted) * side.sign > 0, "never looser than planned"
        room = abs(position.mark_price - at(side, liquidation))
        exact = at(side, liquidation) + side.sign * room / 10
        assert 0 <= (price - exact) * side.sign < STEP, "a tenth of the way, on the tick of the smaller loss"


@given(st.sampled_from(Side), st.integers(-50, 50))
def test_a_level_is_passed_once_the_mark_has_reached_it(side, behind):
    assert already_passed(side, at(side, behind), at(side, 0)) is (behind <= 0)


def test_the_venue_refuses_exactly_the_levels_that_are_passed(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2"))).confirmed
        mark = desk.snapshot().positions[0].mark_price
        for ticks in (-2, -1, 0, 1, 2):
            price = mark - ticks * desk.bot.instruments[SOL].tick_size
            passed = already_passed(Side.LONG, price, mark)
            assert stands(desk, price) is not passed, f"{ticks} ticks behind the mark"


def stands(desk: Rig, price: Decimal) -> bool:
    return desk.run(desk.bot.door.submit(stop_draft(SOL, Side.LONG, D(1), price, TriggerBy.MARK, "test"))).confirmed


@given(st.sampled_from(Side), behinds, behinds, behinds)
def test_the_stored_stop_comes_before_the_entrys_plan_and_that_before_what_stands(side, stored, plan_, standing):
    position, pct = held(side, 1), D("0.05")
    ours, trade, there = managed(side, at(side, stored)), traded(side, at(side, plan_)), at(side, standing)
    assert level_of(position, ours, trade, INSTRUMENT, pct, there).price == at(side, stored)
    assert level_of(position, managed(side, None), trade, INSTRUMENT, pct, there).price == at(side, plan_)
    assert level_of(position, None, None, INSTRUMENT, pct, there).price == at(side, standing)
    other = Side.SHORT if side is Side.LONG else Side.LONG
    turned = level_of(position, managed(other, at(other, stored)), traded(other, at(other, plan_)), INSTRUMENT, pct)
    assert turned.price != at(other, stored), "the level of a position on the other side says nothing about this one"


@given(st.sampled_from(Side), st.integers(-300, 300), st.sampled_from([D("0.01"), D("0.013"), D("0.2")]))
def test_without_a_plan_it_is_measured_from_the_entry_of_ours_and_from_the_mark_of_what_nobody_explains(
    side, moved, pct
):
    position = replace(held(side, 1), entry_price=at(side, moved))
    for ours, base in ((managed(side, None), position.entry_price), (None, position.mark_price)):
        level = level_of(position, ours, None, INSTRUMENT, pct)
        exact = base * (1 - side.sign * pct)
        assert level.price % STEP == 0 and 0 <= (level.price - exact) * side.sign < STEP
        assert level.source.endswith("from the entry" if ours else "from the mark")
