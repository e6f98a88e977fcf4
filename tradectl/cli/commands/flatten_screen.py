"""What `flatten` prints: the plan, each position as soon as its result is known, what is left, and what still holds."""

from __future__ import annotations

from pathlib import Path

from tradectl.cli.commands import positions_screen
from tradectl.cli.context import Invocation
from tradectl.cli.figures import counted, money, price
from tradectl.cli.render import Cell, Screen
from tradectl.domain.money import text
from tradectl.operations.flatten import Exit, Flattened, FlattenPlan
from tradectl.operations.killswitch_check import describe
from tradectl.operations.position_exit import see_command
from tradectl.store import guard

_NAMED = 5  # orders named in a sentence; more of them are counted


def plan(screen: Screen, planned: FlattenPlan) -> None:
    """One line per position, then what it comes to."""
    currency = planned.currency
    screen.text(
        f"{planned.whose}: flatten closes {counted(len(planned.closes), 'position')} at the market, reduce-only,"
        " the largest first"
    )
    fees = planned.fees
    head = ["symbol", "side", "size", "entry", "mark", "notional", "uPnL", *(["fee about"] if fees else [])]
    rows: list[list[object]] = []
    for at, close in enumerate(planned.closes):
        line = close.line
        row: list[object] = [line.symbol, line.side, line.qty, price(line.entry_price), price(line.mark_price)]
        row += [money(line.notional), Cell(money(line.unrealised, sign=True), "bad" if line.unrealised < 0 else "good")]
        rows.append([*row, *([money(fees[at])] if fees else [])])
    screen.table(head, rows)
    total = planned.fees_total
    fee = f", fees about {money(total, currency)} at the last taker rates" if total is not None else ""
    screen.text(
        f"in all: notional {money(planned.notional, currency)}, P&L at the mark "
        f"{money(planned.unrealised, currency, sign=True)}{fee}"
    )
    _what_rests(screen, planned)


def _what_rests(screen: Screen, planned: FlattenPlan) -> None:
    own = sum(len(close.own) for close in planned.closes)
    if own:
        screen.text(f"then: {counted(own, 'order')} of theirs (stops, targets) cancelled, once its position is gone")
    for close in planned.closes:
        symbol = close.line.symbol
        if close.orders > 1:
            screen.text(f"{symbol}: in {close.orders} orders, the venue's largest is {text(close.max_market_qty)}")
        for order in close.others:
            screen.text(f"{describe(order)} is not ours: we leave it to the venue", "warn")
        for sentence in close.warnings:
            screen.text(f"{symbol}: {sentence}", "warn")
    for position in planned.unlisted:
        screen.text(f"{position.symbol}: not listed, or with two legs: it cannot be closed from here", "bad")
    for sentence in planned.absent:
        screen.text(sentence, "bad")
    for name in planned.nothing_in:
        screen.text(f"{name}: nothing is open there", "warn")
    if planned.adding:
        count = counted(len(planned.adding), "order")
        screen.text(f"left alone: {count} that could open a position again: {_listed(planned)}", "warn")


def question(planned: FlattenPlan) -> str:
    count = len(planned.closes)
    return f"Close {'this position' if count == 1 else f'all {count} positions'} now?"


class Progress:
    """Each position's result as soon as it is known; with --json it stays silent."""

    def __init__(self, inv: Invocation) -> None:
        self._inv = inv
        self._of = 0
        self._done = 0

    def begin(self, count: int) -> None:
        self._of = count

    def done(self, one: Exit) -> None:
        self._done += 1
        if self._inv.json:
            return
        screen = Screen(self._inv)
        if one.closed is not None:
            positions_screen.closed(screen, one.closed)
        else:
            line = one.plan.line
            screen.text(f"NOT CLOSED: {line.symbol} {line.side} {text(line.qty)}", "bad")
            screen.text(f"  {one.problem}", "bad")
        self._inv.stdout.flush()

    def interrupted(self, store: Path) -> None:
        """Said on Ctrl-C: what is closed by then is closed."""
        if self._of:
            print(
                f"interrupted after {self._done} of {self._of}: see what is left with {see_command(store)}",
                file=self._inv.stderr,
            )


