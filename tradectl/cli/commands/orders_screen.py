"""What `orders list` prints: the answer in one line, the venue's orders, what is strange, what is in doubt."""

from __future__ import annotations

from tradectl.cli.figures import counted, price
from tradectl.cli.render import Cell, Screen
from tradectl.domain.money import text
from tradectl.operations.order_owners import (
    ATTACHED,
    FOREIGN,
    OTHER_STORE,
    OURS,
    PROTECTIVE,
    STRAY,
    UNTOLD,
    OrderLine,
)
from tradectl.operations.orders_list import Doubt, Orders
from tradectl.operations.times import span, when

WIDE = 132  # characters that every column needs; a narrower terminal gets the ones asked for most
_TONES = {STRAY: "bad", OTHER_STORE: "bad", UNTOLD: "warn", FOREIGN: "warn"}
_NAMED = 5  # orders named in a sentence; more of them are counted


def listing(screen: Screen, found: Orders) -> None:
    screen.text(_answer(found), "bad" if found.strange or found.doubts else "")
    if found.store_trouble:
        screen.text(f"the store could not be read beside it: {found.store_trouble}", "warn")
        screen.text("  so whose they are is told by their ids alone, and what is in doubt is not known", "warn")
    for sentence in found.completed:
        screen.text(f"the venue's list was set right: {sentence}", "warn")
    if not found.asked:
        _orders(screen, found)
        _strange(screen, found)
    if found.doubts:
        _doubts(screen, found, found.doubts)


def _answer(found: Orders) -> str:
    identity = found.identity
    whose = str(identity) if identity.account else f"account unknown{identity}"
    about = f" in {found.symbol}" if found.symbol else ""
    parts = [] if found.asked else [f"{counted(found.total, 'open order')}{about}"]
    for kind, word in ((STRAY, "STRAY"), (OTHER_STORE, "of ANOTHER STORE")):
        count = sum(line.whose == kind for line in found.strange)
        if count and not found.asked:
            parts.append(f"{count} {word}")
    if found.doubts is None:
        parts.append("in doubt: NOT KNOWN")
    else:
        where = about if found.asked else ""
        parts.append(f"{len(found.doubts)} in doubt{where}" if found.doubts else f"none in doubt{where}")
    return f"{whose}: {', '.join(parts)}, venue time {when(found.at_ms)}"


def _orders(screen: Screen, found: Orders) -> None:
    if not found.orders:
        return
    if screen.width >= WIDE:
        head: tuple[str, ...] = (
            "order", "symbol", "what", "side", "size", "filled", "price", "trigger", "age", "whose", "client id",
        )  # fmt: skip
        screen.table(head, [_wide(line) for line in found.orders])
    else:
        screen.table(
            ("order", "symbol", "what", "side", "size", "at", "age", "whose"), [_narrow(line) for line in found.orders]
        )
    if found.total > len(found.orders):
        screen.text(f"{found.total - len(found.orders)} more are not shown: --limit {found.total}")


def _wide(line: OrderLine) -> tuple[object, ...]:
    return (
        line.order_id,
        line.symbol,
        line.what,
        line.side,
        "all" if line.close_position else line.qty,
        line.filled_qty,
        line.price,
        line.trigger_price,
        span(line.age_ms),
        Cell(whose(line), _TONES.get(line.whose, "")),
        line.client_id,
    )


def _narrow(line: OrderLine) -> tuple[object, ...]:
    size = "all" if line.close_position else text(line.qty)
    filled = f" ({text(line.filled_qty)} filled)" if line.filled_qty else ""
    return (
        line.order_id,
        line.symbol,
        line.what.removesuffix(" exposure"),
        line.side,
        f"{size}{filled}",
        price(line.trigger_price if line.trigger_price is not None else line.price),
        span(line.age_ms),
        Cell(whose(line), _TONES.get(line.whose, "")),
    )


