"""What the stops commands print."""

from __future__ import annotations

from decimal import Decimal

from tradectl.cli.figures import counted, money, price, share
from tradectl.cli.render import Cell, Screen
from tradectl.domain.money import text
from tradectl.domain.position import Protection
from tradectl.operations.killswitch_check import close_command, describe
from tradectl.operations.positions_list import PositionLine
from tradectl.operations.stops_list import StopLine, Stops
from tradectl.operations.stops_move import Moved, MovePlan
from tradectl.operations.stops_place import OnBreached, Placed, PlacedAll, StopPlan
from tradectl.operations.times import span, when

_POSITIONS = ("symbol", "side", "size", "entry", "mark", "liquidation", "stops cover", "naked")
_STOPS = ("symbol", "stop at", "by", "covers", "distance", "if it fires", "whose", "order", "age")
_PLAN = ("symbol", "side", "size", "covered", "missing", "mark", "stop at", "because")


def listing(screen: Screen, found: Stops) -> None:
    identity = found.identity
    whose = str(identity) if identity.account else "account unknown"
    uncovered = len(found.uncovered)
    held = len(found.guarded)
    answer = "nothing is open" if not held else f"{counted(held, 'position')}, every one covered by its stops"
    if uncovered:
        answer = f"{uncovered} of {counted(held, 'position')} NOT covered by stops"
    screen.text(f"{whose}: {answer}, venue time {when(found.at_ms)}", "bad" if uncovered else "good")
    if found.store_trouble:
        screen.text(f"the store could not be read beside it: {found.store_trouble}", "warn")
    for sentence in found.completed:
        screen.text(f"the venue's list was set right: {sentence}", "warn")
    if held:
        screen.table(_POSITIONS, [_position(one.position) for one in found.guarded])
        stops = [line for one in found.guarded for line in one.stops]
        if stops:
            screen.blank()
            screen.table(_STOPS, [_stop(line, found.identity.currency) for line in stops])
    for line in (*found.idle, *(stop for one in found.guarded for stop in one.stops if stop.why)):
        screen.text(f"{line.symbol}: the stop {line.order_id} at {price(line.trigger_price)}: {line.why}", "warn")
    for naked in found.uncovered:
        screen.text(f"{naked.symbol}: no stop on {_part(naked)}; the missing one:", "bad")
        screen.command(f"tradectl stops place-missing --symbol {naked.symbol} --apply --state {found.store}")


def _position(line: PositionLine) -> tuple[object, ...]:
    covered = line.protection == Protection.COVERED.value
    return (
        line.symbol,
        line.side,
        line.qty,
        price(line.entry_price),
        price(line.mark_price),
        price(line.liquidation_price) if line.liquidation_price is not None else None,
        Cell("all" if covered else f"{text(line.covered_qty)} of {text(line.qty)}", "good" if covered else "bad"),
        None if covered else Cell(span(line.naked_ms) if line.naked_ms is not None else "unknown", "bad"),
    )


def _stop(line: StopLine, currency: str) -> tuple[object, ...]:
    return (
        line.symbol,
        price(line.trigger_price),
        line.trigger_by.value if line.trigger_by is not None else None,
        Cell("nothing", "bad") if line.why else "all of it" if line.close_position else line.covers_qty,
        share(line.distance) if line.distance is not None else None,
        money(line.money, currency, sign=True) if line.money is not None else None,
        line.whose.replace("_", " "),
        line.order_id,
        span(line.age_ms),
    )


def _part(line: PositionLine) -> str:
    return "all of it" if line.uncovered_qty == line.qty else f"{text(line.uncovered_qty)} of {text(line.qty)}"


def body(found: Stops) -> dict[str, object]:
    identity = found.identity
    return {
        "account": identity.account,
        "venue": identity.venue,
        "environment": identity.environment,
        "store": found.store,
        "at_ms": found.at_ms,
        "positions": [{"position": one.position, "stops": one.stops} for one in found.guarded],
        "idle": found.idle,
        "uncovered": [line.symbol for line in found.uncovered],
        "store_trouble": found.store_trouble,
        "completed": found.completed,
        "exit_code": int(found.exit_code),
    }


