"""The slices of one entry open one position: what has been closed between two of them stays closed (promise 8)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import CALM, SOL, UP, D, Rig, rig
from test_interleavings import close_elsewhere

from tradectl.domain.intent import Purpose, entry_drafts
from tradectl.domain.order import TriggerBy
from tradectl.domain.signal import Sized
from tradectl.engine import acting
from tradectl.errors import EntryRefused
from tradectl.execution.ingest import ingest
from tradectl.sim import views
from tradectl.sim.faults import Refuse
from tradectl.store import positions

PLUNGE = ("100.5", "100.6", "98", "98.5")  # through a stop at 99
SPACED: dict[str, object] = {"execution.symbol_spacing_ms": 500}


def in_two(desk: Rig) -> Sized:
    return replace(desk.sized(qty="40"), slices=(D(20), D(20)))


def held(desk: Rig) -> dict[str, Decimal]:
    """What is true at the exchange now; also from within a call to it."""
    return {one.symbol: one.qty for one in views.snapshot(desk.embedded.host.state).positions if one.qty}


def entries(desk: Rig) -> list[str]:
    return [one.state.value for one in desk.intents() if one.purpose is Purpose.ENTRY]


@pytest.mark.parametrize("closed_by", ["operator", "stop"])
def test_the_next_slice_does_not_open_again_what_was_closed_meanwhile(tmp_path: Path, closed_by: str) -> None:
    with rig(tmp_path, [UP, PLUNGE, *[CALM] * 6], SPACED) as desk:
        desk.step()
        real, waits = desk.bot.door._keep_apart, [0]

        async def between(symbol: str) -> None:
            waits[0] += 1
            if waits[0] == 2:
                if closed_by == "operator":
                    close_elsewhere(desk, SOL)
                else:
                    desk.step()
                    await ingest(desk.db, desk.bot.venue, "USDT")
                assert held(desk) == {} and desk.read(positions.of, SOL) is None
            await real(symbol)

        desk.bot.door._keep_apart = between  # type: ignore[method-assign]
        decision = desk.run(acting.enter(desk.bot, in_two(desk)))
        assert waits[0] == 2 and decision.code == "entry_over" and "is closed" in decision.sentence
        assert held(desk) == {} and entries(desk) == ["confirmed"]


def test_an_entry_that_came_to_nothing_may_be_tried_again(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[CALM] * 6]) as desk:
        first, second = entry_drafts(in_two(desk), TriggerBy.LAST)
        desk.plan.before_faults["place"] = [Refuse("engine_busy", "try later")]
        assert not desk.run(desk.bot.door.submit(first)).confirmed
        assert desk.read(positions.of, SOL) is None
        assert desk.run(desk.bot.door.submit(second)).confirmed
        assert held(desk) == {SOL: D(20)}


def test_one_that_filled_opens_nothing_more_and_another_signal_does(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[CALM] * 6]) as desk:
        whole = in_two(desk)
        first, second = entry_drafts(whole, TriggerBy.LAST)
        assert desk.run(desk.bot.door.submit(first)).confirmed
        desk.run(ingest(desk.db, desk.bot.venue, "USDT"))
        close_elsewhere(desk, SOL)
        with pytest.raises(EntryRefused, match="is closed"):
            desk.run(desk.bot.door.submit(second))
        signal = replace(whole.admitted.signal, candle_open_ms=whole.admitted.signal.candle_open_ms + 300_000)
        another = replace(whole, admitted=replace(whole.admitted, signal=signal))
        assert desk.run(desk.bot.door.submit(entry_drafts(another, TriggerBy.LAST)[0])).confirmed
        assert held(desk) == {SOL: D(20)}
