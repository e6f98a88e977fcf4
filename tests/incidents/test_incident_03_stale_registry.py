"""Incident 03: a stale registry at start-up; real positions were called phantom and closed at the market.

What the books do not know is reported, blocked and protected, never closed (promises 5 and 6); what our own fills
explain is taken over with its stop, and goes on to its regular end.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from books import compare
from bot_kit import SOL, UP, rig
from incident_kit import attempt, by_hand, cancel_by_hand, held, must_be_seen, protections, sent, strip

from tradectl.domain.finding import FindingKind
from tradectl.domain.intent import Purpose, exit_drafts
from tradectl.domain.lifecycle import Origin, PositionState
from tradectl.domain.order import OrderSide, OrderType
from tradectl.domain.position import Protection
from tradectl.domain.system_state import LatchName
from tradectl.engine import reconciling, recover
from tradectl.execution.booking import Booking
from tradectl.execution.reconcile_read import find
from tradectl.execution.reconcile_sides import Local
from tradectl.store import latches, outbox, positions

FOUR = ("ADAUSDT", "AVAXUSDT", "LINKUSDT", SOL)
OURS = ("AVAXUSDT", "LINKUSDT", SOL)
DOWN = ("100.5", "100.6", "99.9", "100")
CROSS = ("100", "100.6", "99.9", "100.5")
KNOBS = {"perps.fast_period": 1, "perps.slow_period": 2}  # every turn of the price is a signal
CRASHES = [("100", "100.1", "97", "97.2"), *[("97.2", "97.3", "97.1", "97.2")] * 3]
CYCLES = 5


def market(*rows: tuple[str, str, str, str]) -> dict[str, list[tuple[str, str, str, str]]]:
    return {symbol: list(rows) for symbol in FOUR}


ROWS = market(UP, *[DOWN, CROSS] * 3)


def lose_the_store(folder: Path) -> dict[str, Decimal]:
    """Four positions of a bot whose store is then gone, one of them turned over by hand; two have no stop."""
    with rig(folder, ROWS, KNOBS) as desk:
        desk.cycle()
        turned = str(held(desk)["ADAUSDT"] + 20)
        by_hand(desk, OrderSide.SELL, OrderType.MARKET, turned, symbol="ADAUSDT")
        strip(desk, SOL)
        naked = {symbol for symbol, state in protections(desk).items() if state is Protection.NAKED}
        assert naked == {"ADAUSDT", SOL}
        before = held(desk)
        assert tuple(before) == FOUR
    for file in folder.glob("bot.db*"):
        file.unlink()
    return before


def none_is_closed_and_all_are_seen_to(folder: Path, before: dict[str, Decimal]) -> None:
    """The check: an empty store meets four live positions, in a market in which every cycle has a signal."""
    with rig(folder, ROWS, KNOBS, ready=False) as desk:
        for turn in range(CYCLES):
            assert attempt(desk, step=turn > 0)
            assert held(desk) == before, "nothing of what nobody can explain is closed, and nothing is added to it"
            assert set(protections(desk).values()) == {Protection.COVERED}
        plan = desk.run(find(desk.db, desk.bot.venue, sides=desk.bot.strategy.sides))
        reported = {one.symbol: one.kind for one in plan.findings if one.blocks}
        assert reported == dict.fromkeys(FOUR, FindingKind.PHANTOM)
        assert all(f"reconcile --adopt {one.symbol}" in repr(one) for one in plan.findings if one.blocks)
        blocked = {one.scope for one in desk.read(latches.active) if one.name is LatchName.RECONCILE}
        assert blocked == set(FOUR)
        alerts = desk.read(outbox.count_by_type)
        assert alerts["safety_recon_block"] >= len(FOUR) and alerts["safety_naked_position"] == 2
        assert {one.purpose for one in desk.intents()} == {Purpose.STOP}
        decided = desk.cycle().decisions
        assert {(one.symbol, one.outcome, one.code) for one in decided} == {
            (symbol, "refused", "latches") for symbol in FOUR
        }


@contextmanager
def what_the_registry_lacks_is_closed() -> Iterator[None]:
    """The old fault: start-up ends what its own records do not know."""
    real = reconciling.reconcile

    async def and_close(bot: Any, picture: Any) -> Any:
        plan = await real(bot, picture)
        for one in plan.findings:
            position = picture.position(one.symbol)
            if one.kind is FindingKind.PHANTOM and position is not None:
                size, instrument = abs(position.qty), bot.instruments[one.symbol]
                drafts = exit_drafts(one.symbol, position.side, size, instrument, "phantom")
                await bot.door.submit_slices(drafts, last_resort=True)
        return plan

    with patch.object(recover, "reconcile", and_close):
        yield


@contextmanager
def fills_explain_nothing() -> Iterator[None]:
    """The other half of it: only the registry says what is ours, whatever the venue's own fills say."""
    with (
        patch.object(Local, "held_by_us", lambda self, symbol: False),
        patch.object(Booking, "_entry_of", lambda self, fill: (None, False)),
        what_the_registry_lacks_is_closed(),
    ):
        yield


