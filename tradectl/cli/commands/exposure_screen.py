"""What `exposure` prints: the line, the table, then what the numbers mean and what is not in them."""

from __future__ import annotations

from decimal import Decimal

from tradectl.cli.figures import counted, money, price, share
from tradectl.cli.render import Cell, Screen, plain
from tradectl.domain.money import text
from tradectl.operations.exposure import AtRisk, CouldAdd, Exposure
from tradectl.operations.killswitch_check import ways_out
from tradectl.operations.times import when

WIDE = 116  # characters that every column needs; a narrower terminal gets the ones asked for most
_LISTED = 20  # orders that could add, in the table; more of them are counted


def draw(screen: Screen, found: Exposure) -> None:
    identity = found.identity
    screen.text(line(found), "bad" if found.uncovered else "")
    whose = str(identity) if identity.account else f"account unknown{identity}"
    screen.text(f"{whose}: equity {money(found.equity, found.currency)}, venue time {when(found.at_ms)}")
    if found.store_trouble:
        screen.text(f"the store could not be read beside it: {found.store_trouble}", "warn")
    for sentence in found.completed:
        screen.text(f"the venue's list was set right: {sentence}", "warn")
    if found.positions:
        _table(screen, found)
        _meaning(screen, found)
    _could_add(screen, found)


def line(found: Exposure) -> str:
    """All of it in one line."""
    if not found.positions:
        parts = ["nothing is open", f"margin {_part(found.margin_share)} of equity"]
    else:
        times = f" ({found.notional_share:.2f} × equity)" if found.notional_share is not None else ""
        parts = [
            counted(len(found.positions), "position"),
            f"notional {money(found.notional, found.currency)}{times}",
            f"margin {_part(found.margin_share)} of equity",
        ]
        if any(one.line.stop_money is not None for one in found.positions):
            worst = f"{money(found.worst_from_mark, found.currency)} ({_part(found.worst_from_mark_share)})"
            parts.append(f"if every stop fills {worst}")
        if not found.bounded:
            naked = ", ".join(f"{one.symbol} {text(one.uncovered_qty)}" for one in found.uncovered)
            parts.append(f"NO STOP ON {naked} ({money(found.uncovered_notional, found.currency)}): NO BOUND THERE")
        near = found.nearest_liquidation
        if near is None or near.liquidation_distance is None:
            parts.append("no liquidation price")
        else:
            parts.append(f"nearest liquidation {near.symbol} {share(near.liquidation_distance)} away")
    if found.could_add:
        more = "" if all(one.notional is not None for one in found.could_add) else " or more"
        could = money(found.could_add_notional, found.currency)
        parts.append(f"{counted(len(found.could_add), 'order')} could add {could}{more}")
    return ", ".join(parts)


def _part(fraction: Decimal | None) -> str:
    return "unknown, equity is not positive" if fraction is None else share(fraction)


def _table(screen: Screen, found: Exposure) -> None:
    if screen.width >= WIDE:
        screen.table(
            (
                "symbol", "side", "size", "notional", "× equity", "margin", "stop", "at stop", "of equity", "no stop",
                "liquidation", "away",
            ),
            [_wide(one) for one in found.positions],
        )  # fmt: skip
        return
    screen.table(
        ("symbol", "side", "size", "notional", "× equity", "at stop", "of equity", "no stop", "liq. away"),
        [_narrow(one) for one in found.positions],
    )


def _wide(one: AtRisk) -> tuple[object, ...]:
    held = one.line
    return (
        held.symbol,
        held.side,
        held.qty,
        money(held.notional),
        _times(one),
        money(held.margin),
        price(held.stop_price),
        *_at_stop(one),
        price(held.liquidation_price),
        _away(one),
    )


def _narrow(one: AtRisk) -> tuple[object, ...]:
    held = one.line
    return held.symbol, held.side, held.qty, money(held.notional), _times(one), *_at_stop(one), _away(one)


def _times(one: AtRisk) -> str | None:
    return None if one.notional_share is None else f"{one.notional_share:.2f}"


def _at_stop(one: AtRisk) -> tuple[object, object, object]:
    held = one.line
    lost = None if held.stop_money is None else money(held.stop_money)
    part = None if one.loss_share is None else share(one.loss_share, 2)
    return lost, part, Cell(held.uncovered_qty, "bad") if held.uncovered_qty else None


def _away(one: AtRisk) -> str | None:
    return None if one.line.liquidation_distance is None else share(one.line.liquidation_distance)


def _meaning(screen: Screen, found: Exposure) -> None:
    currency = found.currency
    if any(one.line.stop_money is not None for one in found.positions):
        covered = "" if found.bounded else " on what they cover"
        mark, entry = (money(worst, currency, sign=True) for worst in (found.worst_from_mark, found.worst_from_entry))
        screen.text(
            f"if every stop fills at its price{covered}: {mark} from the mark, {entry} from the entry prices; fees and"
            " slippage come on top"
        )
    for held in found.uncovered:
        some = "all of it" if held.uncovered_qty == held.qty else f"{text(held.uncovered_qty)} of {text(held.qty)}"
        why = f"; {held.stops_why}" if held.stops_why else ""
        screen.text(f"{held.symbol}: no stop on {some}, its loss has no bound{why}", "bad")
        for command in ways_out(held.symbol, found.store):
            screen.command(command)
    for one in found.positions:
        if one.line.dust:
            screen.text(f"{one.line.symbol}: dust, below the venue's smallest order", "warn")


def _could_add(screen: Screen, found: Exposure) -> None:
    if not found.doubts_known:
        screen.text("entries in doubt are not known without the store: they could add to this", "warn")
    if not found.could_add:
        return
    screen.table(
        ("could add", "symbol", "side", "size", "notional", "where it stands"),
        [_adding(one) for one in found.could_add[:_LISTED]],
    )
    if len(found.could_add) > _LISTED:
        screen.text(f"and {len(found.could_add) - _LISTED} more: tradectl orders list --state {found.store}")


def _adding(one: CouldAdd) -> tuple[object, ...]:
    notional = None if one.notional is None else money(one.notional)
    where = Cell("in doubt: the venue may have it", "warn") if one.in_doubt else "rests at the venue"
    return one.name, one.symbol, one.side, one.qty, notional, where


def body(found: Exposure) -> dict[str, object]:
    near = found.nearest_liquidation
    return {
        "line": line(found),
        "identity": found.identity,
        "store": found.store,
        "at_ms": found.at_ms,
        "currency": found.currency,
        "equity": found.equity,
        "notional": found.notional,
        "notional_share": found.notional_share,
        "margin": found.margin,
        "margin_share": found.margin_share,
        "worst_from_mark": found.worst_from_mark,
        "worst_from_mark_share": found.worst_from_mark_share,
        "worst_from_entry": found.worst_from_entry,
        "worst_from_entry_share": found.worst_from_entry_share,
        "bounded": found.bounded,
        "uncovered_notional": found.uncovered_notional,
        "nearest_liquidation": None
        if near is None
        else {"symbol": near.symbol, "price": near.liquidation_price, "distance": near.liquidation_distance},
        "positions": [_position_body(one) for one in found.positions],
        "could_add": found.could_add,
        "could_add_notional": found.could_add_notional,
        "doubts_known": found.doubts_known,
        "completed": found.completed,
        "store_trouble": found.store_trouble,
    }


def _position_body(one: AtRisk) -> dict[str, object]:
    held: dict[str, object] = plain(one.line)
    shares = {"notional_share": one.notional_share, "margin_share": one.margin_share, "loss_share": one.loss_share}
    return {**held, **shares, "uncovered_notional": one.uncovered_notional}
