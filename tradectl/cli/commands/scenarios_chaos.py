"""`tradectl scenarios run --chaos`: seeds around the operator's configuration, and what they came to."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

from tradectl.cli.context import Invocation, is_terminal
from tradectl.cli.render import Screen, answer
from tradectl.config.load import load
from tradectl.errors import ExitCode, UsageError
from tradectl.scenarios.chaos.draw import draw
from tradectl.scenarios.chaos.laws import MEANING
from tradectl.scenarios.chaos.many import MINUTES, claims_in_words, verdicts, world_in_words
from tradectl.scenarios.chaos.own import Own, own_of
from tradectl.scenarios.chaos.run import Verdict
from tradectl.scenarios.chaos.watch import Violation
from tradectl.scenarios.world import START_MS

SEEDS = 50
SHOWN = 20  # failing seeds that are printed in full
_WHY_NOT = {
    "NAME": "a seed draws its own world; a scenario of the library is played without --chaos",
    "--file": "a seed draws its own world; an own scenario is played without --chaos",
    "--watch": "many worlds at once are nothing for eyes; --seeds 1 shows all that happens in one",
    "--junit": "a seed is no test case that somebody could name; --json has all of it, and the exit code counts",
    "--evidence": "worlds of chance have no expectations; --seeds 1 shows all that happens in one",
}


def alone(given: Mapping[str, object]) -> None:
    """Raises UsageError for what does not go with --chaos."""
    for option, value in given.items():
        if value:
            raise UsageError(
                f"{option} does not go with --chaos", why=_WHY_NOT[option], hint="tradectl scenarios run --chaos"
            )


@dataclass
class _Tally:
    """What was lived through so far."""

    count: int = 0
    failed: list[Verdict] = field(default_factory=list)
    sums: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict) -> None:
        self.count += 1
        if not verdict.ok:
            self.failed.append(verdict)
        self.sums.update({"orders": verdict.entries, "fills": verdict.fills, "trades": verdict.trades})
        self.sums.update(verdict.lived)

    @property
    def exit_code(self) -> ExitCode:
        if self.failed:
            return ExitCode.REFUSED
        return ExitCode.OK if self.sums["entries"] else ExitCode.DRIFT


def run(inv: Invocation, *, seeds: int | None, first: int, jobs: int | None) -> ExitCode:
    """Raises ConfigError, and KeyboardInterrupt with what was done so far."""
    config = load(inv.config).config
    own = own_of(inv.config, config)
    asked = range(first, first + (seeds or SEEDS))
    tally, progress = _Tally(), _Progress(inv, len(asked))
    told: list[str] = []
    if len(asked) == 1:
        told = world_in_words(draw(first, own))
        progress.lines(told)
    try:
        with closing(verdicts(asked, jobs or os.cpu_count() or 1, own=own)) as coming:
            progress.show(tally)
            for verdict in coming:
                tally.add(verdict)
                if len(asked) == 1:
                    claims = claims_in_words(verdict)
                    told += claims
                    progress.lines(claims)
                if not verdict.ok and len(tally.failed) <= SHOWN:
                    progress.failure(verdict)
                progress.show(tally)
    except KeyboardInterrupt:
        progress.clear()
        raise KeyboardInterrupt(_so_far(tally, asked)) from None
    progress.clear()
    code = tally.exit_code
    answer(
        inv, "scenarios chaos", _body(inv, asked, tally, own, told), lambda screen: _ending(screen, asked, tally, own)
    )
    return code


class _Progress:
    """A line on a terminal's stderr, and what breaks a law as soon as it is known. Silent with --json."""

    def __init__(self, inv: Invocation, count: int) -> None:
        self._inv = inv
        self._count = count
        self._on = is_terminal(inv.stderr)

    def show(self, tally: _Tally) -> None:
        if self._on:
            line = f"\r{tally.count} of {self._count} seeds, {len(tally.failed)} failed"
            print(line, end="", file=self._inv.stderr, flush=True)

    def clear(self) -> None:
        if self._on:
            print("\r" + " " * 60 + "\r", end="", file=self._inv.stderr, flush=True)

    def lines(self, lines: list[str]) -> None:
        if not self._inv.json:
            self.clear()
            screen = Screen(self._inv)
            for line in lines:
                screen.verbatim(line)
            self._inv.stdout.flush()

    def failure(self, verdict: Verdict) -> None:
        if self._inv.json:
            return
        self.clear()
        screen = Screen(self._inv)
        screen.text(f"seed {verdict.seed} broke {_times(len(verdict.violations), 'law')}:", "bad")
        for one in verdict.violations:
            screen.text(f"  {_at(one)} into it: {MEANING.get(one.law, one.law)}", "bad")
            screen.text(f"         [{one.law}] {one.what}")
        screen.text("Replay it, with all that happens in that world:")
        screen.command(_replay(self._inv, verdict.seed))
        screen.blank()
        self._inv.stdout.flush()


