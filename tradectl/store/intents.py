"""Intents: what we have decided to do at the venue, committed here before it is sent (promises 1 and 3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.intent import INTENT_TRANSITIONS, ClientId, Intent, IntentDraft, IntentState, Purpose
from tradectl.domain.money import dec, text
from tradectl.domain.order import OrderFact
from tradectl.domain.signal import Sized
from tradectl.errors import ToolError
from tradectl.store import encoding, intent_rows, journal, positions
from tradectl.store.intent_rows import SELECT as _SELECT

_ALLOWED = {(before, after): sentence for before, after, sentence in INTENT_TRANSITIONS}
LOST = "two complete searches do not find it any more, and no list has it: it has ended"
SEARCHES_LOST = 2  # that did not find a confirmed order: so many tell an order lost from one seen to have ended
_IN_DOUBT = "state IN ('recorded', 'sent', 'unknown')"


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """What an entry was sized to: of the whole entry, over all its slices. Money in quote currency."""

    strategy: str
    candle_open_ms: int | None  # of the candle that it acts upon; None in what an older tradectl recorded
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
    values = (*intent_rows.values(intent), plan)
    marks = ", ".join("?" * len(values))
    conn.execute(f"INSERT INTO intents ({intent_rows.COLUMNS}, plan) VALUES ({marks})", values)
    journal.append(
        conn,
        at_ms=created_ms,
        kind="intent",
        actor=actor,
        subject=intent.client_id,
        symbol=intent.symbol,
        body=_journal_body(intent),
    )
    positions.recorded(conn, intent, draft.sized)
    return intent


def advance(
    conn: sqlite3.Connection,
    number: int,
    to: IntentState,
    *,
    at_ms: int,
    order: OrderFact | None = None,
    order_id: str | None = None,
    detail: str = "",
    actor: str | None = None,
) -> Intent:
    """Moves an intent along INTENT_TRANSITIONS and journals it; `actor` is the intent's own unless given.

    order: what the venue says of it; of a cancel, `order_id` alone names what was cancelled.
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
    if order is not None:
        order_id = order.order_id
    conn.execute(
        "UPDATE intents SET state = ?, order_id = coalesce(?, order_id), detail = ?, updated_ms = ? WHERE number = ?",
        (to.value, order_id, detail, at_ms, number),
    )
    if order is not None:
        if intent.purpose is Purpose.CANCEL:
            note_order(conn, order, at_ms)  # of the order that it cancelled
        elif intent.purpose is not Purpose.AMEND:
            _note(conn, number, order)
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
    if not to.in_doubt:
        positions.settled(conn, intent.symbol, at_ms)
    moved = get(conn, number)
    assert moved is not None  # updated in this transaction
    return moved


def note_order(conn: sqlite3.Connection, order: OrderFact, at_ms: int) -> None:
    """What the venue says now of an order of ours: how much it has filled, and how it ended if it has."""
    row = conn.execute(
        "SELECT number FROM intents WHERE order_id = ? AND purpose NOT IN ('cancel', 'amend') AND ended IS NULL",
        (order.order_id,),
    ).fetchone()
    if row is not None:
        _note(conn, row[0], order)
        positions.settled(conn, order.symbol, at_ms)


def note_lost(conn: sqlite3.Connection, order_id: str, at_ms: int) -> None:
    """The venue tells nothing of a standing order of ours any more: it has ended, and its fills are the ledger's."""
    intent = by_order_id(conn, order_id)
    if intent is None or intent.ended is not None:
        return
    filled = positions.booked(conn, intent.client_id)
    conn.execute(
        "UPDATE intents SET ended = 'canceled', filled = ?, searches = max(searches, ?) WHERE number = ?",
        (text(filled), SEARCHES_LOST, intent.number),
    )
    body = {"sentence": LOST, "ended": "canceled", "filled": text(filled)}
    subject = f"order:{order_id}"
    journal.append(conn, at_ms=at_ms, kind="state", actor="bot", subject=subject, symbol=intent.symbol, body=body)
    positions.settled(conn, intent.symbol, at_ms)


def _note(conn: sqlite3.Connection, number: int, order: OrderFact) -> None:
    ended = None if order.status.open else order.status.value
    conn.execute("UPDATE intents SET ended = ?, filled = ? WHERE number = ?", (ended, text(order.filled_qty), number))


def standing(conn: sqlite3.Connection) -> tuple[Intent, ...]:
    """Every intent whose order the venue has confirmed and, as far as we know, still has open; oldest first."""
    return intent_rows.all_of(
        conn.execute(
            f"{_SELECT} WHERE state = 'confirmed' AND ended IS NULL AND purpose NOT IN ('cancel', 'amend')"
            " ORDER BY number"
        )
    )


