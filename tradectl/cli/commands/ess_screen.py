"""The emergency stop as a page."""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.cli.render import Screen
from tradectl.domain.emergency_stop import EssState
from tradectl.domain.money import divide, percent
from tradectl.operations.ess import EssChange, EssPage
from tradectl.operations.times import when

_TONES = {EssState.ARMED: "good", EssState.TRIPPED: "bad", EssState.COOLING_DOWN: "warn", EssState.DISABLED: "warn"}
_DONE = {"trip": "TRIPPED", "reset": "RE-ARMED", "disable": "DISABLED"}
_NEXT = {
    EssState.TRIPPED: "halted: the running bot cancels what could add exposure, keeps every stop, then cools down",
    EssState.COOLING_DOWN: "no entries; the rest goes on. Back with: tradectl ess reset --approver NAME --reason TEXT",
    EssState.DISABLED: "it trips on nothing. Back with: tradectl ess reset --approver NAME --reason TEXT",
}


def status(screen: Screen, page: EssPage) -> None:
    now, rules = page.now, page.rules
    since = f" since {when(now.since_ms)} by {now.by}" if now.since_ms else ""
    why = f": {now.evaluator}: {now.evidence}" if now.evaluator else ""
    screen.text(f"Emergency stop {now.state.value}{since}{why}", _TONES[now.state])
    if not rules.enabled:
        screen.text("ess.enabled is false in the bot's configuration: nothing is evaluated", "warn")
    if now.state in _NEXT:
        screen.text(_NEXT[now.state])
    if now.state is EssState.COOLING_DOWN:
        left = f"{page.left_ms / 60_000:.1f} min left" if page.left_ms else "over: it may be re-armed"
        screen.text(f"cooldown of {rules.cooldown_minutes} min, counted while a bot runs: {left}")
    for one in page.trips:
        screen.text(f"would trip now: {one.evaluator}: {one.evidence}", "bad")
    screen.facts(_rows(page))
    screen.text(f"system state: {page.state.value}")


def _rows(page: EssPage) -> Iterator[tuple[str, str]]:
    """Each evaluator: where it stands, and where it trips."""
    now, rules = page.now, page.rules
    seen = {one.evaluator: one.value for one in page.readings}
    for evaluator, name, limit in (
        ("daily_drawdown", "loss of the day", rules.max_daily_drawdown_pct),
        ("open_loss", "open loss", rules.max_open_loss_pct),
    ):
        value = seen.get(evaluator)
        said = "not known before the first cycle" if value is None else f"{percent(value)} of equity"
        part = f" ({divide(value, limit):.0%} of it)" if value and limit else ""
        yield f"  {name}", f"{said}; trips above {percent(limit)}{part}"
    yield "  errors in a row", f"{now.errors + now.aborted}; trips at {rules.max_execution_errors}"
    if page.readings and page.seen_ms is not None:
        yield "  as of", f"{when(page.seen_ms)}, the last cycle by the venue's clock"


def change(screen: Screen, verb: str, done: EssChange) -> None:
    word = _DONE[verb] if done.changed else f"{_DONE[verb]} already"
    screen.text(f"{word} (was {done.before.state.value})", "good" if verb == "reset" else "warn")
    for one in done.overridden:
        screen.text(f"overridden, on the record: {one}", "warn")
    status(screen, done.after)


def body(page: EssPage) -> dict[str, object]:
    now = page.now
    return {
        "state": now.state,
        "evaluator": now.evaluator,
        "evidence": now.evidence,
        "since_ms": now.since_ms or None,
        "by": now.by,
        "errors_in_a_row": now.errors,
        "aborted_cycles_in_a_row": now.aborted,
        "cooldown_left_ms": page.left_ms if now.state is EssState.COOLING_DOWN else None,
        "enabled": page.rules.enabled,
        "readings": [{"evaluator": one.evaluator, "value": one.value, "limit": one.limit} for one in page.readings],
        "max_execution_errors": page.rules.max_execution_errors,
        "seen_ms": page.seen_ms if page.readings else None,
        "would_trip": [{"evaluator": one.evaluator, "evidence": one.evidence} for one in page.trips],
        "system_state": page.state,
    }


def change_body(done: EssChange) -> dict[str, object]:
    return {
        "changed": done.changed,
        "before": done.before.state,
        "overridden": list(done.overridden),
        **body(done.after),
    }
