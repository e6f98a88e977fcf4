"""Intents: what we have decided to do at the venue, committed here before it is sent (promises 1 and 3)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradectl.domain.intent import INTENT_TRANSITIONS, ClientId, Intent, IntentDraft, IntentState, Purpose
from tradectl.domain.money import dec, text
from tradectl.domain.order import BracketLeg, OrderSide, OrderType, TriggerBy
from tradectl.domain.signal import Sized
from tradectl.errors import ToolError
from tradectl.store import encoding, journal

_ALLOWED = {(before, after): sentence for before, after, sentence in INTENT_TRANSITIONS}
_IN_DOUBT = "state IN ('recorded', 'sent', 'unknown')"
_COLUMNS = (
    "number, client_id, symbol, purpose, side, type, qty, price, trigger_price, trigger_by, reduce_only,"
    " close_position, stop_price, stop_by, target_price, target_by, cancels_order_id, reason, created_ms, expires_ms,"
    " epoch, actor, state, order_id, detail, updated_ms, searches"
)
_SELECT = f"SELECT {_COLUMNS} FROM intents"


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """What an entry was sized to: of the whole entry, over all its slices. Money in quote currency."""

    strategy: str
    confidence: Decimal
    qty: Decimal
    reference_price: Decimal
    notional: Decimal
    leverage: Decimal
    initial_margin: Decimal
    stop_price: Decimal
    target_price: Decimal | None
    risk_amount: Decimal
    equity: Decimal | None


def record(
    conn: sqlite3.Connection,
    draft: IntentDraft,
    *,
    created_ms: int,
    expires_ms: int,
    epoch: int,
    actor: str,
    equity: Decimal | None = None,
) -> Intent:
    """Records a draft as RECORDED, with its number and client id. `equity` is the account's at that moment."""
    last = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'intents'").fetchone()
    number = 1 if last is None else int(last[0]) + 1
    tag = conn.execute("SELECT store_tag FROM identity WHERE id = 1").fetchone()[0]
    intent = Intent(
        number=number,
        client_id=str(ClientId(tag, draft.purpose, number)),
        symbol=draft.symbol,
        purpose=draft.purpose,
        side=draft.side,
        type=draft.type,
        qty=draft.qty,
        price=draft.price,
        trigger_price=draft.trigger_price,
        trigger_by=draft.trigger_by,
        reduce_only=draft.reduce_only,
        close_position=draft.close_position,
        stop=draft.stop,
        target=draft.target,
        cancels_order_id=draft.cancels_order_id,
        reason=draft.reason,
        created_ms=created_ms,
        expires_ms=expires_ms,
        epoch=epoch,
        actor=actor,
        state=IntentState.RECORDED,
        updated_ms=created_ms,
    )
    plan = None if draft.sized is None else encoding.dump(_plan_body(draft.sized, equity))
    values = _values(intent)
    conn.execute(
        f"INSERT INTO intents ({_COLUMNS}, plan) VALUES ({', '.join('?' * (len(values) + 1))})", (*values, plan)
    )
    journal.append(
        conn,
        at_ms=created_ms,
        kind="intent",
        actor=actor,
        subject=intent.client_id,
        symbol=intent.symbol,
        body=_journal_body(intent),
    )
    return intent


def advance(
    conn: sqlite3.Connection,
    number: int,
    to: IntentState,
    *,
    at_ms: int,
    order_id: str | None = None,
    detail: str = "",
    actor: str | None = None,
) -> Intent:
    """Moves an intent along INTENT_TRANSITIONS and journals it; `actor` is the intent's own unless given.

    Raises ToolError on a number that is not there or a change of state that there is not.
    """
    intent = get(conn, number)
    if intent is None:
        raise ToolError(f"There is no intent {number}", hint="this is a fault in tradectl: report it")
    sentence = _ALLOWED.get((intent.state, to))
    if sentence is None:
        raise ToolError(
            f"Intent {number} cannot go from {intent.state.value} to {to.value}",
            where=intent.client_id,
            hint="this is a fault in tradectl: report it",
        )
    conn.execute(
        "UPDATE intents SET state = ?, order_id = coalesce(?, order_id), detail = ?, updated_ms = ? WHERE number = ?",
        (to.value, order_id, detail, at_ms, number),
    )
    body: dict[str, object] = {"from": intent.state.value, "to": to.value, "sentence": sentence}
    if order_id is not None:
        body["order_id"] = order_id
    if detail:
        body["detail"] = detail
    journal.append(
        conn,
        at_ms=at_ms,
        kind="outcome",
        actor=actor or intent.actor,
        subject=intent.client_id,
        symbol=intent.symbol,
        body=body,
    )
    moved = get(conn, number)
    assert moved is not None  # updated in this transaction
    return moved


def get(conn: sqlite3.Connection, number: int) -> Intent | None:
    return _one(conn.execute(f"{_SELECT} WHERE number = ?", (number,)))


def by_client_id(conn: sqlite3.Connection, client_id: str) -> Intent | None:
    return _one(conn.execute(f"{_SELECT} WHERE client_id = ?", (client_id,)))


def in_doubt(conn: sqlite3.Connection) -> tuple[Intent, ...]:
    """Every intent that the venue may or may not have, oldest first."""
    return _all(conn.execute(f"{_SELECT} WHERE {_IN_DOUBT} ORDER BY number"))


