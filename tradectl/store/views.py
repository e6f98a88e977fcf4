"""The account as the bot last observed it, for `state show` where no venue can be read. Never used to decide."""

from __future__ import annotations

import sqlite3
from typing import Any

from tradectl.domain.money import dec, text
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType, TriggerBy
from tradectl.domain.position import PositionFact
from tradectl.domain.snapshot import Account, Snapshot
from tradectl.store import encoding


def save_account(conn: sqlite3.Connection, snapshot: Snapshot) -> None:
    account = snapshot.account
    body = {
        "account": [
            account.currency,
            text(account.wallet_balance),
            text(account.unrealised),
            text(account.initial_margin),
            text(account.maintenance_margin),
            text(account.available),
        ],
        "event_seq": snapshot.event_seq,
        "orders": [_order_body(order) for order in snapshot.orders],
        "positions": [_position_body(position) for position in snapshot.positions],
    }
    conn.execute(
        "INSERT INTO account_view (id, at_ms, body) VALUES (1, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body",
        (snapshot.at_ms, encoding.dump(body)),
    )


def load_account(conn: sqlite3.Connection) -> Snapshot | None:
    """The last observation, with its own time; None before the first."""
    row = conn.execute("SELECT at_ms, body FROM account_view WHERE id = 1").fetchone()
    if row is None:
        return None
    body = encoding.load(row[1])
    currency, *amounts = body["account"]
    return Snapshot(
        at_ms=row[0],
        account=Account(currency, *(dec(amount) for amount in amounts)),
        positions=tuple(_position(item) for item in body["positions"]),
        orders=tuple(_order(item) for item in body["orders"]),
        event_seq=body["event_seq"],
    )


def _position_body(position: PositionFact) -> list[object]:
    return [
        position.symbol,
        text(position.qty),
        text(position.entry_price),
        text(position.mark_price),
        text(position.unrealised),
        text(position.initial_margin),
        text(position.maintenance_margin),
        text(position.leverage),
        position.margin_mode,
        encoding.money(position.liquidation_price),
        position.updated_ms,
    ]


def _position(row: list[Any]) -> PositionFact:
    return PositionFact(
        symbol=row[0],
        qty=dec(row[1]),
        entry_price=dec(row[2]),
        mark_price=dec(row[3]),
        unrealised=dec(row[4]),
        initial_margin=dec(row[5]),
        maintenance_margin=dec(row[6]),
        leverage=dec(row[7]),
        margin_mode=row[8],
        liquidation_price=encoding.amount(row[9]),
        updated_ms=row[10],
    )


def _order_body(order: OrderFact) -> list[object]:
    return [
        order.order_id,
        order.client_id,
        order.symbol,
        order.side.value,
        order.type.value,
        order.status.value,
        text(order.qty),
        text(order.filled_qty),
        encoding.money(order.average_price),
        order.created_ms,
        order.updated_ms,
        encoding.money(order.price),
        encoding.money(order.trigger_price),
        None if order.trigger_by is None else order.trigger_by.value,
        order.reduce_only,
        order.close_position,
        order.parent_id,
        order.reason,
    ]


def _order(row: list[Any]) -> OrderFact:
    return OrderFact(
        order_id=row[0],
        client_id=row[1],
        symbol=row[2],
        side=OrderSide(row[3]),
        type=OrderType(row[4]),
        status=OrderStatus(row[5]),
        qty=dec(row[6]),
        filled_qty=dec(row[7]),
        average_price=encoding.amount(row[8]),
        created_ms=row[9],
        updated_ms=row[10],
        price=encoding.amount(row[11]),
        trigger_price=encoding.amount(row[12]),
        trigger_by=None if row[13] is None else TriggerBy(row[13]),
        reduce_only=row[14],
        close_position=row[15],
        parent_id=row[16],
        reason=row[17],
    )
