"""What `reconcile` prints: the answer, then what differs and its evidence, what is done and what needs a person."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tradectl.cli.figures import counted
from tradectl.cli.render import Screen
from tradectl.domain.finding import Finding, FindingKind, Severity
from tradectl.execution.reconcile_apply import Done
from tradectl.execution.reconcile_sides import Action, ActionKind
from tradectl.operations.reconcile import Applied, Reconciliation
from tradectl.operations.times import when

_TONES = {Severity.AGREES: "", Severity.DRIFT: "warn", Severity.PERSON: "bad", Severity.UNREADABLE: "bad"}
_STEPS = {
    ActionKind.BOOK: "book the venue's fills",
    ActionKind.STAND_IN: "book a fill that stands in until the real ones come",
    ActionKind.TAKE_OVER: "manage it from here",
    ActionKind.ADOPT: "manage it from here, on your word",
    ActionKind.ADJUST: "set the books to what the venue shows",
    ActionKind.CANCEL: "cancel what it left behind",
    ActionKind.BLOCK: "block entries",
    ActionKind.UNBLOCK: "lift the block",
    ActionKind.PROTECT: "place the missing stop",
    ActionKind.NOTE: "put on record",
}


def plan(screen: Screen, found: Reconciliation) -> None:
    _answer(screen, found)
    _findings(screen, found)
    if found.anything_to_do:
        screen.title("--apply does this:")
        for sentence in _all_steps(found):
            screen.text(f"  {sentence}")


def question(found: Reconciliation) -> str:
    steps = len(_all_steps(found))
    return f"Do {'this' if steps == 1 else f'these {steps} steps'} now?"


def _all_steps(found: Reconciliation) -> list[str]:
    first = []
    if found.in_doubt and not found.bot_alive:
        first.append(f"ask the venue what became of {counted(len(found.in_doubt), 'order')} in doubt")
    return first + _steps(found.plan.actions)


def result(screen: Screen, done: Reconciliation | Applied, saved: Path | None, planned: Path | None = None) -> None:
    """`saved`: the file that keeps the plan now; `planned`: the one that it came from."""
    if isinstance(done, Applied):
        for one in done.done:
            if one.action.kind is not ActionKind.NOTE or one.failed:
                said = "1 fill booked" if one.sentence == "1 fills booked" else one.sentence
                screen.text(f"{'FAILED ' if one.failed else ''}{_step(one.action)}: {said}", _tone(one))
        screen.text("read again:")
        _answer(screen, done.after)
        _findings(screen, done.after, shown=frozenset(done.before.plan.findings))
        for sentence in done.notes:
            screen.text(sentence, "warn")
        return
    plan(screen, done)
    if saved is not None:
        screen.text("saved; to apply it while the world is the same:")
        screen.command(_again(done, f" --plan {saved}"))
    elif done.anything_to_do:
        screen.text("nothing was changed; to do it:")
        adopted = "".join(f" --adopt {symbol}" for symbol in sorted(done.adopt))
        screen.command(_again(done, f" --plan {planned}" if planned is not None else adopted))


def _again(done: Reconciliation, which: str) -> str:
    reason = " --reason TEXT" if done.adopt else ""  # an adoption is not applied without one
    return f"tradectl reconcile{which} --apply{reason} --state {done.path}"


def _answer(screen: Screen, found: Reconciliation) -> None:
    findings = found.plan.findings
    severity = found.severity
    compared = f"{counted(_positions(findings), 'position')}, {counted(_orders(findings), 'order')}"
    said = {
        Severity.AGREES: "venue and books AGREE",
        Severity.DRIFT: "venue and books DIFFER; what is to be done is safe by itself",
        Severity.PERSON: "venue and books DIFFER, and that NEEDS YOU",
        Severity.UNREADABLE: "the venue's answer cannot be relied on: NOTHING is changed",
    }[severity]
    tone = "good" if severity is Severity.AGREES else _TONES[severity]
    screen.text(f"{found.identity}: {said} ({compared}; venue time {when(found.plan.at_ms)})", tone)


def _findings(screen: Screen, found: Reconciliation, shown: frozenset[Finding] = frozenset()) -> None:
    """`shown`: what stands on the screen already, just above."""
    if found.in_doubt:
        who = "the bot settles it" if found.bot_alive else "no bot is alive to settle it"
        named = ", ".join(found.in_doubt[:5])
        screen.text(f"IN DOUBT: the outcome of {named} is not known; {who}", "warn")
    for one in sorted(found.plan.findings, key=lambda one: (-one.severity, one.symbol, one.order_id or "")):
        if one.severity is Severity.AGREES:
            continue
        order = f" order {one.order_id}" if one.order_id else ""
        name = f"{one.kind.value.upper()} {one.symbol or 'account'}{order}"
        if one in shown:
            screen.text(f"{name}: as before, see above", _TONES[one.severity])
            continue
        screen.text(f"{name}: {one.evidence}", _TONES[one.severity])
        if one.automatic:
            screen.text(f"  by itself: {one.automatic}")
        if one.person:
            screen.text(f"  needs you: {one.person}")
        for command in one.commands:
            screen.command(f"  {command} --state {found.path}")
        if one.blocks:
            where = "the account" if one.kind is FindingKind.OTHER_STORE and one.order_id else one.symbol
            screen.text(f"  no entries on {where} until then", "warn")
    foreign = [one for one in found.plan.findings if one.kind is FindingKind.FOREIGN]
    if foreign and not shown:
        named = ", ".join(f"{one.order_id} {one.symbol}" for one in foreign[:5])
        more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
        screen.text(f"left alone: {counted(len(foreign), 'order')} that {'is' if len(foreign) == 1 else 'are'} not ours"
                    f" ({named}{more})")  # fmt: skip


def _steps(actions: Iterable[Action]) -> list[str]:
    listed = list(actions)
    rows = [f"{_step(one)}: {one.reason}" for one in listed if one.kind is not ActionKind.NOTE]
    noted = [one.order_id or "" for one in listed if one.kind is ActionKind.NOTE]
    if noted:
        more = f" and {len(noted) - 5} more" if len(noted) > 5 else ""
        rows.append(f"put {counted(len(noted), 'order')} on record: {', '.join(noted[:5])}{more}")
    return rows


def _step(action: Action) -> str:
    what = f" {action.order_id}" if action.order_id else ""
    where = f" ({action.scope})" if action.scope else ""
    return f"{_STEPS[action.kind]}{what}{where}"


def _tone(one: Done) -> str:
    return "bad" if one.failed else ""


def _positions(findings: Iterable[Finding]) -> int:
    """Symbols with a position on either side."""
    return len({one.symbol for one in findings if one.order_id is None and one.symbol})


def _orders(findings: Iterable[Finding]) -> int:
    return len({one.order_id for one in findings if one.order_id is not None})


def body(done: Reconciliation | Applied) -> dict[str, object]:
    before = done.before if isinstance(done, Applied) else done
    after = done.after if isinstance(done, Applied) else None
    shown: dict[str, object] = {
        **_plan_body(before),
        "applied": isinstance(done, Applied),
        "exit_code": int(done.exit_code),
    }
    if isinstance(done, Applied) and after is not None:
        shown["done"] = [
            {
                "step": one.action.kind.value,
                "scope": one.action.scope,
                "order_id": one.action.order_id,
                "sentence": one.sentence,
                "failed": one.failed,
            }
            for one in done.done
        ]
        shown["after"] = _plan_body(after)
        shown["notes"] = done.notes
    return shown


def _plan_body(found: Reconciliation) -> dict[str, object]:
    identity = found.identity
    return {
        "account": identity.account,
        "venue": identity.venue,
        "environment": identity.environment,
        "store": found.path,
        "at_ms": found.plan.at_ms,
        "severity": found.severity.name.lower(),
        "in_doubt": found.in_doubt,
        "bot_alive": found.bot_alive,
        "fingerprint": found.plan.fingerprint,
        "adopt": sorted(found.adopt),
        "findings": [
            {
                "kind": one.kind.value,
                "severity": one.severity.name.lower(),
                "symbol": one.symbol,
                "order_id": one.order_id,
                "evidence": one.evidence,
                "automatic": one.automatic,
                "person": one.person,
                "commands": one.commands,
                "blocks": one.blocks,
            }
            for one in found.plan.findings
        ],
        "actions": [
            {"step": one.kind.value, "scope": one.scope, "order_id": one.order_id, "qty": one.qty, "reason": one.reason}
            for one in found.plan.actions
        ],
    }