def plan(screen: Screen, planned: StopPlan, choice: OnBreached) -> None:
    if planned.trouble:
        screen.text(f"the store could not be read: {planned.trouble}; stops are measured from the mark", "warn")
    if planned.guessed:
        screen.text(planned.guessed, "warn")
    screen.table(
        _PLAN,
        [
            (
                one.symbol,
                one.side,
                one.qty,
                Cell(one.covered_qty, "bad"),
                one.missing_qty,
                price(one.mark_price),
                Cell("PASSED" if one.breached else price(one.price), "bad" if one.breached else ""),
                one.source,
            )
            for one in planned.missing
        ],
    )
    for one in planned.undecided:
        passed = f"{one.symbol}: its level {price(one.price)} is passed already (mark {price(one.mark_price)})"
        said = {
            OnBreached.CLOSE: "it is CLOSED at the market, reduce-only",
            OnBreached.TIGHTEN: f"its stop goes to {price(one.tighter)}",
            OnBreached.SKIP: "it is left without",
            OnBreached.ASK: "it is left until you choose",
        }[choice]
        screen.text(f"{passed}: {said}", "bad")
    for symbol in planned.unlisted:
        screen.text(f"{symbol}: the venue does not list its contract, no stop can be placed from here", "bad")
    for sentence in planned.absent:
        screen.text(f"not covered for certain: {sentence}", "bad")


def question(planned: StopPlan, choice: OnBreached) -> str:
    """'' where nothing would be placed or closed."""
    breached = len(planned.undecided)
    placed = len(planned.missing) - breached + (breached if choice is OnBreached.TIGHTEN else 0)
    parts = [f"Place {counted(placed, 'missing stop')}"] if placed else []
    if breached and choice is OnBreached.CLOSE:
        parts.append(f"close {counted(breached, 'position')} at the market")
    return f"{' and '.join(parts)} now?".capitalize() if parts else ""


def placed(screen: Screen, done: PlacedAll | StopPlan, choice: OnBreached) -> None:
    planned = done if isinstance(done, StopPlan) else done.plan
    if isinstance(done, StopPlan):
        _looked(screen, done, choice)
    else:
        for one in done.placed:
            _result(screen, one)
        covered = sum(one.covered for one in done.placed)
        whole = covered == len(done.placed)
        closed = sum(one.closed for one in done.placed)
        if closed:
            screen.text(f"CLOSED: {counted(closed, 'position')}, read again at the venue", "good")
        if rest := len(done.placed) - closed:
            word = "COVERED" if whole else "NOT COVERED"
            screen.text(
                f"{word}: {covered - closed} of {counted(rest, 'position')} covered now, read again at the venue",
                "good" if whole else "bad",
            )
        for sentence in done.notes:
            screen.text(sentence, "warn")
    uncovered = {one.stop.symbol for one in done.placed if not one.covered} if isinstance(done, PlacedAll) else set()
    for missing in planned.undecided:
        if choice is OnBreached.ASK and (isinstance(done, StopPlan) or missing.symbol in uncovered):
            screen.text(f"{missing.symbol}: choose, its level is passed:", "bad")
            base = f"tradectl stops place-missing --symbol {missing.symbol} --apply --state {planned.path}"
            screen.command(f"{base} --on-breached tighten   # stop at {price(missing.tighter)}")
            screen.command(f"{base} --on-breached close     # out at the market")
    if isinstance(done, PlacedAll):
        for one in done.placed:
            if not one.covered and not one.stop.breached:
                screen.text(f"{one.stop.symbol}: again, it is safe to repeat; or get out:", "bad")
                screen.command(f"tradectl stops place-missing --apply --state {planned.path}")
                screen.command(close_command(one.stop.symbol, str(planned.path)))


def _looked(screen: Screen, planned: StopPlan, choice: OnBreached) -> None:
    if not planned.missing and not planned.unlisted and not planned.absent:
        held = counted(len(planned.covered), "position")
        screen.text(f"nothing is missing: {held} open, every one covered" if planned.covered else "nothing is open",
                    "good")  # fmt: skip
        return
    plan(screen, planned, choice)
    if any(not one.breached for one in planned.missing):
        screen.text("nothing was changed; to place what is missing:")
        screen.command(f"tradectl stops place-missing --apply --state {planned.path}")


def _result(screen: Screen, one: Placed) -> None:
    stop = one.stop
    tone = "good" if one.covered else "bad"
    screen.text(f"{stop.symbol} {stop.side} {text(stop.qty)}: {one.sentence}", tone)
    if one.recorded_in not in ("", "store"):
        screen.text(f"  recorded in the {one.recorded_in}", "warn")


def placed_body(done: PlacedAll | StopPlan) -> dict[str, object]:
    planned = done if isinstance(done, StopPlan) else done.plan
    return {
        "applied": isinstance(done, PlacedAll),
        "missing": planned.missing,
        "covered": planned.covered,
        "unlisted": planned.unlisted,
        "absent": planned.absent,
        "store_trouble": planned.trouble,
        "guessed": planned.guessed,
        "placed": [
            {
                "symbol": one.stop.symbol,
                "covered": one.covered,
                "closed": one.closed,
                "skipped": one.skipped,
                "sentence": one.sentence,
                "recorded_in": one.recorded_in,
            }
            for one in (done.placed if isinstance(done, PlacedAll) else ())
        ],
        "notes": done.notes if isinstance(done, PlacedAll) else (),
        "exit_code": int(done.exit_code),
    }