def ended(conn: sqlite3.Connection, order_ids: Sequence[str]) -> frozenset[str]:
    """Those of these orders that are ours and known to have ended; one that was only lost from sight is not."""
    marks = ", ".join("?" * len(order_ids))
    rows = conn.execute(
        f"SELECT order_id FROM intents WHERE order_id IN ({marks}) AND ended IS NOT NULL"
        " AND (searches < ? OR ended <> 'canceled') AND purpose NOT IN ('cancel', 'amend')",
        (*order_ids, SEARCHES_LOST),
    ).fetchall()
    return frozenset(row[0] for row in rows)


def known_orders(conn: sqlite3.Connection, order_ids: Sequence[str]) -> frozenset[str]:
    """Those of these orders that an intent of ours placed."""
    marks = ", ".join("?" * len(order_ids))
    rows = conn.execute(f"SELECT order_id FROM intents WHERE order_id IN ({marks})", tuple(order_ids)).fetchall()
    return frozenset(row[0] for row in rows)


def states(conn: sqlite3.Connection, client_ids: Sequence[str]) -> dict[str, IntentState]:
    """{client id: state} of those that this store knows."""
    marks = ", ".join("?" * len(client_ids))
    rows = conn.execute(f"SELECT client_id, state FROM intents WHERE client_id IN ({marks})", tuple(client_ids))
    return {client_id: IntentState(state) for client_id, state in rows.fetchall()}


def newest_stop(conn: sqlite3.Connection, symbol: str) -> int:
    """The number of the symbol's newest stop; 0 before the first."""
    row = conn.execute(
        "SELECT max(number) FROM intents WHERE symbol = ? AND purpose = 'stop' AND number > 0", (symbol,)
    ).fetchone()
    return int(row[0] or 0)


def last_order_ms(conn: sqlite3.Connection, symbol: str) -> int | None:
    """When the symbol's last order was decided, cancels apart; venue's clock."""
    row = conn.execute(
        "SELECT created_ms FROM intents WHERE symbol = ? AND purpose <> 'cancel' ORDER BY number DESC LIMIT 1",
        (symbol,),
    ).fetchone()
    return None if row is None else int(row[0])


def by_order_id(conn: sqlite3.Connection, order_id: str) -> Intent | None:
    """The intent that an order came from; cancels and amendments of it are not meant."""
    return intent_rows.one(
        conn.execute(f"{_SELECT} WHERE order_id = ? AND purpose NOT IN ('cancel', 'amend')", (order_id,))
    )


def keep_clear_of(conn: sqlite3.Connection, number: int) -> bool:
    """Numbers up to this one are taken at the venue, by an older copy of this store: new ones begin after it."""
    row = conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'intents'").fetchone()
    if row is not None and int(row[0]) >= number:
        return False
    if row is None:
        conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('intents', ?)", (number,))
    else:
        conn.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'intents'", (number,))
    return True


def get(conn: sqlite3.Connection, number: int) -> Intent | None:
    return intent_rows.one(conn.execute(f"{_SELECT} WHERE number = ?", (number,)))


def by_client_id(conn: sqlite3.Connection, client_id: str) -> Intent | None:
    return intent_rows.one(conn.execute(f"{_SELECT} WHERE client_id = ?", (client_id,)))


def cancels_of(conn: sqlite3.Connection, order_id: str) -> tuple[Intent, ...]:
    """Every cancel that was meant for this order, oldest first."""
    return intent_rows.all_of(
        conn.execute(f"{_SELECT} WHERE cancels_order_id = ? AND purpose = 'cancel' ORDER BY number", (order_id,))
    )


def amends_of(conn: sqlite3.Connection, order_id: str) -> tuple[Intent, ...]:
    """Every amendment that was meant for this order, oldest first."""
    return intent_rows.all_of(
        conn.execute(f"{_SELECT} WHERE cancels_order_id = ? AND purpose = 'amend' ORDER BY number", (order_id,))
    )


def in_doubt(conn: sqlite3.Connection) -> tuple[Intent, ...]:
    """Every intent that the venue may or may not have, oldest first."""
    return intent_rows.all_of(conn.execute(f"{_SELECT} WHERE {_IN_DOUBT} ORDER BY number"))


def latest(conn: sqlite3.Connection, symbol: str | None, limit: int) -> list[Intent]:
    """The last `limit` intents, newest first, of one symbol or of all."""
    if symbol is None:
        return list(intent_rows.all_of(conn.execute(f"{_SELECT} ORDER BY number DESC LIMIT ?", (limit,))))
    return list(
        intent_rows.all_of(conn.execute(f"{_SELECT} WHERE symbol = ? ORDER BY number DESC LIMIT ?", (symbol, limit)))
    )


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
        candle_open_ms=body.get("candle_open_ms"),
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
        "candle_open_ms": sized.admitted.signal.candle_open_ms,
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
