"""A stop beyond liquidation protects nothing (promise 5)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bot_kit import FLAT, SOL, D, Rig, lines, rig
from hypothesis import given
from hypothesis import strategies as st
from protect_kit import LAST, go, stops_sent
from test_interleavings import strip

from tradectl.domain.instrument import Instrument, Tier
from tradectl.domain.intent import stop_draft
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.domain.position import PositionFact, Protection, Side, coverage
from tradectl.execution.stop_level import already_passed, stop_level
from tradectl.operations import killswitch_check, positions_list


def held(qty: str, mark: str, liquidation: str | None) -> PositionFact:
    limit = None if liquidation is None else D(liquidation)
    return PositionFact(SOL, D(qty), D(100), D(mark), D(0), D(10), D(1), D(10), "isolated", limit, 1)


def resting(number: int, side: OrderSide, qty: str, trigger: str) -> OrderFact:
    return OrderFact(
        f"o{number}", None, SOL, side, OrderType.STOP_MARKET, OrderStatus.NEW, D(qty), D(0), None, 1, 1,
        trigger_price=D(trigger), trigger_by=LAST, reduce_only=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("qty", "liquidation", "trigger", "expected"),
    [
        ("2", "90", "90.01", Protection.COVERED),
        ("2", "90", "90", Protection.NAKED),
        ("2", "90", "89", Protection.NAKED),
        ("2", None, "89", Protection.COVERED),
        ("2", "0", "89", Protection.COVERED),
        ("-2", "110", "109.99", Protection.COVERED),
        ("-2", "110", "110", Protection.NAKED),
        ("-2", "110", "111", Protection.NAKED),
        ("-2", "0", "111", Protection.COVERED),
    ],
)
def test_only_a_stop_inside_liquidation_covers(qty, liquidation, trigger, expected):
    position = held(qty, "100", liquidation)
    found = coverage(position, [resting(1, position.side.closing, "2", trigger)])
    assert found.protection is expected
    assert bool(found.why) is (expected is Protection.NAKED) and len(found.beyond) == bool(found.why)


def test_a_stop_beyond_liquidation_leaves_its_part_uncovered_and_is_named():
    position = held("3", "100", "90")
    found = coverage(position, [resting(1, OrderSide.SELL, "1", "95"), resting(2, OrderSide.SELL, "2", "85")])
    assert (found.protection, found.covered_qty, found.stop_price) == (Protection.SHORT, D(1), D(95))
    assert found.why == "a stop at 85 does not count: liquidation comes first, at 90"


@given(
    side=st.sampled_from(Side),
    tick=st.sampled_from(["0.1", "0.01", "0.5", "0.0001"]),
    mark=st.integers(200, 10_000),
    away=st.integers(1, 150),
    planned=st.one_of(st.none(), st.integers(1, 20_000)),
)
def test_a_stop_level_covers_once_it_is_placed_or_counts_as_passed(side, tick, mark, away, planned):
    """So no pass places a stop that the next one would not count."""
    size = D(tick)
    instrument = Instrument(
        SOL, "SOL", "USDT", size, D("0.1"), D("0.1"), D(5), D(1000), (Tier(D(10**9), D(50), D("0.01")),)
    )
    limit = size * (mark - side.sign * away)
    position = replace(held(str(2 * side.sign), "1", "1"), mark_price=size * mark, liquidation_price=limit)
    wanted = size * planned if planned is not None else None
    price = stop_level(position, wanted, instrument, D("0.01"))
    assert price % size == 0
    assert position.inside_liquidation(price)
    if wanted is not None and position.inside_liquidation(wanted):
        assert price == wanted
    elif wanted is not None and not already_passed(side, price, position.mark_price):
        assert abs(price - limit) <= abs(position.mark_price - limit) * D("0.1") + size


def lie_about_liquidation(desk: Rig, limit: str) -> None:
    """A venue on which the position is liquidated earlier than the entry's gates foresaw (cross margin, new tiers)."""
    inner = desk.bot.venue._inner
    honest = inner.snapshot

    async def snapshot():
        seen = await honest()
        return replace(seen, positions=tuple(replace(one, liquidation_price=D(limit)) for one in seen.positions))

    inner.snapshot = snapshot  # type: ignore[method-assign]


def test_a_planned_stop_beyond_liquidation_is_placed_inside_it_once(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2", "90"))).confirmed
        desk.cycle()
        lie_about_liquidation(desk, "95")
        with lines(desk, tmp_path) as log:
            done = go(desk, desk.run(desk.bot.venue.snapshot()))
            said = [line for line in log() if "liquidation" in line]
        price = D(done.placed[SOL])
        assert D(95) < price < D("95.6"), "a tenth of the way from liquidation to the mark"
        assert any("a stop at 90 does not count: liquidation comes first, at 95" in line for line in said)
        assert any("instead of 90, beyond liquidation" in line for line in said)
        snapshot = desk.run(desk.bot.venue.snapshot())
        assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED
        for _ in range(2):
            assert not go(desk, desk.run(desk.bot.venue.snapshot())).changed, "it counts from then on"
        assert len(stops_sent(desk)) == 1


def test_our_own_stop_beyond_liquidation_goes_when_its_replacement_stands(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2", "90"))).confirmed
        desk.cycle()
        strip(desk, SOL)
        assert desk.run(desk.bot.door.submit(stop_draft(SOL, Side.LONG, D(2), D(90), LAST, "by hand"))).confirmed
        lie_about_liquidation(desk, "95")
        go(desk, desk.run(desk.bot.venue.snapshot()))
        (stop,) = desk.snapshot().orders
        assert stop.trigger_price is not None and stop.trigger_price > 95 and stop.qty == 2


def test_a_position_at_the_brink_of_liquidation_is_closed(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2", "90"))).confirmed
        desk.cycle()
        lie_about_liquidation(desk, "99.99")
        done = go(desk, desk.run(desk.bot.venue.snapshot()))
        assert "already passed" in done.closed[SOL] and desk.snapshot().positions == ()


def test_the_operators_pages_say_why_a_stop_does_not_count(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 4) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2", "90"))).confirmed
        lie_about_liquidation(desk, "95")
        snapshot = desk.run(desk.bot.venue.snapshot())
        listed = positions_list.line(snapshot.positions[0], snapshot, None, D("0.1"))
        assert listed.protection == "naked" and "liquidation comes first, at 95" in listed.stops_why
        (naked,) = killswitch_check.check(snapshot).naked
        assert "NAKED" in naked.sentence() and "liquidation comes first, at 95" in naked.sentence()