def test_an_empty_store_closes_none_of_four_live_positions(tmp_path: Path) -> None:
    none_is_closed_and_all_are_seen_to(tmp_path, lose_the_store(tmp_path))


def test_closing_what_the_registry_lacks_is_seen(tmp_path: Path) -> None:
    before = lose_the_store(tmp_path)
    with what_the_registry_lacks_is_closed(), must_be_seen("what nobody can explain is closed"):
        none_is_closed_and_all_are_seen_to(tmp_path, before)


# A copy of the store from before the entries: the venue's fills carry our ids.

STALE = market(UP, DOWN, CROSS, *CRASHES)


def go_back_to_an_older_store(folder: Path) -> dict[str, Decimal]:
    """The store as it was before three entries of its bot; two of them have lost their stops meanwhile."""
    with rig(folder, {symbol: STALE[symbol] for symbol in OURS}, KNOBS) as desk:
        shutil.copy(folder / "bot.db", folder / "copy")
        desk.cycle()
        before = held(desk)
        cancel_by_hand(desk, *(one for one in desk.snapshot().orders if one.symbol == SOL and one.take_profit))
        strip(desk, "LINKUSDT", SOL)
        assert tuple(before) == OURS
    for file in folder.glob("bot.db*"):
        file.unlink()
    (folder / "copy").rename(folder / "bot.db")
    return before


def what_our_fills_explain_is_ours(folder: Path, before: dict[str, Decimal]) -> None:
    """The check: all are adopted and protected, nothing is asked of a person, and each comes to its regular end."""
    with rig(folder, {symbol: STALE[symbol] for symbol in OURS}, KNOBS, ready=False) as desk:
        assert attempt(desk, step=False)
        assert held(desk) == before, "what is ours stays"
        managed = desk.read(positions.alive)
        assert {symbol: one.entry_qty for symbol, one in managed.items()} == before
        assert {(one.state, one.origin) for one in managed.values()} == {(PositionState.OPEN, Origin.EXPLAINED)}
        assert set(protections(desk).values()) == {Protection.COVERED}
        assert {one.symbol for one in sent(desk, Purpose.STOP)} == {"LINKUSDT", SOL}
        assert desk.read(latches.active) == ()
        assert not sent(desk, Purpose.ENTRY, Purpose.EXIT)
        for _ in range(len(CRASHES) + 1):
            assert attempt(desk)
        assert held(desk) == {} and desk.read(positions.alive) == {}, "their stops have ended them"
        assert desk.snapshot().orders == (), "and left nothing behind"
    found = compare(folder / "bot.db")
    assert [one for one in found.differences if "has no intent" not in one] == []
    assert found.trades == len(OURS)


def test_a_stale_store_takes_over_what_its_own_fills_explain(tmp_path: Path) -> None:
    what_our_fills_explain_is_ours(tmp_path, go_back_to_an_older_store(tmp_path))


def test_trusting_the_registry_alone_is_seen(tmp_path: Path) -> None:
    before = go_back_to_an_older_store(tmp_path)
    with fills_explain_nothing(), must_be_seen("what is ours stays"):
        what_our_fills_explain_is_ours(tmp_path, before)
