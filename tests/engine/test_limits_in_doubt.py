"""What limits count of entries whose outcome is not known: all of it, at once and in every cycle (promise 8)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bot_kit import CALM, FLAT, SOL, UP, D, Rig, rig

from tradectl.domain.intent import entry_drafts
from tradectl.domain.order import TriggerBy
from tradectl.domain.snapshot import Snapshot
from tradectl.engine import state
from tradectl.risk.context import AccountContext, with_pending
from tradectl.sim.faults import DropRequest, Fault, LoseAnswer
from tradectl.venue.through import Through

ROWS = [UP, *[CALM] * 6]


def account(desk: Rig) -> AccountContext:
    """As the next cycle's gates see it."""
    snapshot, _ = desk.run(state.take_in(desk.bot, desk.run(desk.bot.venue.snapshot())))
    return state.account_context(desk.bot, snapshot, state.load_books(desk.bot, snapshot))


def money(context: AccountContext) -> tuple[object, ...]:
    return context.pending_notional, context.pending_margin, context.pending_cost, context.pending_risk


def test_an_entry_in_doubt_counts_in_later_cycles_for_what_it_counted_in_its_own(tmp_path: Path) -> None:
    with rig(tmp_path, ROWS) as desk:
        its_own = with_pending(account(desk), desk.sized(qty="20"))
        desk.plan.before_faults["place"] = [DropRequest()]
        assert not desk.run(desk.bot.door.submit(desk.entry(qty="20"))).confirmed
        later = account(desk)
        assert money(later) == money(its_own) and later.pending_risk > 20 and later.pending_cost > 0
        assert (later.in_doubt, later.pending_symbols, later.session_entries) == ({SOL: 1}, {SOL}, 1)


@pytest.mark.parametrize(
    ("fault", "arrived"), [(DropRequest(), False), (LoseAnswer(), True)], ids=["never arrived", "arrived"]
)
def test_a_later_slice_in_doubt_counts_beside_the_earlier_one_that_is_held(
    tmp_path: Path, fault: Fault, arrived: bool
) -> None:
    with rig(tmp_path, ROWS) as desk:
        whole = replace(desk.sized(qty="40"), slices=(D(20), D(20)))
        first, second = entry_drafts(whole, TriggerBy.LAST)
        assert desk.run(desk.bot.door.submit(first)).confirmed
        (desk.plan.after_faults if arrived else desk.plan.before_faults)["place"] = [fault]
        assert not desk.run(desk.bot.door.submit(second)).confirmed
        later = account(desk)
        assert later.in_doubt == {SOL: 1} and not later.pending_symbols
        if arrived:  # its fills are in the books, and its quantity in the venue's own numbers
            assert desk.snapshot().positions[0].qty == 40 and money(later) == (0, 0, 0, 0)
        else:
            assert later.pending_notional >= 2000 and later.pending_margin >= 400 and later.pending_risk > 20


def test_what_the_venue_shows_of_a_slice_in_doubt_before_its_fills_is_counted_once(tmp_path: Path) -> None:
    with rig(tmp_path, ROWS) as desk:
        whole = replace(desk.sized(qty="40"), slices=(D(20), D(20)))
        first, second = entry_drafts(whole, TriggerBy.LAST)
        assert desk.run(desk.bot.door.submit(first)).confirmed
        account(desk)  # its fills are booked
        desk.plan.after_faults["place"] = [LoseAnswer()]
        assert not desk.run(desk.bot.door.submit(second)).confirmed
        snapshot = desk.snapshot()
        books = state.load_books(desk.bot, snapshot)  # before its fills are
        assert snapshot.positions[0].qty == 40 and books.open_trades[SOL].lot.qty == 20
        assert money(state.account_context(desk.bot, snapshot, books)) == (0, 0, 0, 0)
        part = replace(snapshot, positions=(replace(snapshot.positions[0], qty=D(25)),))
        assert D(1500) <= state.account_context(desk.bot, part, books).pending_notional < D(1502)


class Lacking(Through):
    """A venue whose list of positions lacks one symbol, while the account's own numbers are whole."""

    lacking = ""

    async def snapshot(self) -> Snapshot:
        picture = await self._inner.snapshot()
        return replace(picture, positions=tuple(one for one in picture.positions if one.symbol != self.lacking))


def test_a_position_that_the_books_hold_and_a_list_lacks_leaves_no_room_for_others(tmp_path: Path) -> None:
    """One small enough that the account's own margin does not give it away."""
    knobs: dict[str, object] = {"risk.max_concurrent_positions": 2, "safety.max_single_position_pct_equity": 1}
    three = ("BTCUSDT", "ETHUSDT", SOL)
    with rig(tmp_path, {name: [FLAT, UP, *[CALM] * 4] for name in three}, knobs) as desk:
        for symbol, qty in (("ETHUSDT", "40"), (SOL, "0.4")):
            assert desk.run(desk.bot.door.submit(desk.entry(qty=qty, symbol=symbol))).confirmed
        desk.cycle()
        venue = Lacking(desk.bot.venue._inner)
        desk.bot.venue._inner = venue
        venue.lacking = SOL
        decisions = {one.symbol: one for one in desk.cycle().decisions}
        assert (decisions["BTCUSDT"].outcome, decisions["BTCUSDT"].code) == ("refused", "latches")
        assert f"lacks a position, {SOL}" in decisions["BTCUSDT"].sentence
        assert {position.symbol for position in desk.snapshot().positions} == {"ETHUSDT", SOL}
