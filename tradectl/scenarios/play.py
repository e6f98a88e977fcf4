"""One scenario in one world, and what it came to: each expectation with its evidence."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tradectl import logs
from tradectl.config.schema import Config
from tradectl.domain.tags import Tag
from tradectl.errors import ConfigError, ExitCode, NotAvailable
from tradectl.scenarios import expect, steps, virtual
from tradectl.scenarios.effective import effective
from tradectl.scenarios.expect import Seen
from tradectl.scenarios.scratch import scratch_folder, state_folder
from tradectl.scenarios.stage import Ears, OnLine, Stage, build
from tradectl.scenarios.story import Line, Story


class Outcome(StrEnum):
    """UNPROVEN: a step did not come to what it is for, so that nothing was tried. MEANINGLESS: the configuration has
    switched off what it is about."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "could not be tried"
    MEANINGLESS = "not meaningful"


@dataclass(frozen=True, slots=True)
class Played:
    """`why`: of an outcome that is no judgement. `log`: every line, in virtual time."""

    story: Story
    outcome: Outcome
    seen: tuple[Seen, ...] = ()
    why: str = ""
    changed: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    virtual_s: int = 0
    took_ms: int = 0


OnStep = Callable[[str], None]


def exit_code(played: Sequence[Played], *, chosen: bool) -> ExitCode:
    """0: passed. 1: none failed, but some proved nothing. 2: one failed.

    chosen: they were asked for one by one. In the whole library, what the configuration has switched off is said and is
    no fault: a limit that is not set is the operator's choice. Where nothing at all was tried, nothing is proved.
    """
    outcomes = {one.outcome for one in played}
    if Outcome.FAILED in outcomes:
        return ExitCode.REFUSED
    allowed = {Outcome.PASSED} if chosen else {Outcome.PASSED, Outcome.MEANINGLESS}
    return ExitCode.OK if outcomes <= allowed and Outcome.PASSED in outcomes else ExitCode.DRIFT


def play(
    files: Sequence[Path],
    own: Config,
    story: Story,
    *,
    on_line: OnLine | None = None,
    on_step: OnStep | None = None,
) -> Played:
    """own: what `files` say. on_line, on_step: told of each log line and step as they come."""
    began = time.monotonic()
    chosen = effective(files, own, story)
    if chosen.config is None:
        return Played(story, Outcome.MEANINGLESS, why=chosen.meaningless, changed=chosen.changed)
    folder = scratch_folder("scenario-")
    try:
        stage = build(chosen.config, story, folder, on_line)
    except (ConfigError, NotAvailable) as error:
        shutil.rmtree(folder, ignore_errors=True)
        return Played(story, Outcome.MEANINGLESS, why=f"{error.what}; {error.hint}", changed=chosen.changed)
    try:
        with state_folder(folder), listening(stage.ears, _level(story, chosen.config)):
            outcome, seen, why, lasted = virtual.run(_through(stage, on_step))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lines = tuple(heard.text for heard in stage.ears.lines)
    took_ms = int((time.monotonic() - began) * 1000)
    return Played(story, outcome, tuple(seen), why, chosen.changed, lines, lasted, took_ms)


async def _through(stage: Stage, on_step: OnStep | None) -> tuple[Outcome, list[Seen], str, int]:
    world = stage.world
    market = asyncio.get_running_loop().create_task(world.market())
    seen: list[Seen] = []
    why = ""
    try:
        await _given(stage, on_step)
        for each in stage.story.rounds:
            stage.mark()
            await _steps(stage, each.when, on_step)
            for line in each.expect:
                _say(on_step, f"expect {line.text}")
                seen.append(await expect.look(stage, line))
    except steps.Unreached as unreached:
        why = str(unreached)
    finally:
        lasted = (world.now_ms() - world.start_ms) // 1000
        market.cancel()
        await world.end()
    survived = [fault for fault in stage.ears.faults if not any(text in fault for text in stage.provoked)]
    faults = [*world.faults_of_ours, *survived]
    seen += [Seen("no error of our own", False, fault) for fault in faults]
    if any(not one.met for one in seen):
        return Outcome.FAILED, seen, why, lasted
    return (Outcome.UNPROVEN if why else Outcome.PASSED), seen, why, lasted


async def _given(stage: Stage, on_step: OnStep | None) -> None:
    """A bot runs from the start, unless the file itself starts the first one."""
    lines = [*stage.story.given, *(line for each in stage.story.rounds for line in each.when)]
    first = next((line.args["do"] for line in lines if line.word == "bot"), "")
    if first != "start":
        await steps.bot(stage, {"do": "start"})
    await _steps(stage, stage.story.given, on_step)


async def _steps(stage: Stage, lines: Sequence[Line], on_step: OnStep | None) -> None:
    for line in lines:
        _say(on_step, line.text)
        try:
            await steps.do(stage, line)
        except steps.Unreached as unreached:
            raise steps.Unreached(f"{line.place.file}:{line.place.line}: {line.text}: {unreached}") from unreached


def _say(on_step: OnStep | None, what: str) -> None:
    if on_step is not None:
        on_step(what)


def _level(story: Story, config: Config) -> int:
    """The configured one, or lower where a tag is looked for that it hides: what is hidden would always be absent."""
    lines = [line for each in story.rounds for line in each.expect if line.word in ("log", "no_log")]
    shown = [Tag(line.args["tag"]).level for line in lines]
    configured: int = logging.getLevelName(config.log.level)
    return min(configured, logging.INFO, *shown)


@contextmanager
def listening(ears: Ears, level: int) -> Iterator[None]:
    """Every line of that level, and nothing of it on the operator's own console or log file."""
    root = logging.getLogger(logs.ROOT)
    handlers, before, propagate = root.handlers[:], root.level, root.propagate
    root.handlers, root.propagate = [ears], False
    root.setLevel(level)
    try:
        yield
    finally:
        root.handlers, root.propagate = handlers, propagate
        root.setLevel(before)
