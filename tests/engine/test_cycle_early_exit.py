"""Leaving at the reverse cross: only where it is wanted, while paused too, never while halted."""

from __future__ import annotations

import pytest
from bot_kit import UP, rig
from cycle_kit import TURN, only

from tradectl.domain.intent import Purpose
from tradectl.domain.system_state import LatchName
from tradectl.store import ledger


@pytest.mark.parametrize("wanted", [True, False])
def test_the_reverse_cross_ends_the_position_only_where_early_exits_are_wanted(tmp_path, wanted):
    with rig(tmp_path, [UP, *TURN], {"perps.early_exit_on_cross": wanted}) as desk:
        outcomes = [only(desk).outcome for _ in range(20)]
        exits = [one for one in desk.intents() if one.purpose is Purpose.EXIT]
        if wanted:
            assert outcomes.count("exit") == 1 and len(exits) == 1 and exits[0].reduce_only
            (trade,) = desk.read(ledger.trades, 5)
            assert trade.exit_reason == "market" and desk.snapshot().orders == ()
        else:
            assert "exit" not in outcomes and len(desk.snapshot().positions) == 1


def test_an_early_exit_is_managing_it_goes_on_while_paused_and_not_while_halted(tmp_path):
    for latch, expected in ((LatchName.PAUSE, "exit"), (LatchName.KILL_SWITCH, "refused")):
        folder = tmp_path / latch.value
        folder.mkdir()
        with rig(folder, [UP, *TURN], {"perps.early_exit_on_cross": True}) as desk:
            desk.cycle()
            desk.latch(latch)
            outcomes = [only(desk) for _ in range(19)]
            exits = [one for one in desk.intents() if one.purpose is Purpose.EXIT]
            assert bool(exits) is (expected == "exit")
            if expected == "refused":
                assert "halted" in {one.code for one in outcomes} and len(desk.snapshot().positions) == 1
