"""An intent as a row of its table, there and back."""

from __future__ import annotations

import sqlite3
from typing import Any

from tradectl.domain.intent import Intent, IntentState, Purpose
from tradectl.domain.money import dec, text
from tradectl.domain.order import BracketLeg, OrderSide, OrderStatus, OrderType, TriggerBy
from tradectl.store import encoding

COLUMNS = (
    "number, client_id, symbol, purpose, side, type, qty, price, trigger_price, trigger_by, reduce_only,"
    " close_position, stop_price, stop_by, target_price, target_by, cancels_order_id, reason, created_ms, expires_ms,"
    " epoch, actor, state, order_id, detail, updated_ms, searches, ended, filled"
)
SELECT = f"SELECT {COLUMNS} FROM intents"


def values(intent: Intent) -> tuple[object, ...]:
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
        intent.ended.value if intent.ended else None,
        encoding.money(intent.filled),
    )


def one(cursor: sqlite3.Cursor) -> Intent | None:
    rows = cursor.fetchall()
    return _intent(rows[0]) if rows else None


def all_of(cursor: sqlite3.Cursor) -> tuple[Intent, ...]:
    return tuple(_intent(row) for row in cursor.fetchall())


def _leg(price: str | None, by: str | None) -> BracketLeg | None:
    return None if price is None or by is None else BracketLeg(dec(price), TriggerBy(by))


def _intent(row: tuple[Any, ...]) -> Intent:
    (number, client_id, symbol, purpose, side, kind, qty, price, trigger, by, reduce_only, close_position,
     stop_price, stop_by, target_price, target_by, cancels, reason, created_ms, expires_ms, epoch, actor, state,
     order_id, detail, updated_ms, searches, ended, filled) = row  # fmt: skip
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
        ended=None if ended is None else OrderStatus(ended),
        filled=encoding.amount(filled),
    )
