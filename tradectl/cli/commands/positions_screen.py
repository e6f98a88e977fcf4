"""What the positions commands print."""

from __future__ import annotations

from decimal import Decimal

from tradectl.cli.figures import counted, money, price
from tradectl.cli.render import Cell, Screen
from tradectl.domain.money import amount, percent, text
from tradectl.domain.position import Protection
from tradectl.operations.killswitch_check import ways_out
from tradectl.operations.position_exit import Closed, ClosePlan
from tradectl.operations.positions_list import PositionLine, Positions
from tradectl.operations.times import span, when

_HEAD = (
    "symbol",
    "side",
    "size",
    "entry",
    "mark",
    "uPnL",
    "liquidation",
    "stop",
    "covers",
    "distance",
    "at stop",
    "naked",
)


def listing(screen: Screen, found: Positions) -> None:
    identity = found.identity
    whose = str(identity) if identity.account else f"account unknown{identity}"
    count = len(found.positions)
    screen.text(
        f"{whose}: {count} open, uPnL {amount(found.unrealised, identity.currency)}, "
        f"equity {amount(found.equity, identity.currency)}, venue time {when(found.at_ms)}"
    )
    for sentence in found.absent:
        screen.text(sentence, "bad")
    if found.store_trouble:
        screen.text(f"the books could not be read beside it: {found.store_trouble}", "warn")
    if not found.positions:
        return
    screen.table(_HEAD, [_row(line) for line in found.positions])
    for line in found.positions:
        if line.dust:
            screen.text(f"{line.symbol}: dust, below the venue's smallest order", "warn")
        if not line.in_books and not found.store_trouble:
            screen.text(f"{line.symbol}: the books do not hold this position as the venue shows it", "warn")
        if line.stops_why:
            screen.text(f"{line.symbol}: {line.stops_why}", "bad")
    for line in found.unprotected:
        said = "is NAKED" if not line.covered_qty else f"has stops on {text(line.covered_qty)} of {text(line.qty)} only"
        screen.text(f"{line.symbol} {said}; cover it, or get out:", "bad")
        for command in ways_out(line.symbol, found.store):
            screen.command(command)


def _row(line: PositionLine) -> tuple[object, ...]:
    covered = line.protection == Protection.COVERED.value
    return (
        line.symbol,
        line.side,
        line.qty,
        line.entry_price,
        line.mark_price,
        Cell(amount(line.unrealised), "good" if line.unrealised >= 0 else "bad"),
        line.liquidation_price,
        line.stop_price,
        Cell(_covers(line), "good" if covered else "bad"),
        percent(line.stop_distance) if line.stop_distance is not None else None,
        amount(line.stop_money) if line.stop_money is not None else None,
        None if covered else Cell(span(line.naked_ms) if line.naked_ms is not None else "unknown", "bad"),
    )


def _covers(line: PositionLine) -> str:
    if line.protection == Protection.COVERED.value:
        return "all"
    if line.protection == Protection.NAKED.value:
        return "NAKED"
    return f"only {text(line.covered_qty)}"


def close_plan(screen: Screen, planned: ClosePlan) -> None:
    line = planned.line
    share = "all of it" if not planned.leave_qty else f"{text(planned.leave_qty)} stays"
    orders = f" in {planned.orders} orders" if planned.orders > 1 else ""
    facts: list[tuple[str, object]] = [
        ("position", f"{line.symbol} {line.side} {text(line.qty)}, entry {text(line.entry_price)}"),
        ("mark", f"{text(line.mark_price)}, uPnL {amount(line.unrealised, planned.currency)}"),
        ("stop", f"{text(line.stop_price) if line.stop_price is not None else 'none'}, covers {_covers(line)}"),
        ("plan", f"close {text(planned.close_qty)} ({share}) at the market, reduce-only{orders}"),
    ]
    facts += [("then", sentence) for sentence in planned.after]
    facts += [("note", Cell(sentence, "warn")) for sentence in planned.warnings]
    screen.facts(facts)


def closed(screen: Screen, done: Closed) -> None:
    line = done.plan.line
    left = done.reduced.left_qty
    if done.done and not done.reduced.sent:
        screen.text(f"{line.symbol} {line.side} {text(line.qty)} was gone already: nothing was sent", "good")
    elif done.done:
        word = "CLOSED" if not left else "REDUCED"
        screen.text(
            f"{word} {line.symbol} {line.side} {text(line.qty)} → {text(left)}, read again at the venue", "good"
        )
    elif done.reduced.unverified:
        screen.text(f"NOT VERIFIED: {line.symbol} {line.side} {text(line.qty)} may be closed by now", "bad")
        screen.text(f"  {done.reduced.problem}", "bad")
    else:
        screen.text(f"NOT CLOSED: {line.symbol} {text(left)} left of {text(line.qty)}", "bad")
        screen.text(f"  {done.reduced.problem}", "bad")
    if done.fills:
        at = f"{counted(done.fills, 'fill')} at {price(done.average_price)}"
        screen.text(f"{at}: {result(done.realised, done.fees, done.plan.currency)}")
    for one in done.cancelled:
        screen.text(f"{one.result}: {one.order.order_id} ({one.why})")
    if done.recorded_in != "store":
        where = f"recorded in the {done.recorded_in}" if done.recorded_in else "nothing is recorded"
        screen.text(where if done.recorded_in or done.reduced.sent else "nothing was sent", "warn")
    for sentence in done.left:
        screen.text(f"left to do: {sentence}", "bad")
    for sentence in done.notes:
        screen.text(sentence, "warn")


def result(realised: Decimal, fees: Decimal, currency: str) -> str:
    """'P&L −0.48, fees 0.98, net −1.46 USDT'."""
    net = money(realised - fees, currency, sign=True)
    return f"P&L {money(realised, sign=True)}, fees {money(fees)}, net {net}"


def closed_body(done: Closed) -> dict[str, object]:
    return {
        "symbol": done.plan.line.symbol,
        "side": done.plan.line.side,
        "before": done.plan.line.qty,
        "after": done.reduced.left_qty,
        "closed": done.done,
        "fills": done.fills,
        "average_price": done.average_price,
        "realised": done.realised,
        "fees": done.fees,
        "net": done.net,
        "cancelled": done.cancelled,
        "sent": done.reduced.sent,
        "problem": done.reduced.problem,
        "unverified": done.reduced.unverified,
        "recorded_in": done.recorded_in,
        "left": done.left,
        "notes": done.notes,
    }
