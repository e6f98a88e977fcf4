"""An operator's own file: what is wrong in it is said with file and line, and with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradectl.errors import ConfigError, UsageError
from tradectl.scenarios import shelf
from tradectl.scenarios.expect import LOOK
from tradectl.scenarios.steps import COMMANDS, DO
from tradectl.scenarios.story import parse
from tradectl.scenarios.words import EXPECTATIONS, OPERATIONS, STEPS

HEAD = "scenario: own\ntitle: mine\nwhy: because\n"


def faults(body: str, head: str = HEAD) -> list[str]:
    story, found = parse(head + body, "own.yaml")
    assert (story is None) == bool(found)
    return [str(fault) for fault in found]


def test_every_word_has_its_deed() -> None:
    assert set(DO) == set(STEPS) and set(LOOK) == set(EXPECTATIONS) and set(COMMANDS) == set(OPERATIONS)


@pytest.mark.parametrize(
    ("body", "place", "said"),
    [
        ("expect:\n  - lgo: SAFETY_HALT\n", "own.yaml:5:5", "did you mean log?"),
        ("expect:\n  - log: SAFETY_HLAT\n", "own.yaml:5:10", "did you mean SAFETY_HALT?"),
        ("expect:\n  - log: NONSENSE\n", "own.yaml:5:10", "all of them: tradectl explain"),
        ("expect:\n  - log: {tag: SAFETY_HALT, within: soon}\n", "own.yaml:5:37", "like 90s or 5m"),
        ("expect:\n  - log: {tga: SAFETY_HALT}\n", "own.yaml:5:11", "did you mean tag?"),
        ("expect:\n  - no_log: {for: 1m}\n", "own.yaml:5:5", "no_log has no tag"),
        ("when:\n  - signal\nexpect:\n  - orders: none\n", "own.yaml:5:5", "write `- word: value`"),
        ("when:\n  - wait: 7h\nexpect:\n  - orders: none\n", "own.yaml:5:11", "six hours at most"),
        ("when:\n  - price: {by: lots}\nexpect:\n  - orders: none\n", "own.yaml:5:17", "like -3%"),
        ("when:\n  - wait: 1m\n    signal: enters\nexpect:\n  - orders: none\n", "own.yaml:5:5", "2 words in one line"),
        ("when:\n  - wait: 1m\n", "own.yaml:1:1", "it could not fail"),
        ("expect: []\n", "own.yaml:4:9", "not a list of steps"),
        ("whne: []\nexpect:\n  - orders: none\n", "own.yaml:4:1", "did you mean when?"),
        ("with:\n  perps: {riskPtc: 1%}\nexpect:\n  - orders: none\n", "own.yaml:5:11", "did you mean perps.riskPct?"),
        ("with:\n  perps: {riskPct: 5}\nexpect:\n  - orders: none\n", "own.yaml:5:20", "where a fraction is meant"),
        ("meaningful:\n  perps.enabeld: true\nexpect:\n  - orders: none\n", "own.yaml:5:3", "mean perps.enabled?"),
        ("meaningful:\n  perps.enabled: often\nexpect:\n  - orders: none\n", "own.yaml:5:18", "below NUMBER"),
        ('starts: "25:00"\nexpect:\n  - orders: none\n', "own.yaml:4:9", "no time of day"),
        ("expect:\n  - orders: none\nexpect:\n  - orders: none\n", "own.yaml:6:1", "written twice"),
        ("rounds: []\nexpect:\n  - orders: none\n", "own.yaml:6:3", "expect beside rounds"),
        ("expect: [\n", "own.yaml", "is not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(body: str, place: str, said: str) -> None:
    found = faults(body)
    assert any(one.startswith(place) and said in one for one in found), found


def test_a_file_without_its_head_is_told_each_line_that_it_lacks() -> None:
    found = faults("expect:\n  - orders: none\n", head="")
    assert [one.split(": ", 1)[1].partition(" (")[0].partition(" →")[0] for one in found] == [
        "has no scenario", "has no title", "has no why"
    ]  # fmt: skip
    assert faults("", head="") == ["own.yaml:1:1: is empty → begin with `scenario: NAME`"]


def test_every_fault_of_every_file_is_listed_at_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(HEAD + "expect:\n  - lgo: x\n  - ordres: none\n")
    with pytest.raises(ConfigError) as refused:
        shelf.own([tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "absent.yaml"])
    assert len(refused.value.faults) == 5
    assert "scenarios list --show NAME" in str(refused.value.faults[-1])


def test_a_name_that_nothing_has_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        shelf.chosen(["daily-los"], ())
    assert "did you mean daily-loss?" in refused.value.hint


def test_the_shipped_ones_say_why_they_matter_and_are_named_as_their_files() -> None:
    for story in shelf.shipped():
        assert story.file == f"library/{story.name}.yaml" and len(story.why) > 80 and story.needs
