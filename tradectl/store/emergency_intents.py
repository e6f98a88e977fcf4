"""What the emergency journal says was sent becomes intents, so that its outcome is known or asked for like any other.

Their numbers are below zero, apart from those that the store gives. A request of which no outcome was recorded is
UNKNOWN: it was about to leave, and nobody wrote down what became of it (promises 1 and 3).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from tradectl.domain.intent import ClientId, Intent, IntentState, Purpose
from tradectl.domain.money import dec
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType, TriggerBy
from tradectl.domain.system_state import Latch, LatchName
from tradectl.domain.tags import Tag
from tradectl.store import intent_rows, intents, latches, outbox

_TYPES = {Purpose.STOP: OrderType.STOP_MARKET}


def take_in(conn: sqlite3.Connection, entry: Mapping[str, Any]) -> None:
    """One record of the journal, in the caller's transaction. Records that tell of no request are passed over."""
    body = entry["body"]
    parsed = ClientId.parse(body.get("client_id"))
    if parsed is None or not {"step", "created_ms", "expires_ms"} <= body.keys():
        return
    intent = intents.by_client_id(conn, str(parsed)) or _begin(conn, parsed, entry)
    if intent.state is not IntentState.UNKNOWN:
        return
    at_ms = int(body["created_ms"])
    detail = str(body.get("detail", ""))
    if body["step"] == "confirmed":
        order = _order(intent, body, at_ms)
        intents.advance(
            conn, intent.number, IntentState.CONFIRMED, at_ms=at_ms, order=order, order_id=intent.cancels_order_id,
            detail=detail,
        )  # fmt: skip
    elif body["step"] == "rejected":
        intents.advance(conn, intent.number, IntentState.NOT_PLACED, at_ms=at_ms, detail=detail)


def block_what_is_open(conn: sqlite3.Connection, wall_ms: int) -> None:
    """Symbols of requests that are still in doubt take no entries until the venue has shown what became of them."""
    for intent in intents.in_doubt(conn):
        if intent.number < 0:
            reason = f"outcome of emergency {intent.purpose.value} {intent.client_id} is unknown"
            if latches.get(conn, LatchName.UNKNOWN_ORDER, intent.symbol) is None:
                outbox.put(
                    conn,
                    at_ms=intent.created_ms,
                    type=Tag.SAFETY_UNKNOWN_ORDER.value.lower(),
                    symbol=intent.symbol,
                    urgent=False,
                    text=reason,
                    context={"symbol": intent.symbol, "client_id": intent.client_id},
                )
            latches.set_latch(conn, Latch(LatchName.UNKNOWN_ORDER, intent.symbol, intent.actor, wall_ms, reason))


def _begin(conn: sqlite3.Connection, client_id: ClientId, entry: Mapping[str, Any]) -> Intent:
    body = entry["body"]
    lowest = conn.execute("SELECT coalesce(min(number), 0) FROM intents").fetchone()[0]
    purpose = client_id.purpose
    trigger = body.get("trigger_price")
    intent = Intent(
        number=min(int(lowest), 0) - 1,
        client_id=str(client_id),
        symbol=entry["symbol"],
        purpose=purpose,
        side=OrderSide(body.get("side", OrderSide.SELL.value)),
        type=_TYPES.get(purpose, OrderType.MARKET),
        qty=dec(body["qty"]) if "qty" in body else None,
        price=None,
        trigger_price=dec(trigger) if trigger is not None else None,
        trigger_by=TriggerBy(body["trigger_by"]) if "trigger_by" in body else None,
        reduce_only=True,
        close_position=False,
        stop=None,
        target=None,
        cancels_order_id=body.get("cancels"),
        reason=str(body.get("detail", "")),
        created_ms=int(body["created_ms"]),
        expires_ms=int(body["expires_ms"]),
        epoch=0,
        actor=entry["actor"],
        state=IntentState.UNKNOWN,
        detail="sent while the store could not be written",
        updated_ms=int(body["created_ms"]),
    )
    values = (*intent_rows.values(intent), None)
    marks = ", ".join("?" * len(values))
    conn.execute(f"INSERT INTO intents ({intent_rows.COLUMNS}, plan) VALUES ({marks})", values)
    return intent


def _order(intent: Intent, body: Mapping[str, Any], at_ms: int) -> OrderFact | None:
    """What the venue said of the order; None for a cancel, whose order is another."""
    if intent.purpose is Purpose.CANCEL or "order_id" not in body:
        return None
    return OrderFact(
        order_id=str(body["order_id"]),
        client_id=intent.client_id,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.type,
        status=OrderStatus(body.get("status", OrderStatus.NEW.value)),
        qty=intent.qty if intent.qty is not None else dec(0),
        filled_qty=dec(body.get("filled", "0")),
        average_price=None,
        created_ms=at_ms,
        updated_ms=at_ms,
    )
