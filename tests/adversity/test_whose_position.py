"""Positions that are not, or not only, ours: a person's beside an entry of ours in flight, two legs of one symbol, and
contracts that the venue does not list. Nothing of theirs is destroyed (promise 6), and none stays naked unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from bot_kit import CALM, SAG, SOL, UP, D, Rig, rig
from test_interleavings import strip

from tradectl.domain.instrument import Instrument
from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType
from tradectl.domain.ports import Venue
from tradectl.domain.position import PositionFact, Protection, Side, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.engine import daemon, protecting
from tradectl.engine.assemble import RunOptions
from tradectl.engine.bot import Memory
from tradectl.engine.listing import Listed
from tradectl.engine.recover import restore
from tradectl.engine.state import load_books
from tradectl.execution import protect, protect_blind, stop_level
from tradectl.sim.faults import Distort, DropRequest
from tradectl.sim.ops import PlaceOrder
from tradectl.store import cycles, ledger
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


# Contracts that the venue does not list any more, or did not when the bot started.

TWO = ("ETHUSDT", SOL)


class Unlisted(Through):
    """A venue that has taken a contract off its list; what is held in it is still held."""

    def __init__(self, inner: Venue, *, until: int = 1_000_000) -> None:
        super().__init__(inner)
        self.asked = 0
        self._until = until

    async def instruments(self) -> Mapping[str, Instrument]:
        self.asked += 1
        listed = await self._inner.instruments()
        return {name: one for name, one in listed.items() if name != "ETHUSDT" or self.asked >= self._until}


def without_eth(desk: Rig, *, until: int = 1_000_000) -> Unlisted:
    """Both are held and naked; the bot was assembled from a list without the one of them that comes first."""
    desk.cycle()
    assert [position.symbol for position in desk.snapshot().positions] == list(TWO)
    for name in TWO:
        strip(desk, name)
    venue = Unlisted(desk.bot.venue._inner, until=until)
    desk.bot.venue._inner = venue
    known = {name: one for name, one in desk.bot.instruments.items() if name != "ETHUSDT"}
    desk.bot = replace(desk.bot, instruments=Listed(known), symbols=(SOL,))
    return venue


def protections(desk: Rig) -> dict[str, Protection]:
    snapshot = desk.snapshot()
    return {one.symbol: coverage(one, snapshot.orders).protection for one in snapshot.positions}


def attempt(desk: Rig, run: daemon.Run) -> bool:
    """One turn of the daemon's loop."""
    desk.step()
    desk.assembled = replace(desk.assembled, bot=desk.bot)
    return desk.run(daemon._attempt(desk.assembled, run))


def a_run(desk: Rig) -> daemon.Run:
    return daemon.Run(RunOptions(), number=desk.read(cycles.progress).cycle)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_contract_that_is_not_listed_keeps_no_other_from_its_stop(tmp_path: Path, restarted: bool) -> None:
    with rig(tmp_path, {name: [UP, *[CALM] * 12] for name in TWO}) as desk:
        venue = without_eth(desk)
        if restarted:
            desk.bot = replace(desk.bot, memory=Memory())
            restore(desk.bot)
        run = a_run(desk)
        for _ in range(8):
            assert attempt(desk, run), "the cycle is completed"
        assert protections(desk) == {"ETHUSDT": Protection.NAKED, SOL: Protection.COVERED}
        said = [text for text in alerts(desk) if "ETHUSDT" in text]
        assert len(said) == 1 and "does not list it" in said[0], said
        assert 0 < venue.asked <= 9, "the list is read again, at most once a minute"


def test_without_the_store_as_well(tmp_path: Path) -> None:
    with rig(tmp_path, {name: [UP, *[CALM] * 12] for name in TWO}) as desk:
        without_eth(desk)
        desk.run(daemon._protect_blind(desk.bot))
        assert protections(desk) == {"ETHUSDT": Protection.NAKED, SOL: Protection.COVERED}


