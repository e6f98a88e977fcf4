"""What `killswitch drill` prints: each step as soon as it is done, and the verdict."""

from __future__ import annotations

from tradectl.cli.context import Invocation
from tradectl.cli.render import Screen
from tradectl.scenarios.killswitch_drill import Drill, Step


class Progress:
    """Each step's result as it comes; with --json it stays silent."""

    def __init__(self, inv: Invocation) -> None:
        self._inv = inv
        self._begun = False

    def step(self, step: Step) -> None:
        if self._inv.json:
            return
        screen = Screen(self._inv)
        if not self._begun:
            screen.text("a paper bot of your configuration, on the simulated exchange, in a folder of its own:")
            self._begun = True
        took = f" ({step.ms} ms)" if step.ms is not None else ""
        word = "ok    " if step.passed else "FAILED"
        screen.text(f"{word} {step.name}{took}: {step.evidence}", "good" if step.passed else "bad")
        self._inv.stdout.flush()


def ending(screen: Screen, done: Drill) -> None:
    failed = [step.name for step in done.steps if not step.passed]
    if done.passed:
        screen.text(f"DRILL PASSED: {len(done.steps)} steps. For real it is:", "good")
    else:
        screen.text(
            f"DRILL FAILED: {', '.join(failed)}. Do not trade with this until it passes. For real it is:", "bad"
        )
    screen.command('tradectl killswitch activate --reason "…"')


def body(done: Drill) -> dict[str, object]:
    return {
        "account": done.account,
        "passed": done.passed,
        "bare_python_ms": done.bare_ms,
        "steps": done.steps,
        "exit_code": int(done.exit_code),
    }
