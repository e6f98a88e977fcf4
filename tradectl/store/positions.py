"""Positions of ours as rows: their state, plan and targets, moved along the table of domain/lifecycle.py.

Each change commits with its cause: what an intent does to a position happens in the transaction that records or
settles the intent (`recorded`, `settled`), what a fill does in the one that books it (`filled`, `flat`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tradectl.domain import lifecycle
from tradectl.domain.intent import Intent, Purpose
from tradectl.domain.lifecycle import Managed, Origin, PositionEvent, PositionState, Target
from tradectl.domain.money import ZERO, dec, text
from tradectl.domain.position import Side
from tradectl.domain.signal import Sized
from tradectl.errors import ToolError
from tradectl.store import encoding, journal

_COLUMNS = (
    "number, symbol, side, state, origin, entry_key, first_intent, trade_number, opened_ms, entry_qty, stop_price,"
    " break_even, trailing"
)
_ALIVE = f"SELECT {_COLUMNS} FROM positions WHERE state <> 'closed'"


def alive(conn: sqlite3.Connection) -> dict[str, Managed]:
    """{symbol: its position} of all that are not closed, oldest first."""
    rows = conn.execute(f"{_ALIVE} ORDER BY number").fetchall()
    if not rows:
        return {}
    targets: dict[int, list[Target]] = {}
    for number, name, price, fraction, filled_qty in conn.execute(
        "SELECT position, name, price, fraction, filled FROM targets WHERE position >= ? ORDER BY position, name",
        (rows[0][0],),
    ).fetchall():
        targets.setdefault(number, []).append(Target(name, dec(price), dec(fraction), filled=dec(filled_qty)))
    return {row[1]: _managed(row, targets.get(row[0], [])) for row in rows}


def of(conn: sqlite3.Connection, symbol: str) -> Managed | None:
    """The position of one symbol that is not closed."""
    row = conn.execute(f"{_ALIVE} AND symbol = ?", (symbol,)).fetchone()
    if row is None:
        return None
    targets = conn.execute(
        "SELECT name, price, fraction, filled FROM targets WHERE position = ? ORDER BY name", (row[0],)
    ).fetchall()
    return _managed(
        row, [Target(name, dec(price), dec(share), filled=dec(done)) for name, price, share, done in targets]
    )


def flights(conn: sqlite3.Connection) -> list[tuple[str, str, Decimal]]:
    """(symbol, client id, signed quantity) of entries that may bring more than the books have of them."""
    rows = conn.execute(
        "SELECT i.symbol, i.client_id, i.side, i.qty, i.state, i.ended, i.filled FROM intents i"
        " JOIN positions p ON p.symbol = i.symbol AND p.state <> 'closed' AND i.number >= p.first_intent"
        " WHERE i.purpose = 'entry' AND i.state NOT IN ('rejected', 'not_placed') ORDER BY i.number"
    ).fetchall()
    found = []
    for symbol, client_id, side, qty, state, ended, done in rows:
        over = state == "confirmed" and ended is not None
        expected = (dec(done) if done is not None else ZERO) if over else dec(qty)
        left = expected - booked(conn, client_id)
        if left > 0:
            found.append((symbol, client_id, left if side == "buy" else -left))
    return found


def flying(conn: sqlite3.Connection) -> dict[str, Decimal]:
    """{symbol: signed quantity} that entries in flight may bring yet."""
    found: dict[str, Decimal] = {}
    for symbol, _, qty in flights(conn):
        found[symbol] = found.get(symbol, ZERO) + qty
    return found


def recorded(conn: sqlite3.Connection, intent: Intent, sized: Sized | None) -> None:
    """What a recorded intent does to its symbol's position. Raises ToolError on an entry beside another position."""
    now = of(conn, intent.symbol)
    if intent.purpose is Purpose.ENTRY:
        assert sized is not None, "an entry is drafted from a Sized and nothing else"
        if now is None:
            _begin(conn, intent, sized)
        else:
            _move(conn, now, PositionEvent.ENTRY_RECORDED, intent.created_ms)
    elif intent.purpose in (Purpose.EXIT, Purpose.CLOSE) and now is not None:
        if now.state in (PositionState.OPEN, PositionState.CLOSING):
            _move(conn, now, PositionEvent.EXIT_SENT, intent.created_ms)


def settled(conn: sqlite3.Connection, symbol: str, at_ms: int) -> None:
    """Once no entry of a pending position, or no exit of a closing one, can come to anything any more, it says so."""
    now = of(conn, symbol)
    if now is None:
        return
    if now.state is PositionState.PENDING:
        orders = _orders(conn, now.symbol, ("entry",), since=now.first_intent or 0)
        if not any(order.may_fill for order in orders):
            filled_something = any(order.filled for order in orders)
            _move(conn, now, PositionEvent.ABSORBED if filled_something else PositionEvent.ENTRY_FAILED, at_ms)
    elif now.state is PositionState.CLOSING:
        orders = _orders(conn, now.symbol, ("exit", "close"), opened_ms=now.opened_ms)
        if not any(order.may_fill for order in orders):
            _move(conn, now, PositionEvent.EXIT_ENDED, at_ms)


