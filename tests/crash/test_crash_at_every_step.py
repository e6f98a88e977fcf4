"""A crash between any two commits, of the store or of the exchange, costs no order, no fill and no protection.

The window holds entries in slices, a stop-out and a target. A bot is killed in it at the chosen step; the one after it
must end the window with books that agree. It may have lost the rest of the entry it died in, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from books import compare, standing
from bot_process import BAR_MS, BotDesk
from crashing import crash
from tables import Rows, differences, money, sound, store_tables

from tradectl.store.database import Database

MakeDesk = Callable[..., BotDesk]
SEED = 3
BEFORE = 40  # cycles before the window: enough history for signals
WINDOW = 30


def window(make_desk: MakeDesk) -> BotDesk:
    desk = make_desk("base", bars=BEFORE + WINDOW, seed=SEED)
    desk.run_well("--cycles", str(BEFORE))
    return desk


def entries(store: Path) -> dict[int, Decimal]:
    """{bar of an entry: quantity that was confirmed}."""
    with Database.open(store, expect=None, readonly=True) as db, db.read() as conn:
        rows = conn.execute(
            "SELECT created_ms, qty FROM intents WHERE purpose = 'entry' AND state = 'confirmed' ORDER BY number"
        ).fetchall()
    found: dict[int, Decimal] = {}
    for created_ms, qty in rows:
        found[created_ms // BAR_MS] = found.get(created_ms // BAR_MS, Decimal(0)) + Decimal(qty)
    return found


def lost_part_of_an_entry(whole: dict[int, Decimal], crashed: dict[int, Decimal]) -> bool:
    """Whether the two runs part at an entry of which the crashed one has less, or nothing."""
    bar = min((bar for bar in whole.keys() | crashed.keys() if whole.get(bar) != crashed.get(bar)), default=None)
    return bar is not None and crashed.get(bar, Decimal(0)) < whole.get(bar, Decimal(0))


def open_questions(store: Path) -> Rows:
    """Intents still in doubt, and latches left standing."""
    with Database.open(store, expect=None, readonly=True) as db, db.read() as conn:
        doubts = conn.execute(
            "SELECT client_id, state FROM intents WHERE state IN ('recorded', 'sent', 'unknown')"
        ).fetchall()
        return [*doubts, *conn.execute("SELECT name, scope FROM latches").fetchall()]


def check(work: Path, ran: dict[str, list[tuple[int, int]]], whole: Path) -> int:
    """Every crashed run came to a sound end; how many of them are bit for bit the run without a crash."""
    same = 0
    reference, expected = money(whole), entries(whole)
    for name, bots in ran.items():
        store = work / name / "bot.db"
        assert [code for _, code in bots] == [-9] * (len(bots) - 1) + [0], (name, bots)
        assert compare(store).differences == (), name
        assert standing(store) == (), name
        assert open_questions(store) == [], name
        sound(store)
        differs = differences(reference, money(store))
        assert not differs or lost_part_of_an_entry(expected, entries(store)), f"crash at {name}: {differs}"
        same += not differs
    return same


def reference_run(base: BotDesk, work: Path) -> tuple[int, Path]:
    """The window without a crash: how many steps it has, and its store. It must be worth crashing in."""
    [(steps, code)] = crash(base, work, ["0"])["0"]
    store = work / "0" / "bot.db"
    assert code == 0
    before = len(store_tables(base.store, ("trades",))["trades"])
    reasons = {row[12] for row in store_tables(store, ("trades",))["trades"][before:]}
    assert {"stop", "target"} <= reasons, reasons
    return steps, store


def test_crash_at_steps_all_over_a_window_with_entry_stop_and_target(make_desk: MakeDesk, tmp_path: Path) -> None:
    base = window(make_desk)
    steps, whole = reference_run(base, tmp_path / "whole")
    chosen = [str(step) for step in range(1, steps + 1, 7)]
    ran = crash(base, tmp_path / "crashed", chosen)
    same = check(tmp_path / "crashed", ran, whole)
    assert same > len(chosen) // 2, "a crash outside of an entry must change nothing"


def test_crash_again_while_recovering_from_a_crash(make_desk: MakeDesk, tmp_path: Path) -> None:
    base = window(make_desk)
    steps, whole = reference_run(base, tmp_path / "whole")
    chosen = [f"{first}.{second}" for first in range(4, steps, steps // 4) for second in (1, 4, 7, 10)]
    check(tmp_path / "crashed", crash(base, tmp_path / "crashed", chosen), whole)


@pytest.mark.slow
def test_crash_at_every_step_of_the_window(make_desk: MakeDesk, tmp_path: Path) -> None:
    base = window(make_desk)
    steps, whole = reference_run(base, tmp_path / "whole")
    ran = crash(base, tmp_path / "crashed", [str(step) for step in range(1, steps + 1)])
    assert len(ran) == steps
    assert check(tmp_path / "crashed", ran, whole) > steps // 2
