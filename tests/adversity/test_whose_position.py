"""Positions that are not, or not only, ours: a person's beside an entry of ours in flight, two legs of one symbol, and
contracts that the venue does not list. Nothing of theirs is destroyed (promise 6), and none stays naked unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_kit import CALM, SAG, SOL, UP, D, Rig, rig

from tradectl.domain.intent import Purpose
from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType
from tradectl.sim.faults import Distort
from tradectl.sim.ops import PlaceOrder

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
