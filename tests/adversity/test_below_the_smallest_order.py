"""What is missing of a stop, or left of a position, can be less than the venue's smallest order (promise 5).

A gap that small is covered by a stop that is a little larger; it ends no position. Dust, which the venue would neither
protect nor close, is said once, and no cycle sends orders that are bound to be refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from bot_kit import FLAT, SOL, D, Rig, rig
from test_interleavings import strip

from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Protection, coverage
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions
from tradectl.errors import ExitCode
from tradectl.operations import stops_place
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk
from tradectl.operations.stop_rules import stop_rules
from tradectl.sim import views
from tradectl.sim.ops import PlaceOrder
from tradectl.store import cycles, emergency, outbox

KNOBS: dict[str, object] = {
    "perps.enabled": False,
    f"sim.instruments.{SOL}": {"qty_step": D("0.1"), "min_qty": D("0.5")},
}


def somebody(desk: Rig, kind: OrderType, qty: str, trigger: str | None = None) -> None:
    host = desk.embedded.host
    now_ms = host.state.server_ms
    request = OrderRequest(
        f"web-{host.state.next_order}", SOL, OrderSide.SELL, kind, D(qty), now_ms, now_ms + 5_000, reduce_only=True,
        trigger_price=D(trigger) if trigger else None, trigger_by=TriggerBy.LAST if trigger else None,
    )  # fmt: skip
    assert isinstance(host.execute(PlaceOrder(request, now_ms)).reply, Confirmed)


def stops(desk: Rig) -> tuple[Protection, list[tuple[str, str]]]:
    """How the one position is protected, and its stops: quantity and trigger."""
    snapshot = views.snapshot(desk.embedded.host.state)
    (position,) = snapshot.positions
    listed = sorted((str(one.qty), str(one.trigger_price)) for one in snapshot.orders if one.protective)
    return coverage(position, snapshot.orders).protection, listed


def attempt(desk: Rig) -> bool:
    desk.assembled = replace(desk.assembled, bot=desk.bot)
    number = desk.read(cycles.progress).cycle
    return desk.run(daemon._attempt(desk.assembled, daemon.Run(RunOptions(), number=number)))


@contextmanager
def locked(desk: Rig, *, really: bool) -> Iterator[None]:
    other = sqlite3.connect(desk.db.path, isolation_level=None)
    if really:
        desk.db.conn.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@pytest.mark.parametrize("blind", [False, True], ids=["with its store", "while the store is locked"])
def test_a_gap_below_the_smallest_order_is_covered_and_ends_no_position(tmp_path: Path, blind: bool) -> None:
    with rig(tmp_path, [FLAT] * 6, KNOBS) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2"))).confirmed
        assert attempt(desk)
        strip(desk, SOL)
        somebody(desk, OrderType.STOP_MARKET, "1.8", "99")
        assert stops(desk) == (Protection.SHORT, [("1.8", "99")])
        with locked(desk, really=blind):
            for _ in range(3):
                assert attempt(desk) is not blind
                assert stops(desk) == (Protection.COVERED, [("0.5", "99"), ("1.8", "99")])
        assert attempt(desk) and stops(desk)[0] is Protection.COVERED


@pytest.mark.parametrize("blind", [False, True], ids=["with its store", "while the store is locked"])
def test_dust_is_said_once_and_gets_no_orders_that_are_bound_to_be_refused(tmp_path: Path, blind: bool) -> None:
    with rig(tmp_path, [FLAT] * 6, KNOBS) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2"))).confirmed
        assert attempt(desk)
        somebody(desk, OrderType.MARKET, "1.9")
        strip(desk, SOL)
        assert attempt(desk)
        before, said = desk.embedded.host.state.next_seq, desk.read(outbox.count_by_type)
        with locked(desk, really=blind):
            for _ in range(3):
                assert attempt(desk) is not blind
        assert desk.embedded.host.state.next_seq == before, "nothing was sent, and nothing refused"
        assert stops(desk) == (Protection.NAKED, [])
        assert desk.read(outbox.count_by_type) == said and said["safety_naked_position"] == 1
        assert emergency.waiting(desk.db.path) == []


def test_an_operator_who_places_missing_stops_covers_such_a_gap_too(tmp_path: Path) -> None:
    with rig(tmp_path, [FLAT] * 6, KNOBS) as desk:
        assert desk.run(desk.bot.door.submit(desk.entry("2"))).confirmed
        assert attempt(desk)
        strip(desk, SOL)
        somebody(desk, OrderType.STOP_MARKET, "1.8", "99")
        with desk.elsewhere() as other:
            books, counter = Books(desk.db.path, other), Desk(desk.bot.venue, desk.bot.clock)
            rules = stop_rules(books, ())

            async def whole() -> stops_place.PlacedAll:
                planned = await stops_place.plan(books, counter, rules)
                choice = stops_place.OnBreached.SKIP
                return await stops_place.apply(
                    books, counter, rules, planned, on_breached=choice, reason="gap", actor="ann"
                )

            done = desk.run(whole())
        assert done.exit_code is ExitCode.OK, done.placed
        assert stops(desk) == (Protection.COVERED, [("0.5", "99"), ("1.8", "99")])
