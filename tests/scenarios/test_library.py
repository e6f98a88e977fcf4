"""Every scenario that ships passes with what ships, and fails where the mechanism that it proves is taken out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from broken_incidents import BROKEN, Break

from tradectl.config.load import load
from tradectl.errors import ExitCode
from tradectl.scenarios import shelf
from tradectl.scenarios.effective import effective
from tradectl.scenarios.play import Outcome, Played, exit_code, play

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.*"))
FULL = next(path for path in CONFIGS if path.name == "zoomex_example.yaml")  # it sets every limit
NAMES = [story.name for story in shelf.shipped()]


def played(name: str, config: Path = FULL, broken: AbstractContextManager[None] | None = None) -> Played:
    """One of the library, with nothing or one thing broken."""
    (story,) = shelf.chosen([name], ())
    own = load([config]).config
    if broken is None:
        return play([config], own, story)
    with broken:
        return play([config], own, story)


def told(result: Played) -> str:
    seen = "\n".join(f"{one.met} {one.expected}: {one.evidence}" for one in result.seen)
    return f"{result.outcome.value} {result.why}\n{seen}"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_every_scenario_passes_with_each_configuration_that_ships_or_says_why_it_means_nothing(config: Path) -> None:
    own = load([config]).config
    results = [play([config], own, story) for story in shelf.shipped()]
    switched_off = {story.name for story in shelf.shipped() if effective([config], own, story).meaningless}
    for one in results:
        wanted = Outcome.MEANINGLESS if one.story.name in switched_off else Outcome.PASSED
        assert one.outcome is wanted, f"{one.story.name}: {told(one)}"
        assert (one.outcome is Outcome.PASSED) == bool(one.seen and all(seen.evidence for seen in one.seen))
    assert exit_code(results, chosen=False) is ExitCode.OK
    assert exit_code(results, chosen=True) is (ExitCode.DRIFT if switched_off else ExitCode.OK)


def test_the_configuration_that_sets_every_limit_leaves_nothing_out() -> None:
    own = load([FULL]).config
    assert not [story.name for story in shelf.shipped() if effective([FULL], own, story).meaningless]


def test_each_scenario_has_something_to_break() -> None:
    assert sorted(BROKEN) == sorted(NAMES)


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name in NAMES for fault in BROKEN.get(name, [])])
def test_a_scenario_fails_without_the_mechanism_that_it_proves(name: str, fault: Break) -> None:
    result = played(name, broken=fault())
    assert result.outcome is Outcome.FAILED, told(result)