def ending(screen: Screen, done: Flattened) -> None:
    where = f" in {', '.join(done.plan.named)}" if done.plan.named else ""
    if done.recorded is None:
        screen.text(f"nothing is open{where or ' at the venue'}: nothing to close ({done.plan.whose})", "good")
    else:
        if len(done.exits) > 1:
            total = positions_screen.result(done.realised, done.fees, done.plan.currency)
            screen.text(f"TOTAL over {len(done.exits)}: {total}")
        if done.left:
            screen.text("NOT FLAT:", "bad")
            for sentence in done.left:
                screen.text(f"  {sentence}", "bad")
            screen.text("once its cause is gone, again; it is safe to repeat:")
            screen.command(_again(done.plan))
        else:
            screen.text(f"FLAT: the venue shows nothing open{where} any more", "good")
        if done.recorded.where != "store":
            where = f"recorded in: {done.recorded.where}" if done.recorded.where else "nothing could be recorded"
            screen.text(f"{where} ({done.recorded.trouble})", "warn")
    if done.adding:
        rest = "rests" if len(done.adding) == 1 else "rest"
        screen.text(f"{counted(len(done.adding), 'order')} still {rest} and could open again: {_listed(done)}", "warn")
        screen.command(f"tradectl orders cancel {done.adding[0].order_id} --state {done.plan.path}")
    _entries(screen, done)


def _entries(screen: Screen, done: Flattened) -> None:
    allowed = done.entries_allowed
    if done.guard:
        screen.text(f"guard: {guard.NOT_FENCED}, and may open again; only disabling its API key ends that", "bad")
    elif allowed is None:
        screen.text("whether entries are allowed cannot be told: the store cannot be read", "warn")
    elif not allowed:
        assert done.state is not None
        screen.text(f"entries are not allowed ({done.state.value}): nothing opens again until that is cleared")
        return
    else:
        screen.text("ENTRIES ARE STILL ALLOWED: a running bot may open again. To stop that:", "warn")
    for command in _stops(done):
        screen.command(command)


def _stops(done: Flattened) -> tuple[str, ...]:
    """The commands that keep anything from being opened again; none where nothing can be."""
    if done.entries_allowed is False:
        return ()
    store = done.plan.path
    if done.guard:
        return (f"tradectl killswitch activate --state {store}   # cancels what could still open, and fences nobody",)
    return (
        f"tradectl pause --reason TEXT --state {store}   # no new entries, nothing else",
        f"tradectl killswitch activate --state {store}   # and cancels what could still open",
    )


def _again(planned: FlattenPlan) -> str:
    symbols = "".join(f" --symbol {name}" for name in planned.named)
    return f"tradectl flatten{symbols} --reason TEXT --state {planned.path}"


def _listed(about: Flattened | FlattenPlan) -> str:
    named = ", ".join(f"{order.order_id} ({describe(order)})" for order in about.adding[:_NAMED])
    more = len(about.adding) - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def body(done: Flattened) -> dict[str, object]:
    planned = done.plan
    return {
        "flat": not done.left and not done.plan.unlisted,
        "store": planned.path,
        "account": planned.whose,
        "currency": planned.currency,
        "named": planned.named,
        "nothing_in": planned.nothing_in,
        "plan": {
            "positions": len(planned.closes),
            "notional": planned.notional,
            "unrealised": planned.unrealised,
            "fees": planned.fees_total,
        },
        "positions": [_position_body(one) for one in done.exits],
        "realised": done.realised,
        "fees": done.fees,
        "net": done.net,
        "left": done.left,
        "resting_that_could_add": [{"order_id": order.order_id, "what": describe(order)} for order in done.adding],
        "state": done.state,
        "entries_allowed": done.entries_allowed,
        "guard": done.guard,
        "next": _stops(done),
        "recorded_in": done.recorded.where if done.recorded is not None else None,
        "exit_code": int(done.exit_code),
    }


def _position_body(one: Exit) -> dict[str, object]:
    if one.closed is not None:
        return {**positions_screen.closed_body(one.closed), "exit_code": int(one.exit_code)}
    line = one.plan.line
    kept = {"symbol": line.symbol, "side": line.side, "before": line.qty, "after": line.qty}
    return {**kept, "closed": False, "problem": one.problem, "exit_code": int(one.exit_code)}