def settle_all(conn: sqlite3.Connection, at_ms: int) -> None:
    """`settled` for every position that waits for its orders."""
    for (symbol,) in conn.execute("SELECT symbol FROM positions WHERE state IN ('pending', 'closing')").fetchall():
        settled(conn, symbol, at_ms)


def filled(
    conn: sqlite3.Connection, symbol: str, trade_number: int, qty: Decimal, at_ms: int, *, seen: bool = False
) -> None:
    """An entry of ours has filled `qty` more. seen: the venue shows the quantity, its fills are still to come."""
    now = of(conn, symbol)
    if now is None:
        raise ToolError(f"{symbol} has filled and has no position", hint="this is a fault in tradectl: report it")
    if now.state is PositionState.PENDING:
        _move(conn, now, PositionEvent.QUANTITY_SEEN if seen else PositionEvent.FILLED, at_ms)
        conn.execute("UPDATE positions SET trade_number = ? WHERE number = ?", (trade_number, now.number))
    conn.execute("UPDATE positions SET entry_qty = ? WHERE number = ?", (text(now.entry_qty + qty), now.number))


def taken_back(conn: sqlite3.Connection, position: Managed, qty: Decimal) -> None:
    """So much of what its entry was taken to have filled has not filled."""
    left = max(position.entry_qty - qty, ZERO)
    conn.execute("UPDATE positions SET entry_qty = ? WHERE number = ?", (text(left), position.number))


def take_over(
    conn: sqlite3.Connection,
    symbol: str,
    side: Side,
    origin: Origin,
    *,
    trade_number: int | None,
    entry_qty: Decimal,
    stop_price: Decimal | None,
    at_ms: int,
    targets: Sequence[Target] = (),
) -> Managed:
    """A position that is there already becomes ours to manage."""
    state, sentence = lifecycle.advance(None, PositionEvent.TAKEN_OVER)
    number = _insert(conn, symbol, side, state, origin, "", None, trade_number, at_ms, entry_qty, stop_price, targets)
    _say(conn, symbol, number, None, state, sentence, at_ms)
    made = of(conn, symbol)
    assert made is not None
    return made


def adopt(conn: sqlite3.Connection, position: Managed) -> None:
    """An operator has it managed, whichever way it came here; his record is in the journal."""
    conn.execute("UPDATE positions SET origin = ? WHERE number = ?", (Origin.ADOPTED.value, position.number))


def close(conn: sqlite3.Connection, symbol: str, at_ms: int) -> None:
    """Ledger and venue are flat, and the position here is not: it is closed too."""
    now = of(conn, symbol)
    if now is not None and now.state in (PositionState.OPEN, PositionState.CLOSING):
        _move(conn, now, PositionEvent.FLAT, at_ms)


def flat(conn: sqlite3.Connection, symbol: str, at_ms: int) -> None:
    """Its closing fills are in the ledger. A position that nobody manages has nothing to close."""
    now = of(conn, symbol)
    if now is not None and now.state is not PositionState.PENDING:
        _move(conn, now, PositionEvent.FLAT, at_ms)


def target_filled(conn: sqlite3.Connection, symbol: str, name: str, qty: Decimal) -> None:
    now = of(conn, symbol)
    if now is None:
        return
    for target in now.targets:
        if target.name == name:
            conn.execute(
                "UPDATE targets SET filled = ? WHERE position = ? AND name = ?",
                (text(target.filled + qty), now.number, name),
            )


def set_stop(
    conn: sqlite3.Connection,
    position: Managed,
    price: Decimal,
    *,
    why: str,
    actor: str,
    at_ms: int,
    break_even: bool = False,
    trailing: bool = False,
) -> None:
    """Where its stop belongs from now on. The caller has seen that it may be moved there."""
    conn.execute(
        "UPDATE positions SET stop_price = ?, break_even = max(break_even, ?), trailing = max(trailing, ?),"
        " changed_ms = ? WHERE number = ? AND state <> 'closed'",
        (text(price), int(break_even), int(trailing), at_ms, position.number),
    )
    body: dict[str, object] = {
        "position": position.number,
        "stop": text(price),
        "was": encoding.money(position.stop_price),
        "reason": why,
    }
    journal.append(
        conn, at_ms=at_ms, kind="state", actor=actor, subject=f"stop:{position.symbol}", symbol=position.symbol,
        body=body,
    )  # fmt: skip


def _begin(conn: sqlite3.Connection, intent: Intent, sized: Sized) -> None:
    state, sentence = lifecycle.advance(None, PositionEvent.ENTRY_RECORDED)
    number = _insert(
        conn, intent.symbol, sized.side, state, Origin.ENTRY, entry_key(sized), intent.number, None,
        intent.created_ms, ZERO, sized.stop_price, sized.planned_targets,
    )  # fmt: skip
    _say(conn, intent.symbol, number, None, state, sentence, intent.created_ms)