def latest(conn: sqlite3.Connection, symbol: str | None, limit: int) -> list[Intent]:
    """The last `limit` intents, newest first, of one symbol or of all."""
    if symbol is None:
        return list(_all(conn.execute(f"{_SELECT} ORDER BY number DESC LIMIT ?", (limit,))))
    return list(_all(conn.execute(f"{_SELECT} WHERE symbol = ? ORDER BY number DESC LIMIT ?", (symbol, limit))))


def note_search(conn: sqlite3.Connection, number: int) -> Intent:
    """Counts one complete search after expiry that did not find it. Raises ToolError on an unknown number."""
    conn.execute("UPDATE intents SET searches = searches + 1 WHERE number = ?", (number,))
    intent = get(conn, number)
    if intent is None:
        raise ToolError(f"There is no intent {number}", hint="this is a fault in tradectl: report it")
    return intent


def plan(conn: sqlite3.Connection, number: int) -> EntryPlan | None:
    """The exit plan and sizing of an entry; None for anything but an entry."""
    row = conn.execute("SELECT plan FROM intents WHERE number = ?", (number,)).fetchone()
    if row is None or row[0] is None:
        return None
    body = encoding.load(row[0])
    return EntryPlan(
        strategy=body["strategy"],
        confidence=dec(body["confidence"]),
        qty=dec(body["qty"]),
        reference_price=dec(body["reference_price"]),
        notional=dec(body["notional"]),
        leverage=dec(body["leverage"]),
        initial_margin=dec(body["initial_margin"]),
        stop_price=dec(body["stop_price"]),
        target_price=encoding.amount(body["target_price"]),
        risk_amount=dec(body["risk_amount"]),
        equity=encoding.amount(body["equity"]),
    )


def _plan_body(sized: Sized, equity: Decimal | None) -> dict[str, object]:
    return {
        "strategy": sized.admitted.signal.strategy,
        "confidence": text(sized.admitted.signal.confidence),
        "qty": text(sized.qty),
        "reference_price": text(sized.reference_price),
        "notional": text(sized.notional),
        "leverage": text(sized.leverage),
        "initial_margin": text(sized.initial_margin),
        "stop_price": text(sized.stop_price),
        "target_price": encoding.money(sized.target_price),
        "risk_amount": text(sized.risk_amount),
        "equity": encoding.money(equity),
    }


def _journal_body(intent: Intent) -> dict[str, object]:
    """The request, without what is empty: rows stay small."""
    body: dict[str, object] = {
        "number": intent.number,
        "purpose": intent.purpose.value,
        "side": intent.side.value,
        "type": intent.type.value,
        "reason": intent.reason,
        "epoch": intent.epoch,
        "expires_ms": intent.expires_ms,
    }
    for name, value in (
        ("qty", intent.qty),
        ("price", intent.price),
        ("trigger_price", intent.trigger_price),
        ("stop_price", intent.stop.trigger_price if intent.stop else None),
        ("target_price", intent.target.trigger_price if intent.target else None),
    ):
        if value is not None:
            body[name] = text(value)
    if intent.cancels_order_id is not None:
        body["cancels_order_id"] = intent.cancels_order_id
    if intent.close_position:
        body["close_position"] = True
    return body


def _values(intent: Intent) -> tuple[object, ...]:
    return (
        intent.number,
        intent.client_id,
        intent.symbol,
        intent.purpose.value,
        intent.side.value,
        intent.type.value,
        encoding.money(intent.qty),
        encoding.money(intent.price),
        encoding.money(intent.trigger_price),
        intent.trigger_by.value if intent.trigger_by else None,
        int(intent.reduce_only),
        int(intent.close_position),
        text(intent.stop.trigger_price) if intent.stop else None,
        intent.stop.trigger_by.value if intent.stop else None,
        text(intent.target.trigger_price) if intent.target else None,
        intent.target.trigger_by.value if intent.target else None,
        intent.cancels_order_id,
        intent.reason,
        intent.created_ms,
        intent.expires_ms,
        intent.epoch,
        intent.actor,
        intent.state.value,
        intent.order_id,
        intent.detail,
        intent.updated_ms,
        intent.searches,
    )


def _one(cursor: sqlite3.Cursor) -> Intent | None:
    rows = cursor.fetchall()
    return _intent(rows[0]) if rows else None


def _all(cursor: sqlite3.Cursor) -> tuple[Intent, ...]:
    return tuple(_intent(row) for row in cursor.fetchall())


def _leg(price: str | None, by: str | None) -> BracketLeg | None:
    return None if price is None or by is None else BracketLeg(dec(price), TriggerBy(by))


def _intent(row: tuple[Any, ...]) -> Intent:
    (number, client_id, symbol, purpose, side, kind, qty, price, trigger, by, reduce_only, close_position,
     stop_price, stop_by, target_price, target_by, cancels, reason, created_ms, expires_ms, epoch, actor, state,
     order_id, detail, updated_ms, searches) = row  # fmt: skip
    return Intent(
        number=number,
        client_id=client_id,
        symbol=symbol,
        purpose=Purpose(purpose),
        side=OrderSide(side),
        type=OrderType(kind),
        qty=encoding.amount(qty),
        price=encoding.amount(price),
        trigger_price=encoding.amount(trigger),
        trigger_by=None if by is None else TriggerBy(by),
        reduce_only=bool(reduce_only),
        close_position=bool(close_position),
        stop=_leg(stop_price, stop_by),
        target=_leg(target_price, target_by),
        cancels_order_id=cancels,
        reason=reason,
        created_ms=created_ms,
        expires_ms=expires_ms,
        epoch=epoch,
        actor=actor,
        state=IntentState(state),
        order_id=order_id,
        detail=detail,
        updated_ms=updated_ms,
        searches=searches,
    )
