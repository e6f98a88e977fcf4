"""What cannot be protected: refusals are borne for some passes, then the position is closed, or trading is halted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from bot_kit import CALM, FIVE_MS, SOL, UP, Rig, refuse, rig
from test_interleavings import strip

from tradectl.domain.intent import Purpose
from tradectl.domain.order import TRANSIENT
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import Latch, LatchName
from tradectl.engine import daemon, record
from tradectl.engine.assemble import RunOptions
from tradectl.engine.bot import Memory
from tradectl.engine.recover import restore
from tradectl.errors import StoreBusy
from tradectl.sim.faults import DropRequest
from tradectl.store import cycles, latches, outbox

FALLS = ("100.5", "100.6", "99.1", "99.2")  # through the stop
ROWS = [UP, *[CALM] * 12]
NOW: dict[str, object] = {"safety.protection.grace_seconds": 0}


def naked(desk: Rig) -> None:
    desk.cycle()
    strip(desk, SOL)


def exits(desk: Rig) -> int:
    return sum(1 for one in desk.intents() if one.purpose is Purpose.EXIT)


def held(desk: Rig) -> bool:
    return bool(desk.snapshot().positions)


def halted(desk: Rig) -> Latch | None:
    return desk.read(latches.get, LatchName.HALT, "protection")


def alerts(desk: Rig, kind: str) -> list[str]:
    """Urgent ones of that type, delivered or not."""
    asked = "SELECT text FROM outbox WHERE type = ? AND urgent = 1 ORDER BY id"
    return [text for (text,) in desk.read(lambda conn: conn.execute(asked, (kind,)).fetchall())]


@pytest.mark.parametrize("code", [*sorted(TRANSIENT), "any, with a time to wait"])
def test_what_passes_by_itself_ends_no_position_however_long_it_lasts(tmp_path: Path, code: str) -> None:
    with rig(tmp_path, ROWS, NOW) as desk:
        naked(desk)
        refuse(desk, code, "st", retry_after_ms=None if code in TRANSIENT else 500)
        for _ in range(6):
            desk.cycle()
        assert held(desk) and not exits(desk) and halted(desk) is None
        assert any("passes by itself" in text for text in alerts(desk, "safety_naked_position"))
        desk.plan.always = None
        desk.cycle()
        snapshot = desk.snapshot()
        assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED


@pytest.mark.parametrize("strikes", [1, 2, 4])
def test_refusals_in_so_many_passes_in_a_row_close_it(tmp_path: Path, strikes: int) -> None:
    with rig(tmp_path, ROWS, {**NOW, "safety.protection.strikes": strikes}) as desk:
        naked(desk)
        refuse(desk, "no", "st")
        for _ in range(strikes - 1):
            desk.cycle()
            assert held(desk) and not exits(desk)
        desk.cycle()
        assert not held(desk) and exits(desk) == 1 and halted(desk) is None


def test_passes_of_one_cycle_are_one_pass(tmp_path: Path) -> None:
    """Reconciliation protects as well, and a cycle looks again after an order of its own."""
    with rig(tmp_path, ROWS, NOW) as desk:
        naked(desk)
        refuse(desk, "no", "st")
        desk.bot.memory.reconciled_ms = None
        desk.cycle()
        assert len(desk.plan.names("place")) > 3, "both have tried, twice each"
        assert held(desk) and list(desk.bot.memory.strikes.refused.values()) == [1]


def test_a_stop_that_stands_in_between_begins_the_count_anew(tmp_path: Path) -> None:
    with rig(tmp_path, ROWS, NOW) as desk:
        for _ in range(4):
            desk.plan.always = None
            desk.cycle()
            strip(desk, SOL)
            refuse(desk, "no", "st")
            desk.cycle()
        assert held(desk) and not exits(desk)


def test_the_grace_after_a_start_delays_the_emergency_and_never_the_placing(tmp_path: Path) -> None:
    grace: dict[str, object] = {"safety.protection.grace_seconds": 2 * FIVE_MS // 1000 + 1}
    with rig(tmp_path, ROWS, grace) as desk:
        naked(desk)
        desk.bot = replace(desk.bot, memory=Memory())
        restore(desk.bot)
        refuse(desk, "no", "st")
        before = len(desk.plan.names("place"))
        for turn in range(3):  # two of them within the grace
            desk.cycle()
            assert held(desk) and not exits(desk) and len(desk.plan.names("place")) >= before + 2 * (turn + 1)
        assert any("has just started" in text for text in alerts(desk, "safety_naked_position"))
        desk.cycle()
        assert not held(desk) and exits(desk) == 1


def test_a_level_that_was_passed_waits_for_no_grace(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, CALM, FALLS, CALM], {"safety.protection.grace_seconds": 3600}) as desk:
        naked(desk)
        desk.step(2)
        desk.bot = replace(desk.bot, memory=Memory())
        restore(desk.bot)
        desk.cycle(step=False)
        assert not held(desk) and exits(desk) == 1


@pytest.mark.parametrize("why", ["refused", "passed"])
def test_where_it_is_to_halt_nothing_is_closed_and_the_halt_is_set_once(tmp_path: Path, why: str) -> None:
    rows = ROWS if why == "refused" else [UP, FALLS, *[("99.5", "99.6", "99.4", "99.5")] * 6]
    with rig(tmp_path, rows, {**NOW, "safety.protection.on_unprotectable": "halt"}) as desk:
        naked(desk)
        refuse(desk, "no", "st")
        for _ in range(4):
            desk.cycle()
        latch = halted(desk)
        assert held(desk) and not exits(desk) and latch is not None and latch.set_by == "bot"
        said = "keeps refusing its stop" if why == "refused" else "already passed"
        assert SOL in latch.reason and said in latch.reason
        assert any(latch.reason == text for text in alerts(desk, "safety_halt"))
        asked = "SELECT count(*) FROM journal WHERE subject = 'latch:halt'"
        assert desk.read(lambda conn: conn.execute(asked).fetchone()) == (1,)
        if why == "refused":
            desk.plan.always = None
            desk.cycle()
            snapshot = desk.snapshot()
            assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED, "halted or not"


@pytest.mark.parametrize("code", ["no", "engine_busy"])
def test_a_close_that_is_refused_in_two_passes_halts(tmp_path: Path, code: str) -> None:
    with rig(tmp_path, ROWS, NOW) as desk:
        naked(desk)
        refuse(desk, "no", "st")
        desk.cycle()
        standing = desk.plan.always
        refuse(desk, code, "ex")
        closes = desk.plan.always
        assert standing is not None and closes is not None
        desk.plan.always = lambda call: standing(call) or closes(call)
        desk.cycle()
        assert exits(desk) == 1 and halted(desk) is None
        desk.cycle()
        latch = halted(desk)
        assert held(desk) and latch is not None and "NOT closed" in latch.reason and SOL in latch.reason
        desk.plan.always = standing
        desk.cycle()
        assert not held(desk), "a halt keeps no position from being closed that cannot be protected"


def test_without_the_store_it_takes_as_many_passes(tmp_path: Path) -> None:
    with rig(tmp_path, ROWS, NOW) as desk:
        naked(desk)
        refuse(desk, "rate_limited", "st")
        for _ in range(4):
            desk.run(daemon._protect_blind(desk.bot))
        assert held(desk)
        refuse(desk, "no", "st")
        desk.run(daemon._protect_blind(desk.bot))
        assert held(desk)
        desk.run(daemon._protect_blind(desk.bot))
        assert not held(desk)


def test_without_the_store_nothing_is_closed_where_it_is_to_halt(tmp_path: Path) -> None:
    with rig(tmp_path, ROWS, {**NOW, "safety.protection.on_unprotectable": "halt"}) as desk:
        naked(desk)
        refuse(desk, "no", "st")
        for _ in range(4):
            desk.run(daemon._protect_blind(desk.bot))
        assert held(desk)


def test_an_unknown_outcome_is_no_strike(tmp_path: Path) -> None:
    with rig(tmp_path, ROWS, NOW) as desk:
        naked(desk)
        desk.plan.before_faults["place"] = [DropRequest()] * 3
        for _ in range(4):
            desk.cycle()
        assert held(desk) and not exits(desk) and not desk.bot.memory.strikes.refused
        assert desk.read(outbox.count_by_type)["safety_naked_position"] >= 1


def test_a_cycle_that_the_store_fails_in_is_one_pass_with_what_is_done_without_it(tmp_path: Path) -> None:
    with rig(tmp_path, ROWS, NOW) as desk:
        naked(desk)
        refuse(desk, "no", "st")
        desk.assembled = replace(desk.assembled, bot=desk.bot)
        run = daemon.Run(RunOptions(), number=desk.read(cycles.progress).cycle)
        desk.step()
        with patch.object(record, "save", side_effect=StoreBusy("locked")):
            assert not desk.run(daemon._attempt(desk.assembled, run))
            assert held(desk) and list(desk.bot.memory.strikes.refused.values()) == [1]
            assert not desk.run(daemon._attempt(desk.assembled, run))
        assert not held(desk)
