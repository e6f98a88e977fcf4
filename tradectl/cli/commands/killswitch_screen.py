"""What the kill switch's commands print: first what is true, then what was done, then what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from tradectl.cli import confirm
from tradectl.cli.context import Invocation
from tradectl.cli.figures import counted
from tradectl.cli.render import Cell, Screen
from tradectl.domain.money import text
from tradectl.domain.position import PositionFact
from tradectl.errors import Refused
from tradectl.execution.sweep import Swept
from tradectl.operations.killswitch_activate import LIFTED, Activation
from tradectl.operations.killswitch_check import Check, describe, ways_out
from tradectl.operations.killswitch_clear import Cleared, ClearPlan
from tradectl.operations.killswitch_guard import Watch
from tradectl.operations.killswitch_status import Status
from tradectl.operations.times import when
from tradectl.store import guard

_TONES = {"cancelled": "", "gone": "dim", "kept": "good", "failed": "bad", "unknown": "bad"}


def ask_flatten(inv: Invocation, held: tuple[PositionFact, ...]) -> bool:
    """Shows what would be closed and asks; False when the answer is no, also by Ctrl-C, or nobody can be asked."""
    listed = ", ".join(f"{one.symbol} {one.side.value} {text(abs(one.qty))}" for one in held)
    print(f"--flatten closes at the market, reduce-only: {listed}", file=inv.stderr)
    try:
        confirm.confirm(inv, "Close all of these now?")
    except Refused as refusal:
        if not inv.asks:
            print("\n".join(refusal.lines()), file=inv.stderr)
        return False
    except KeyboardInterrupt:  # the fence and the sweep before it are still to be recorded and said
        return False
    return True


def activations(screen: Screen, done: list[Activation]) -> None:
    for one in done:
        if len(done) > 1:
            screen.title(str(one.fence.path))
        activation(screen, one)


def activation(screen: Screen, done: Activation) -> None:
    """Everything after the FENCED line, which was printed at once."""
    if not done.fence.fenced:
        screen.text(f"NOT FENCED {done.fence.path}", "bad")
        _rows(screen, "Do this now", done.next)
        return
    if done.watch is not None:
        screen.text(f"NOT FENCED: {guard.WHY}", "bad")
    if done.lifted:
        screen.text(f"NOT FENCED any more: {LIFTED}", "bad")
    if done.drained is not None:
        screen.text(drained_line(done), "good" if done.drained.complete else "bad")
        for one in done.drained.entries:
            screen.text(f"  {one.symbol} {one.client_id}: {one.sentence}")
    if done.check is not None or done.swept:
        gone = sum(one.result in ("cancelled", "gone") for one in done.swept)
        kept = sum(one.result == "kept" for one in done.swept)
        failed = len(done.swept) - gone - kept
        said = f"SWEPT: {gone} cancelled, {kept} kept" + (f", {failed} FAILED" if failed else "")
        screen.text(said, "bad" if failed else "good")
        if done.swept:
            screen.table(("order", "what", "result", "why"), [_swept(one) for one in done.swept])
    if done.watch is not None:
        screen.text(_watched(done.watch), "warn" if done.watch.clean else "bad")
    for closed in done.closed:
        screen.text(
            f"CLOSED {closed.symbol}: {text(closed.before_qty)} → {text(closed.left_qty)}"
            + (f" ({closed.problem})" if closed.problem else ""),
            "bad" if closed.problem else "good",
        )
    _verified(screen, done)
    if doubt := done.fence.doubt():
        screen.text(doubt, "bad")
    if done.recorded.where != "store":
        where = done.recorded.where or "nowhere"
        screen.text(f"recorded in: {where} ({done.recorded.trouble}); it is imported by the next clear", "warn")
    elif done.recorded.trouble:
        screen.text(done.recorded.trouble, "warn")
    _rows(screen, "Next", done.next)


def drained_line(done: Activation) -> str:
    drained = done.drained
    assert drained is not None
    if not drained.complete:
        return f"NOT DRAINED after {_seconds(drained.waited_ms)} of the venue's time: {drained.why}"
    if not drained.entries and not drained.waited_ms:
        return "DRAINED in 0 s: no entry was on its way"
    count = len(drained.entries)
    entries = f"{count} {'entry' if count == 1 else 'entries'} in doubt settled" if count else "no entry seen in doubt"
    waited = f"DRAINED in {_seconds(drained.waited_ms)} of the venue's time: {entries}"
    return f"{waited} ({drained.why})" if drained.why else waited


def _verified(screen: Screen, done: Activation) -> None:
    if done.check is not None:
        _held(screen, done.check)
    if done.verified:
        said = "no order is left that can add exposure, every position is covered"
        if done.guard:
            screen.text(f"AS LAST READ: {said}; whoever trades here may place one now", "warn")
        else:
            screen.text(f"VERIFIED: {said}", "good")
        return
    screen.text("NOT VERIFIED:", "bad")
    for sentence in done.left:
        screen.text(f"  {sentence}", "bad")


def _watched(watch: Watch) -> str:
    looked = (
        f"after {_seconds(watch.waited_ms)} of the venue's time, {counted(watch.came_up, 'order')} came up meanwhile"
    )
    if watch.clean:
        return f"CLEAN for {_seconds(watch.clean_ms)} ({looked})"
    return f"NOT CLEAN: nothing new for only {_seconds(watch.clean_ms)} ({looked})"


def _held(screen: Screen, seen: Check) -> None:
    if seen.held:
        screen.table(
            ("position", "side", "size", "mark", "uPnL", "covered", "stop"),
            [
                (
                    one.symbol,
                    one.side,
                    one.qty,
                    one.mark_price,
                    one.unrealised,
                    Cell(f"{text(one.covered_qty)} {one.protection.value}", "good" if one.covered else "bad"),
                    one.stop_price,
                )
                for one in seen.held
            ],
        )


def _swept(one: Swept) -> tuple[object, ...]:
    why = one.why if one.result in ("cancelled", "kept") else f"{one.why}; {one.detail}"
    return one.order.order_id, describe(one.order), Cell(one.result, _TONES[one.result]), why


def _rows(screen: Screen, title: str, rows: tuple[str, ...]) -> None:
    screen.title(f"{title}:")
    for row in rows:
        screen.text(f"  {row}")


def _seconds(length_ms: int) -> str:
    return f"{length_ms / 1000:.1f} s"


def activation_body(done: Activation) -> dict[str, object]:
    fence = done.fence
    return {
        "fenced": fence.fenced and not done.guard and not done.lifted,
        "lifted": done.lifted,
        "guard": done.guard,
        "watch": done.watch,
        "fenced_by": fence.how,
        "already": fence.already,
        "account": fence.account,
        "venue": fence.venue,
        "environment": fence.environment,
        "path": fence.path,
        "by": fence.by,
        "at_ms": fence.at_ms,
        "reason": fence.reason,
        "why_not": fence.why,
        "doubt": fence.doubt(),
        "drained": done.drained,
        "swept": done.swept,
        "closed": done.closed,
        "check": done.check,
        "verified": done.verified,
        "left": done.left,
        "next": done.next,
        "recorded_in": done.recorded.where,
        "recorded_trouble": done.recorded.trouble,
        "exit_code": int(done.exit_code),
    }


def status(screen: Screen, shown: Status) -> None:
    whose = f" {shown.identity}" if shown.identity is not None else ""
    if not shown.active:
        screen.text(f"NOT ACTIVE{whose} {shown.path}", "good")
    else:
        by = f" by halt file {shown.halt_file}, of the store" if shown.latch is None else ""
        screen.text(f"ACTIVE{whose}{by} {shown.path}", "bad")
    if shown.guard:
        screen.text(f"guard: {guard.NOT_FENCED}", "bad" if shown.active else "warn")
    facts: list[tuple[str, object]] = []
    if shown.latch is not None:
        facts += [
            ("since", when(shown.latch.set_at_ms)),
            ("by", shown.latch.set_by),
            ("why", shown.latch.reason),
        ]
        facts += [
            (one.title, f"too, since {when(one.set_at_ms)} by {one.set_by}: {one.reason}") for one in shown.others
        ]
    elif shown.active:
        facts.append(("latch", f"unknown: {shown.store_trouble}" if shown.store_trouble else "not set"))
    facts.append(("halt file", shown.halt_file or "none"))
    if shown.halt_text:
        facts.append(("it says", " · ".join(shown.halt_text.splitlines())))
    if shown.in_doubt:
        facts.append(("in doubt", ", ".join(shown.in_doubt)))
    if shown.pending:
        waiting = "waits" if shown.pending == 1 else "wait"
        facts.append(("emergency journal", f"{counted(shown.pending, 'record')} {waiting} for import"))
    facts += [("emergency journal", Cell(sentence, "warn")) for sentence in shown.emergency_troubles]
    screen.facts(facts)
    if shown.summary is not None:
        _summary(screen, shown.summary, shown.summary_at_ms or 0)
    if shown.check is None:
        screen.text(f"the venue could not be read: {shown.venue_trouble}", "warn")
    else:
        seen = shown.check
        adding = len(seen.adding)
        tone = "bad" if adding and shown.active else ""
        screen.text(
            f"the venue now: {counted(adding, 'order')} that can add exposure, "
            f"{counted(len(seen.stops), 'protective stop')}, {len(seen.held)} open, {len(seen.naked)} not covered",
            "bad" if seen.naked else tone,
        )
        _held(screen, seen)
        for one in seen.naked:
            screen.text(f"{one.sentence()}; cover it, or get out:", "bad")
            for command in ways_out(one.symbol, str(shown.path)):
                screen.command(command)
    if shown.active:
        _rows(screen, "Clear with", shown.commands)


def _summary(screen: Screen, body: Mapping[str, object], at_ms: int) -> None:
    verified = "verified" if body.get("verified") else "NOT VERIFIED"
    screen.title(
        f"Last sweep, {when(at_ms)}: {body.get('cancelled_count')} cancelled, {body.get('kept_count')} kept, {verified}"
    )
    for name in ("cancelled", "kept", "failed", "closed", "left"):
        for row in cast("list[str]", body.get(name) or []):
            screen.text(f"  {name}: {row}", "bad" if name in ("failed", "left") else "")


def status_body(shown: Status) -> dict[str, object]:
    return {
        "active": shown.active,
        "guard": shown.guard,
        "path": shown.path,
        "identity": shown.identity,
        "latch": shown.latch,
        "others": shown.others,
        "halt_file": shown.halt_file,
        "halt_text": shown.halt_text,
        "summary": shown.summary,
        "summary_at_ms": shown.summary_at_ms,
        "emergency_pending": shown.pending,
        "emergency_troubles": shown.emergency_troubles,
        "in_doubt": shown.in_doubt,
        "check": shown.check,
        "venue_trouble": shown.venue_trouble,
        "clear_with": shown.clear_with if shown.active else None,
    }


def clear_plan(screen: Screen, planned: ClearPlan) -> None:
    if not planned.active:
        screen.text(f"not active: nothing to clear ({planned.state.value}) {planned.path}", "good")
        return
    facts: list[tuple[str, object]] = [("before", f"{planned.state.value} {planned.path}")]
    if planned.latch is not None:
        latch = planned.latch
        facts.append(("latch", f"since {when(latch.set_at_ms)} by {latch.set_by}: {latch.reason}"))
    facts.append(("halt file", " · ".join(planned.halt_text.splitlines()) if planned.halt_text else "none"))
    if planned.pending:
        facts.append(("import", f"{counted(planned.pending, 'record')} of the emergency journal"))
    facts += [("note", Cell(sentence, "warn")) for sentence in planned.damaged]
    facts += [("against it", Cell(blocker, "bad")) for blocker in planned.blockers]
    screen.facts(facts)


def cleared(screen: Screen, done: Cleared) -> None:
    still = ", ".join(f"{latch.name.value} {latch.scope}".strip() for latch in done.still)
    free = "resting orders are no longer swept" if done.before.guard else "entries are allowed"
    after = f"{done.after.value}{f', still restricted by {still}' if still else f', {free}'}"
    screen.text(f"CLEARED: {after}", "good")
    if done.imported:
        screen.text(f"imported {counted(done.imported, 'record')} of the emergency journal")
    for sentence in done.notes:
        screen.text(sentence, "warn")
    if done.halt_removed:
        screen.text("the halt file is removed")
    if done.overridden:
        screen.text(f"OVERRIDDEN, on the record: {'; '.join(done.overridden)}", "warn")


def cleared_body(done: Cleared) -> dict[str, object]:
    return {
        "cleared": True,
        "before": done.before.state,
        "after": done.after,
        "still": done.still,
        "imported": done.imported,
        "notes": done.notes,
        "halt_removed": done.halt_removed,
        "overridden": done.overridden,
    }
