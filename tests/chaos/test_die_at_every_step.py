"""A bot that dies at any step of its life, and again while it recovers, breaks no law, and costs no fill (promise 10).

The worlds hold entries (in slices as well), stops that are replaced, break-even and trailing, targets that fill, exits,
answers that are lost, an operator's close and a kill switch. Steps are those of the store, and requests and answers.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from deaths import AGAIN, WORLDS, Lived, live, spread, steps_of
from planted import FAULTS

from tradectl.errors import ExitCode
from tradectl.store import intents, journal, ledger
from tradectl.store.database import Database

FAST, FAST_TWICE = 14, 5  # deaths in each world in the fast set
LEFT = 250  # steps of a life that a second death needs: after it a bot has to be back before the world ends
PARTS = 8  # of the whole sweep, so that they can run side by side


def lives_lawfully(name: str, *deaths: int) -> Lived:
    """The check: every bot died where it should, and the checker outside has nothing to say."""
    lived = live(name, *deaths)
    assert [bot.taken for bot in lived.bots[: len(deaths)]] == list(deaths), "each of them died at its step"
    assert len(lived.bots) > len(deaths), "and was followed by another"
    told = "; then ".join(
        f"dies at step {step}: {' '.join(bot.log[-1].split())[:70]}"
        for step, bot in zip(deaths, lived.bots, strict=False)
        if bot.log
    )
    assert lived.verdict.ok, f"{name}, {told}\n{lived.verdict.report()}"
    return lived


def test_the_worlds_are_worth_dying_in(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for place, name in enumerate(WORLDS):
        folder = tmp_path / str(place)
        folder.mkdir()
        lived = live(name, keep=folder)
        assert lived.verdict.ok, lived.verdict.report()
        seen.update(f"{one.command} {one.code.name}" for one in lived.verdict.claims if one.code is not None)
        seen.update(_what_happened(folder / "bot.db"))
    assert seen >= Counter(
        {
            "closed by stop": 1,
            "closed by limit": 1,  # its last target
            "closed by market": 2,
            "tp1 confirmed": 4,
            "moved: break-even": 2,
            "moved: trails": 3,
            "cancel confirmed": 10,  # of stops that were replaced, above all
            "exit confirmed": 1,
            "close confirmed": 1,
            "entry unknown": 1,
            "in doubt": 3,
            f"killswitch {ExitCode.OK.name}": 1,
            "slices": 2,
        }
    ), seen


def _what_happened(store: Path) -> Counter[str]:
    with Database.open(store, expect=None, readonly=True) as db, db.read() as conn:
        recorded = intents.latest(conn, None, 10_000)
        plans = Counter(str(intents.plan(conn, one.number)) for one in recorded if one.purpose.value == "entry")
        found = Counter(f"{one.purpose.value} {one.state.value}" for one in recorded)
        found.update(f"closed by {trade.exit_reason}" for trade in ledger.trades(conn, 1_000))
        for row in journal.page(conn, limit=10_000, kind="state"):
            if row.subject.startswith("stop:"):
                found[f"moved: {str(row.body['reason']).split()[0]}"] += 1
        for row in journal.page(conn, limit=10_000, kind="outcome"):
            if row.body["to"] == "unknown":
                found["in doubt"] += 1
                found["entry unknown"] += ".en." in row.subject
        found["slices"] = sum(count for count in plans.values() if count > 1)
    return found


@pytest.mark.parametrize("name", WORLDS)
def test_a_death_at_steps_all_over_a_life(name: str) -> None:
    for step in spread(steps_of(name), FAST):
        lives_lawfully(name, step)


@pytest.mark.parametrize("name", WORLDS)
def test_a_second_death_while_recovering_from_the_first(name: str) -> None:
    for place, step in enumerate(spread(steps_of(name)[:-LEFT], FAST_TWICE)):
        lives_lawfully(name, step, AGAIN[(3 * place) % len(AGAIN)])


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("what_was_in_flight_at_a_crash_is_forgotten", "a quiet network"),
        ("the_cursor_goes_where_the_picture_is", "a quiet network"),
        ("an_order_is_sent_again_when_nothing_came_back", "answers that are lost"),
    ],
)
def test_a_fault_of_recovery_is_seen_by_dying(fault: str, name: str) -> None:
    """The check can fail: with a known fault in the product some death breaks a law."""
    chosen: Any = [step for step, what in enumerate(steps_of(name), 1) if what.startswith(("send place", "receive"))]
    with FAULTS[fault].fault(), pytest.raises(AssertionError, match="violations"):
        for step in chosen:
            lives_lawfully(name, step)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", WORLDS)
def test_a_death_at_every_step_of_a_life(name: str, part: int) -> None:
    for step in range(1 + part, len(steps_of(name)) + 1, PARTS):
        lives_lawfully(name, step)


@pytest.mark.slow
@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("name", WORLDS)
def test_a_second_death_in_every_part_of_a_recovery(name: str, again: int) -> None:
    for step in range(1 + again % 7, len(steps_of(name)) + 1 - LEFT, 23):
        lives_lawfully(name, step, again)