def whose(line: OrderLine) -> str:
    if line.whose == OURS:
        return f"ours: #{line.intent} {line.purpose}, {line.state or 'not in the store'}"
    if line.whose == ATTACHED:
        return f"attached {line.note}"
    if line.whose == OTHER_STORE:
        return f"OTHER STORE {line.store_tag}"
    if line.whose == FOREIGN:
        return f"foreign, {line.note}" if line.note else "foreign"
    return {STRAY: "STRAY", UNTOLD: "a tradectl bot's"}[line.whose]


def _strange(screen: Screen, found: Orders) -> None:
    for line in found.strange:
        if line.whose == STRAY:
            screen.text(f"{line.order_id} is a STRAY: {line.note}", "bad")
            screen.command(f"tradectl events --symbol {line.symbol} --state {found.store}")
            if line.what == PROTECTIVE:
                screen.text("  it protects all the same: leave it while a position is open")
            else:
                screen.command(f"tradectl orders cancel {line.order_id} --state {found.store}")
    tags = {line.store_tag for line in found.strange if line.whose == OTHER_STORE}
    for tag in sorted(tag or "" for tag in tags):
        theirs = [line.order_id for line in found.strange if line.store_tag == tag]
        named = ", ".join(theirs[:_NAMED]) + (f" and {len(theirs) - _NAMED} more" if theirs[_NAMED:] else "")
        carry = "carries" if len(theirs) == 1 else "carry"
        screen.text(f"{named} {carry} the tag of another store, {tag}: A SECOND BOT MAY RUN ON THIS ACCOUNT", "bad")
        screen.text("  find it and stop it first: it would place again what is cancelled here")
    untold = [line for line in found.orders if line.whose == UNTOLD]
    if untold:
        screen.text(f"{counted(len(untold), 'order')} of a tradectl bot: which one's, only the store tells", "warn")


def _doubts(screen: Screen, found: Orders, doubts: tuple[Doubt, ...]) -> None:
    screen.blank()
    columns = ("intent", "symbol", "what", "size", "state", "since", "may arrive", "searches", "known")
    screen.table(
        columns if not found.asked else (*columns[:-1], "the venue says"),
        [_doubt(one) for one in doubts],
        title="In doubt: the venue may have them (none is sent again)",
    )
    if found.bot_alive:
        screen.text(
            "the running bot asks the venue each cycle and settles them; their symbols take no entries until then"
        )
    else:
        screen.text(
            "no bot runs: they are settled when one starts, or by tradectl killswitch activate; no entries on their"
            " symbols until then",
            "warn",
        )
    if not found.asked:
        screen.text("ask the venue about each now, changing nothing:")
        screen.command(f"tradectl orders list --unknown --state {found.store}")


def _doubt(one: Doubt) -> tuple[object, ...]:
    what = f"cancel of {one.cancels_order_id}" if one.cancels_order_id else f"{one.purpose} {one.side}"
    tone = (
        "" if one.asked is None else "bad" if one.unreachable else "good" if one.asked.startswith("FOUND") else "warn"
    )
    return (
        one.client_id,
        one.symbol,
        what,
        one.qty,
        Cell(one.state, "bad"),
        f"{when(one.since_ms)}, {span(one.age_ms)} ago",
        f"for {span(one.window_left_ms)}" if one.window_left_ms else "no more",
        one.searches,
        Cell(one.asked or one.known, tone),
    )


def body(found: Orders) -> dict[str, object]:
    return {
        "identity": found.identity,
        "store": found.store,
        "at_ms": found.at_ms,
        "symbol": found.symbol,
        "orders": () if found.asked else found.orders,
        "total": found.total,
        "strange": len(found.strange),
        "in_doubt": found.doubts,
        "asked": found.asked,
        "bot_alive": found.bot_alive,
        "completed": found.completed,
        "store_trouble": found.store_trouble,
        "exit_code": int(found.exit_code),
    }