def move_plan(screen: Screen, planned: MovePlan) -> None:
    way = "looser" if planned.loosens else "tighter" if planned.before is not None else "the first one"
    before = price(planned.before) if planned.before is not None else "none"
    rounded = f" ({price(planned.typed)} brought to the tick)" if planned.typed != planned.price else ""
    facts: list[tuple[str, object]] = [
        ("position", f"{planned.symbol} {planned.side} {text(planned.qty)}, mark {price(planned.mark_price)}"),
        ("stop", Cell(f"{before} → {price(planned.price)}{rounded}, {way}", "bad" if planned.loosens else "")),
        ("if it fires", _money_line(planned)),
        ("plan", _steps(planned)),
    ]
    whose = f"cannot be told from ours ({planned.untold})" if planned.untold else "is not ours"
    facts += [("note", Cell(f"{describe(order)} {whose}: it stays", "warn")) for order in planned.others]
    if planned.trailing:
        facts.append(("note", Cell("the bot trails this stop: it may tighten it further by itself", "warn")))
    if not planned.managed:
        facts.append(("note", Cell("the bot does not manage this position: nothing moves its stop but you", "warn")))
    screen.facts(facts)


def _money_line(planned: MovePlan) -> str:
    after = money(planned.money_after, planned.currency, sign=True)
    if planned.money_before is None:
        return f"{after} from the mark"
    return f"{money(planned.money_before, sign=True)} → {after} from the mark"


def _steps(planned: MovePlan) -> str:
    parts = [f"place {text(planned.place_qty)} at {price(planned.price)}"] if planned.place_qty else []
    if planned.cancels:
        parts.append(f"then cancel {', '.join(order.order_id for order in planned.cancels)}")
    return ", ".join(parts)


def moved(screen: Screen, done: Moved | MovePlan) -> None:
    if isinstance(done, MovePlan):
        whose = f" ({', '.join(order.order_id for order in done.others)} is not ours)" if done.others else ""
        screen.text(f"the stop of {done.symbol} stands at {price(done.price)} already{whose}: nothing was sent", "good")
        return
    planned = done.plan
    for sentence in done.placed:
        screen.text(sentence)
    for one in done.cancelled:
        screen.text(f"{one.result}: {one.order.order_id} ({one.why})")
    if done.seen is None:
        screen.text(f"NOT VERIFIED: {planned.symbol} could not be read again", "bad")
    elif done.stands and done.covered:
        at = price(done.seen.stop_price or planned.price)
        screen.text(f"MOVED: {planned.symbol} is covered by its stop at {at}, read again at the venue", "good")
    elif not done.seen.gone:
        at = price(done.seen.stop_price) if done.seen.stop_price is not None else "-"
        screen.text(f"NOT MOVED: {planned.symbol}, stop now at {at}, {'covered' if done.covered else 'NOT covered'}",
                    "bad")  # fmt: skip
    if done.overridden:
        screen.text("OVERRIDDEN, on the record: the stop was loosened", "warn")
    if done.recorded.where != "store":
        screen.text(f"recorded in: {done.recorded.where or 'nowhere'} ({done.recorded.trouble})", "warn")
    for sentence in done.left:
        screen.text(f"left to do: {sentence}", "bad")
    if not done.covered:
        screen.command(f"tradectl stops place-missing --symbol {planned.symbol} --apply --state {planned.path}")


def moved_body(done: Moved | MovePlan) -> dict[str, object]:
    planned = done if isinstance(done, MovePlan) else done.plan
    nothing = isinstance(done, MovePlan)
    before: Decimal | None = planned.before
    return {
        "symbol": planned.symbol,
        "side": planned.side,
        "before": before,
        "price": planned.price,
        "loosened": planned.loosens,
        "sent": () if isinstance(done, MovePlan) else done.placed,
        "cancelled": () if isinstance(done, MovePlan) else done.cancelled,
        "stands": nothing or (isinstance(done, Moved) and done.stands),
        "covered": nothing or (isinstance(done, Moved) and done.covered),
        "stop_price": planned.price if isinstance(done, MovePlan) else done.seen and done.seen.stop_price,
        "overridden": isinstance(done, Moved) and done.overridden,
        "left": () if isinstance(done, MovePlan) else done.left,
        "recorded_in": "" if isinstance(done, MovePlan) else done.recorded.where,
        "exit_code": int(done.exit_code),
    }
