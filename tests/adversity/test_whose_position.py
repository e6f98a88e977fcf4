"""Positions that are not, or not only, ours: a person's beside an entry of ours in flight, two legs of one symbol, and
contracts that the venue does not list. Nothing of theirs is destroyed (promise 6), and none stays naked unseen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bot_kit import CALM, SAG, SOL, UP, D, Rig, rig
from test_interleavings import strip

from tradectl.domain.intent import Purpose
from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType
from tradectl.domain.position import Protection, Side, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.sim.faults import Distort
from tradectl.sim.ops import PlaceOrder
from tradectl.venue.through import Through

EARLY: dict[str, object] = {"perps.early_exit_on_cross": True}


def somebody_buys(desk: Rig, qty: str, symbol: str = SOL) -> None:
    """At the exchange's own page."""
    host = desk.embedded.host
    now_ms = host.state.server_ms
    request = OrderRequest(
        f"web-{host.state.next_order}", symbol, OrderSide.BUY, OrderType.MARKET, D(qty), now_ms, now_ms + 5_000
    )
    assert isinstance(host.execute(PlaceOrder(request, now_ms)).reply, Confirmed)


def exits(desk: Rig) -> list[str]:
    return [str(one.qty) for one in desk.intents() if one.purpose is Purpose.EXIT]


# An early exit is of a position of ours.


def test_the_reverse_cross_closes_no_position_that_reconciliation_has_blocked(tmp_path: Path) -> None:
    with rig(tmp_path, [CALM, CALM, UP, *[SAG] * 14], EARLY) as desk:
        desk.latch()
        somebody_buys(desk, "7")
        for _ in range(14):
            desk.cycle()
        position = desk.snapshot().position(SOL)
        assert exits(desk) == [] and position is not None and position.qty == 7


@pytest.mark.parametrize("more", [None, "3"])
def test_the_reverse_cross_waits_where_venue_and_books_differ(tmp_path: Path, more: str | None) -> None:
    """Somebody adds to our position: how much of it is to be closed is reconciliation's to find out."""
    with rig(tmp_path, [UP, *[SAG] * 14], EARLY) as desk:
        desk.cycle()
        if more is not None:
            somebody_buys(desk, more)
            desk.plan.before_faults["account_events"] = [Distort(tail=1000)] * 1000  # the list of fills lags behind
        said = [decision.code for _ in range(12) for decision in desk.cycle().decisions]
        assert exits(desk) if more is None else ("books_differ" in said and not exits(desk))


# Two legs of one symbol: an account that somebody has put into hedge mode.


class Legs(Through):
    """Shows a short of the same size beside each long."""

    async def snapshot(self) -> Snapshot:
        seen = await self._inner.snapshot()
        long = seen.position(SOL)
        if long is None:
            return seen
        short = replace(long, qty=-long.qty, liquidation_price=None)
        money = replace(
            seen.account,
            initial_margin=seen.account.initial_margin * 2,
            maintenance_margin=seen.account.maintenance_margin * 2,
        )
        return replace(seen, positions=(long, short), account=money)


def hedged(desk: Rig) -> None:
    desk.cycle()
    desk.bot.venue._inner = Legs(desk.bot.venue._inner)


def alerts(desk: Rig, kind: str = "safety_naked_position") -> list[str]:
    """Urgent ones of that type, delivered or not."""
    asked = "SELECT text FROM outbox WHERE type = ? AND urgent = 1 ORDER BY id"
    return [text for (text,) in desk.read(lambda conn: conn.execute(asked, (kind,)).fetchall())]


def test_each_leg_of_a_symbol_is_protected_on_its_own_and_said(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[CALM] * 6]) as desk:
        hedged(desk)
        snapshot = desk.run(desk.bot.venue.snapshot())
        assert [coverage(leg, snapshot.orders).protection for leg in snapshot.positions] == [
            Protection.COVERED,
            Protection.NAKED,
        ]
        desk.cycle()
        snapshot = desk.run(desk.bot.venue.snapshot())
        sent = {(one.side, one.qty) for one in desk.intents() if one.purpose is Purpose.STOP}
        qty = snapshot.positions[0].qty
        assert sent == {(OrderSide.BUY, qty)}, "stops of the short, which this venue refuses, and none for the long"
        assert exits(desk) == []
        said = alerts(desk)
        assert any(f"long {qty} (covered) and short {qty} (naked)" in text for text in said), said
        assert any(text.startswith(f"short {qty} SOLUSDT is naked") for text in said), said


def test_a_naked_leg_of_ours_is_covered_though_the_other_is_listed_first(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[CALM] * 6]) as desk:
        hedged(desk)
        before = desk.snapshot()
        strip(desk, SOL)

        class Turned(Through):
            async def snapshot(self) -> Snapshot:
                seen = await self._inner.snapshot()
                return replace(seen, positions=seen.positions[::-1])

        desk.bot.venue._inner = Turned(desk.bot.venue._inner)
        desk.cycle()
        ours = [one.trigger_price for one in before.orders if one.protective]
        long = desk.run(desk.bot.venue.snapshot()).position(SOL, Side.LONG)
        assert long is not None and coverage(long, desk.snapshot().orders).protection is Protection.COVERED
        stops = [one.trigger_price for one in desk.snapshot().orders if one.side is OrderSide.SELL and one.protective]
        assert stops == ours, "at the level that was planned for it"