def test_a_contract_listed_since_the_start_is_learnt_of(tmp_path: Path) -> None:
    with rig(tmp_path, {name: [UP, *[CALM] * 12] for name in TWO}) as desk:
        venue = without_eth(desk, until=2)
        run = a_run(desk)
        assert attempt(desk, run) and protections(desk)["ETHUSDT"] is Protection.NAKED
        assert attempt(desk, run)
        assert protections(desk) == dict.fromkeys(TWO, Protection.COVERED) and venue.asked == 2
        assert attempt(desk, run) and venue.asked == 2, "known from then on"


@pytest.mark.parametrize("blind", [False, True])
def test_an_error_of_our_own_on_one_position_leaves_no_other_naked(tmp_path: Path, blind: bool) -> None:
    real = stop_level.level_of

    def broken(position: PositionFact, *rest: Any) -> stop_level.Level:
        if position.symbol == "ETHUSDT":
            raise ZeroDivisionError("an error of our own")
        return real(position, *rest)

    where = protect_blind if blind else protect
    with rig(tmp_path, {name: [UP, *[CALM] * 12] for name in TWO}) as desk:
        desk.cycle()
        for name in TWO:
            strip(desk, name)
        run = a_run(desk)
        with patch.object(where, "level_of", broken):
            if blind:
                desk.run(daemon._protect_blind(desk.bot))
            else:
                assert not attempt(desk, run) and run.faults_in_a_row == 1, "it counts as an error, as before"
        assert protections(desk) == {"ETHUSDT": Protection.NAKED, SOL: Protection.COVERED}
        if not blind:
            assert any("ETHUSDT may be left naked" in text for text in alerts(desk))


# A person's position on a symbol where an entry of ours is in flight.

FALLS = ("100.5", "100.6", "99.0", "99.1")  # through the level that our entry planned


def entry_in_doubt(desk: Rig) -> Decimal:
    """It never arrived, and the search for it cannot be read; the market has gone through its planned stop."""
    desk.plan.before_faults["place"] = [DropRequest()]
    desk.cycle()
    (entry,) = desk.intents()
    assert entry.state is IntentState.UNKNOWN and entry.qty is not None
    desk.plan.before_faults["find_order"] = [DropRequest()] * 100
    desk.step(2)
    return entry.qty


@pytest.mark.parametrize("more", [D("-0.1"), D(0), D("0.1"), D(100)])
@pytest.mark.parametrize("blind", [False, True])
def test_what_the_books_do_not_hold_is_not_closed_for_an_entry_in_flight(
    tmp_path: Path, more: Decimal, blind: bool
) -> None:
    with rig(tmp_path, [UP, CALM, FALLS, CALM]) as desk:
        bought = entry_in_doubt(desk) + more
        desk.bot.memory.reconciled_ms = desk.bot.clock.now_ms()
        load_books(desk.bot, desk.snapshot())
        somebody_buys(desk, str(bought))
        if blind:
            desk.run(daemon._protect_blind(desk.bot))
        else:
            desk.cycle(step=False)
        position = desk.snapshot().position(SOL)
        assert exits(desk) == [] and position is not None and position.qty == bought
        stops = [order.trigger_price for order in desk.snapshot().orders if order.protective]
        if more > 0:
            assert stops == [D("98.11")], "nothing of ours: the stop is measured from the mark"


def test_no_more_than_the_books_hold_is_closed(tmp_path: Path) -> None:
    """A person adds to our position, and its fill is not here yet: what is theirs is left, and said."""
    with rig(tmp_path, [UP, CALM, FALLS, CALM]) as desk:
        desk.cycle()
        ours = desk.snapshot().positions[0].qty
        strip(desk, SOL)
        desk.step(2)
        somebody_buys(desk, "7")
        desk.bot.memory.reconciled_ms = desk.bot.clock.now_ms()
        desk.plan.before_faults["account_events"] = [Distort(tail=1000)] * 3
        snapshot, trades = desk.snapshot(), desk.read(ledger.open_trades)
        done = desk.run(protecting.protect_all(desk.bot, snapshot, trades))
        assert exits(desk) == [str(ours)] and done.closed == {} and "the other 7" in done.naked[SOL]
        position = desk.snapshot().position(SOL)
        assert position is not None and position.qty == 7
