"""What `scenarios` prints: the list, each scenario as soon as it is played, and the table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tradectl.cli.context import Invocation
from tradectl.cli.render import Cell, Screen
from tradectl.errors import ExitCode
from tradectl.scenarios.effective import Effective
from tradectl.scenarios.play import Outcome, Played
from tradectl.scenarios.stage import Heard
from tradectl.scenarios.story import Story

Row = tuple[Story, Effective]
_TONES = {Outcome.PASSED: "good", Outcome.FAILED: "bad", Outcome.UNPROVEN: "warn", Outcome.MEANINGLESS: "warn"}

_TABLE = 200  # characters of evidence in a row


def listing(screen: Screen, rows: Sequence[Row]) -> None:
    screen.table(
        ("scenario", "what", "with your configuration"),
        [
            (story.name, story.title, Cell(f"not meaningful: {how.meaningless}", "warn") if how.meaningless else "yes")
            for story, how in rows
        ],
    )
    screen.blank()
    screen.text("Play them all, or the ones you name:")
    screen.command("tradectl scenarios run")


def listed(rows: Sequence[Row]) -> list[dict[str, object]]:
    return [
        {
            "name": story.name,
            "title": story.title,
            "why": story.why,
            "meaningful": not how.meaningless,
            "because": how.meaningless,
            "changes": story.said_changes(),
        }
        for story, how in rows
    ]


def source(screen: Screen, text: str) -> None:
    for line in text.rstrip("\n").split("\n"):
        screen.verbatim(line)


class Progress:
    """Each scenario as it comes; silent with --json. `pause_ms` None: without steps and log (no --watch).

    sleep: how the pause between two lines is made, in seconds.
    """

    def __init__(
        self, inv: Invocation, *, evidence: bool, pause_ms: int | None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._inv = inv
        self._evidence = evidence
        self._pause_ms = pause_ms
        self._sleep = sleep

    def begin(self, story: Story) -> None:
        if self._pause_ms is None:
            return
        screen = Screen(self._inv)
        screen.title(f"{story.name}: {story.title}")
        screen.text(story.why)
        screen.blank()

    def step(self, what: str) -> None:
        if self._pause_ms is not None:
            Screen(self._inv).text(f"» {what}", "good")
            self._wait(5)

    def line(self, heard: Heard) -> None:
        if self._pause_ms is not None:
            tone = "bad" if " CRITICAL " in heard.text else "warn" if " WARNING " in heard.text else "dim"
            Screen(self._inv).text(f"  {heard.text}", tone)
            self._wait(1)

    def _wait(self, times: int) -> None:
        self._inv.stdout.flush()
        self._sleep((self._pause_ms or 0) * times / 1000)

    def end(self, played: Played) -> None:
        if self._inv.json:
            return
        screen = Screen(self._inv)
        lasted = f"{played.virtual_s // 60} min {played.virtual_s % 60} s of market in {played.took_ms / 1000:.1f} s"
        detail = f": {played.why}" if played.why else f" ({lasted})"
        screen.text(f"{played.outcome.value:<17} {played.story.name}{detail}", _TONES[played.outcome])
        for seen in played.seen:
            if self._evidence or not seen.met:
                screen.text(f"    {'as expected' if seen.met else 'NOT SEEN   '}  {seen.expected}")
                screen.text(f"                 {seen.evidence}", "" if seen.met else "bad")
        self._inv.stdout.flush()


def ending(screen: Screen, played: Sequence[Played], *, whole: bool) -> None:
    """whole: evidence as it is, and not only as much of it as a table bears."""
    screen.blank()
    screen.table(
        ("scenario", "outcome", "seen", "evidence"),
        [
            (
                one.story.name,
                Cell(one.outcome.value, _TONES[one.outcome]),
                f"{sum(seen.met for seen in one.seen)}/{len(one.seen)}" if one.seen else "",
                one.why or (_speaking(one) if whole else _short(_speaking(one))),
            )
            for one in played
        ],
    )
    changed = list(
        dict.fromkeys(text for one in played for text in one.changed if text not in one.story.said_changes())
    )
    screen.blank()
    if changed:
        screen.text(f"For the simulated exchange, in all of them: {', '.join(changed)}.")
    own = [one for one in played if one.story.said_changes()]
    if own:
        screen.text("What a scenario changes of your configuration is in its file: tradectl scenarios list --show NAME")
    failed = [one.story.name for one in played if one.outcome is Outcome.FAILED]
    nothing = [one.story.name for one in played if one.outcome in (Outcome.UNPROVEN, Outcome.MEANINGLESS)]
    if failed:
        screen.text(f"FAILED: {', '.join(failed)}. Do not trade with this until it passes.", "bad")
    elif nothing:
        screen.text(f"None failed; {len(nothing)} of {len(played)} proved nothing: {', '.join(nothing)}.", "warn")
    else:
        screen.text(f"PASSED: all {len(played)}.", "good")


def _speaking(one: Played) -> str:
    """The evidence that speaks: of what was not seen, or else the first line of the log."""
    missed = next((seen for seen in one.seen if not seen.met), None)
    shown = missed or next(iter(one.seen), None)
    return shown.evidence if shown else ""


def _short(evidence: str) -> str:
    return evidence if len(evidence) <= _TABLE else f"{evidence[:_TABLE]} … (--evidence shows all of it)"


def body(played: Sequence[Played], code: ExitCode) -> dict[str, object]:
    return {
        "exit_code": int(code),
        "scenarios": [
            {
                "name": one.story.name,
                "title": one.story.title,
                "outcome": one.outcome.value,
                "why": one.why,
                "changed": one.changed,
                "seen": one.seen,
                "log": one.log,
                "virtual_s": one.virtual_s,
                "took_ms": one.took_ms,
            }
            for one in played
        ],
    }
