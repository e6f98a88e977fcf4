"""What `orders cancel` prints: what the order is, what its cancel means, and what became of it."""

from __future__ import annotations

from tradectl.cli.commands.orders_screen import whose
from tradectl.cli.figures import price
from tradectl.cli.render import Cell, Screen
from tradectl.domain.money import text
from tradectl.errors import ExitCode
from tradectl.execution.sweep import IN_STORE
from tradectl.operations.killswitch_check import describe
from tradectl.operations.orders_cancel import Cancelled, CancelPlan
from tradectl.operations.orders_find import Ended, InDoubt
from tradectl.operations.times import span, when

Outcome = Cancelled | Ended | InDoubt
_WORDS = {
    "cancelled": ("CANCELLED", "good"),
    "gone": ("GONE", "good"),
    "failed": ("NOT CANCELLED", "bad"),
    "unknown": ("OUTCOME UNKNOWN", "bad"),
    "unverified": ("NOT VERIFIED", "bad"),
}


def plan(screen: Screen, planned: CancelPlan) -> None:
    line = planned.line
    size = "all of the position" if line.close_position else text(line.qty)
    filled = f", {text(line.filled_qty)} filled" if line.filled_qty else ""
    at = line.trigger_price if line.trigger_price is not None else line.price
    kind = f"{line.what}: {line.side} {line.type.replace('_', ' ')} {size}{filled}"
    named = f"{line.order_id}, client id {line.client_id}" if line.client_id else line.order_id
    facts: list[tuple[str, object]] = [
        ("order", f"{named}, {span(line.age_ms)} old"),
        ("what", f"{line.symbol} {kind}{f' at {price(at)}' if at is not None else ''}"),
        ("whose", whose(line)),
    ]
    short = planned.cover is not None and not planned.cover.full_without
    facts += [("means", Cell(sentence, "bad" if short else "")) for sentence in planned.means]
    screen.facts(facts)


def result(screen: Screen, done: Outcome) -> None:
    if isinstance(done, Ended):
        screen.text(f"GONE: {done.name} ({done.symbol}): {done.how}", "good")
        return
    if isinstance(done, InDoubt):
        _in_doubt(screen, done)
        return
    word, tone = _WORDS[done.result]
    order = done.plan.order
    screen.text(f"{word}: {order.order_id}, {describe(order)}{_verified(done)}", tone)
    if done.result in ("failed", "unknown"):
        screen.text(f"  {done.sentence}", "bad")
    if done.overridden:
        screen.text("OVERRIDDEN, on the record: a protective stop that its position needed", "warn")
    if done.held is not None:
        screen.text(done.held.sentence(), "good" if done.held.covered else "bad")
    if done.recorded is not None and done.recorded.where not in (IN_STORE, ""):
        screen.text(f"recorded in: {done.recorded.where} ({done.recorded.trouble})", "warn")
    elif done.recorded is not None and done.recorded.where and done.recorded.trouble:
        screen.text(done.recorded.trouble, "warn")
    for sentence in done.left:
        screen.text(f"left to do: {sentence}", "bad")
    for row in done.next:
        (screen.command if row.startswith("tradectl ") else screen.text)(row)


def _verified(done: Cancelled) -> str:
    if done.result == "cancelled":
        filled = f", {text(done.filled_qty)} of it had filled" if done.filled_qty else ""
        return f"{filled}, read again at the venue"
    return f": {done.how}" if done.how else ""


def _in_doubt(screen: Screen, done: InDoubt) -> None:
    one = done.doubt
    screen.text(f"NOT AT THE VENUE: {one.client_id} ({one.symbol} {one.purpose} {one.side}) is in doubt", "bad")
    screen.text(f"  {one.state} since {when(one.since_ms)}: {one.known}")
    for sentence in done.then:
        screen.text(f"  {sentence}")


def body(name: str, done: Outcome) -> dict[str, object]:
    shared: dict[str, object] = {"name": name, "exit_code": int(exit_code(done))}
    if isinstance(done, Ended):
        return {**shared, "result": "gone", "symbol": done.symbol, "how": done.how, "order": done.order}
    if isinstance(done, InDoubt):
        return {**shared, "result": "in_doubt", "symbol": done.doubt.symbol, "in_doubt": done.doubt, "then": done.then}
    return {
        **shared,
        "result": done.result,
        "symbol": done.plan.order.symbol,
        "order": done.plan.line,
        "means": done.plan.means,
        "cover": done.plan.cover,
        "answer": done.sentence,
        "how": done.how,
        "filled_qty": done.filled_qty,
        "position": done.held,
        "override": done.overridden,
        "left": done.left,
        "next": done.next,
        "recorded_in": done.recorded.where if done.recorded is not None else None,
    }


def exit_code(done: Outcome) -> ExitCode:
    if isinstance(done, Ended):
        return ExitCode.OK
    return ExitCode.DRIFT if isinstance(done, InDoubt) else done.exit_code
