"""How `state reset` looks: what it would change, what it does not do, and what it did."""

from tradectl.cli.render import Cell, Screen
from tradectl.operations.state_reset import Plan, Result


def plan(screen: Screen, planned: Plan) -> None:
    screen.text(f"{planned.account} · {planned.path}")
    screen.table(
        ("target", "before", "after"),
        [
            (change.target, change.before, "nothing to clear" if change.nothing else Cell(change.after, "warn"))
            for change in planned.changes
        ],
    )
    for change in planned.overridden:
        screen.text(f"! {change.target}: {change.holds}: cleared all the same, and recorded as an override", "bad")
    for sentence in planned.not_done:
        screen.text(sentence, "dim")


def result(screen: Screen, done: Result) -> None:
    if done.journal_row is None:
        screen.text("Nothing to clear: nothing was changed")
        return
    changed = [change for change in done.plan.changes if not change.nothing]
    for change in changed:
        screen.text(f"Reset {change.target}: {change.before} → {change.after}", "good")
    screen.facts(
        [
            ("by", f"{done.plan.request.approver}: {done.plan.request.reason}"),
            ("journal", f"row {done.journal_row}"),
            ("backup", done.backup),
        ]
    )