def _replay(inv: Invocation, seed: int) -> str:
    files = "".join(f" --config {shlex.quote(str(file))}" for file in inv.config)
    return f"tradectl scenarios run --chaos --seeds 1 --first {seed}{files}"


def _at(one: Violation) -> str:
    seconds = max(0, one.at_ms - START_MS) // 1000
    return f"{seconds // 60} min {seconds % 60:02} s"


def _times(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _so_far(tally: _Tally, asked: range) -> str:
    if not tally.count:
        return f"none of {_times(len(asked), 'seed')} was lived through"
    failed = ", ".join(str(one.seed) for one in tally.failed[:SHOWN])
    broke = f"{_times(len(tally.failed), 'seed')} broke a law: {failed}" if tally.failed else "none broke a law"
    return f"{tally.count} of {_times(len(asked), 'seed')} were lived through, {broke}"


def _ending(screen: Screen, asked: range, tally: _Tally, own: Own) -> None:
    sums = tally.sums
    if len(tally.failed) > SHOWN:
        screen.text(f"{len(tally.failed) - SHOWN} more seeds failed and are not shown: --json has them all.", "bad")
    traded = (
        f"{_times(sums['orders'], 'order')} of ours ({sums['entries']:,} to enter)",
        f"{_times(sums['fills'], 'fill')} in all",
        _times(sums["trades"], "closed trade"),
    )
    calls = (_times(sums["faults"], "call") + " that went wrong or lied", f"{_times(sums['outages'], 'outage')} of it")
    machine = (
        f"{_times(sums['deaths'], 'death')} of the bot",
        f"{_times(sums['disks'], 'time')} a disk full, locked or read-only",
        f"{_times(sums['clocks'], 'time')} a clock that was set",
    )
    others = (
        f"{_times(sums['people'], 'act')} of people on the account",
        f"{_times(sums['commands'], 'command')} of operators",
    )
    screen.facts(
        {
            "seeds": f"{len(asked)}, from {asked[0]} to {asked[-1]}; {MINUTES} minutes of market each",
            "traded": ", ".join(traded),
            "the exchange": ", ".join(calls),
            "the machine": ", ".join(machine),
            "others": ", ".join(others),
        }
    )
    screen.blank()
    if own.changed:
        screen.text(f"For the simulated exchange, in all of them: {', '.join(own.changed)}.")
    if tally.exit_code is ExitCode.REFUSED:
        named = ", ".join(str(one.seed) for one in tally.failed[:SHOWN])
        more = " and more" if len(tally.failed) > SHOWN else ""
        screen.text(
            f"FAILED: {len(tally.failed)} of {_times(len(asked), 'seed')} ({named}{more})."
            " Do not trade with this until none does.",
            "bad",
        )
    elif tally.exit_code is ExitCode.DRIFT:
        screen.text(f"NOTHING PROVED: {_nothing(own, len(asked))}", "warn")
    else:
        screen.text(f"PASSED: no law was broken in {_times(len(asked), 'seed')}.", "good")


def _nothing(own: Own, count: int) -> str:
    why = "perps.enabled is false" if not own.config.perps.enabled else "its limits let none pass"
    return f"no law was broken, but no order was entered in {_times(count, 'seed')}: {why}."


def _body(inv: Invocation, asked: range, tally: _Tally, own: Own, told: list[str]) -> dict[str, object]:
    return {
        "exit_code": int(tally.exit_code),
        "first": asked[0],
        "seeds": len(asked),
        "minutes_each": MINUTES,
        "survived": {name: tally.sums[name] for name in sorted(tally.sums)},
        "changed": own.changed,
        "why": _nothing(own, len(asked)) if tally.exit_code is ExitCode.DRIFT else "",
        "failed": [
            {
                "seed": verdict.seed,
                "replay": _replay(inv, verdict.seed),
                "violations": [
                    {
                        "law": one.law,
                        "meaning": MEANING.get(one.law, one.law),
                        "at_s": max(0, one.at_ms - START_MS) // 1000,
                        "what": one.what,
                    }
                    for one in verdict.violations
                ],
            }
            for verdict in tally.failed
        ],
        "world": [line.strip() for line in told],
    }