def entry_over(conn: sqlite3.Connection, symbol: str, key: str) -> bool:
    """Whether what this entry had opened is closed, or an exit of it has been sent: no slice of it follows that."""
    row = conn.execute(
        "SELECT 1 FROM positions p WHERE p.symbol = ? AND p.entry_key = ? AND CASE p.state"
        " WHEN 'closed' THEN p.trade_number IS NOT NULL"
        " ELSE EXISTS (SELECT 1 FROM intents i WHERE i.symbol = p.symbol AND i.number > p.first_intent"
        " AND i.purpose IN ('exit', 'close') AND i.state NOT IN ('rejected', 'not_placed')) END LIMIT 1",
        (symbol, key),
    ).fetchone()
    return row is not None


def entry_key(sized: Sized) -> str:
    """Which signal an entry acts upon: every slice of one entry has the same."""
    signal = sized.admitted.signal
    return f"{signal.strategy}:{signal.side.value}:{signal.candle_open_ms}"


class _Order(NamedTuple):
    """What an order of ours has come to. `may_fill`: it may fill yet, or has and its fills are not all booked."""

    may_fill: bool
    filled: Decimal


def _orders(
    conn: sqlite3.Connection, symbol: str, purposes: tuple[str, ...], *, since: int = 0, opened_ms: int = 0
) -> list[_Order]:
    marks = ", ".join("?" * len(purposes))
    rows = conn.execute(
        f"SELECT client_id, state, ended, filled FROM intents WHERE symbol = ? AND purpose IN ({marks})"
        " AND number >= ? AND created_ms >= ? AND state NOT IN ('rejected', 'not_placed')",
        (symbol, *purposes, since, opened_ms),
    ).fetchall()
    return [_order(conn, *row) for row in rows]


def _order(conn: sqlite3.Connection, client_id: str, state: str, ended: str | None, done: str | None) -> _Order:
    if state != "confirmed" or ended is None:
        return _Order(True, ZERO)
    expected = dec(done) if done is not None else ZERO
    return _Order(booked(conn, client_id) < expected, expected)


def booked(conn: sqlite3.Connection, client_id: str) -> Decimal:
    """What the ledger has of an order, fills that stand in included."""
    rows = conn.execute("SELECT qty FROM fills WHERE client_id = ?", (client_id,)).fetchall()
    return sum((dec(qty) for (qty,) in rows), ZERO)


def _move(conn: sqlite3.Connection, now: Managed, on: PositionEvent, at_ms: int) -> None:
    try:
        state, sentence = lifecycle.advance(now.state, on)
    except ValueError as error:
        raise ToolError(
            f"Position {now.number} ({now.symbol}): {error}", hint="this is a fault in tradectl: report it"
        ) from error
    if state is now.state:
        return
    conn.execute("UPDATE positions SET state = ?, changed_ms = ? WHERE number = ?", (state.value, at_ms, now.number))
    _say(conn, now.symbol, now.number, now.state, state, sentence, at_ms)


def _say(
    conn: sqlite3.Connection,
    symbol: str,
    number: int,
    before: PositionState | None,
    after: PositionState,
    sentence: str,
    at_ms: int,
) -> None:
    journal.append(
        conn,
        at_ms=at_ms,
        kind="state",
        actor="bot",
        subject=f"position:{symbol}",
        symbol=symbol,
        body={
            "position": number,
            "from": before.value if before else None,
            "to": after.value,
            "sentence": sentence,
        },
    )


def _insert(
    conn: sqlite3.Connection,
    symbol: str,
    side: Side,
    state: PositionState,
    origin: Origin,
    key: str,
    first_intent: int | None,
    trade_number: int | None,
    at_ms: int,
    entry_qty: Decimal,
    stop_price: Decimal | None,
    targets: Sequence[Target],
) -> int:
    cursor = conn.execute(
        "INSERT INTO positions (symbol, side, state, origin, entry_key, first_intent, trade_number, opened_ms,"
        " changed_ms, entry_qty, stop_price, break_even, trailing) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)",
        (
            symbol, side.value, state.value, origin.value, key, first_intent, trade_number, at_ms, at_ms,
            text(entry_qty), encoding.money(stop_price),
        ),
    )  # fmt: skip
    number = int(cursor.lastrowid or 0)
    conn.executemany(
        "INSERT INTO targets (position, name, price, fraction, filled) VALUES (?, ?, ?, ?, '0')",
        [(number, target.name, text(target.price), text(target.fraction)) for target in targets],
    )
    return number


def _managed(row: tuple[Any, ...], targets: Sequence[Target]) -> Managed:
    return Managed(
        number=row[0],
        symbol=row[1],
        side=Side(row[2]),
        state=PositionState(row[3]),
        origin=Origin(row[4]),
        entry_key=row[5],
        first_intent=row[6],
        trade_number=row[7],
        opened_ms=row[8],
        entry_qty=dec(row[9]),
        stop_price=encoding.amount(row[10]),
        break_even=bool(row[11]),
        trailing=bool(row[12]),
        targets=tuple(targets),
    )
