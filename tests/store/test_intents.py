"""Intents: numbered, findable by client id, moved only along the table of transitions (promises 1 and 3)."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from store_kit import entry, sized

from tradectl.domain.intent import (
    INTENT_TRANSITIONS,
    ClientId,
    IntentState,
    Purpose,
    cancel_draft,
    exit_draft,
    stop_draft,
)
from tradectl.domain.order import OrderSide, TriggerBy
from tradectl.domain.position import Side
from tradectl.errors import ToolError
from tradectl.store import intents, journal
from tradectl.store.database import Database

PATHS: dict[IntentState, tuple[IntentState, ...]] = {
    IntentState.RECORDED: (),
    IntentState.SENT: (IntentState.SENT,),
    IntentState.CONFIRMED: (IntentState.SENT, IntentState.CONFIRMED),
    IntentState.REJECTED: (IntentState.SENT, IntentState.REJECTED),
    IntentState.UNKNOWN: (IntentState.UNKNOWN,),
    IntentState.NOT_PLACED: (IntentState.NOT_PLACED,),
}


def record(db: Database, draft=None, **changes):
    facts: dict[str, Any] = {"created_ms": 10, "expires_ms": 5_010, "epoch": 1, "actor": "bot"} | changes
    with db.transaction() as conn:
        return intents.record(conn, draft or entry(), **facts)


@pytest.mark.parametrize(
    "draft",
    [
        entry(),
        entry(Side.SHORT),
        stop_draft("BTCUSDT", Side.LONG, Decimal("0.50"), Decimal("59000.5"), TriggerBy.MARK, "missing"),
        exit_draft("BTCUSDT", Side.SHORT, Decimal("0.1"), "reverse cross"),
        cancel_draft("BTCUSDT", OrderSide.SELL, "o-7", "sweep"),
    ],
)
def test_what_is_read_back_is_what_was_recorded(db: Database, draft) -> None:
    intent = record(db, draft)
    assert intents.get(db.conn, intent.number) == intent
    assert intents.by_client_id(db.conn, intent.client_id) == intent
    assert intent.state is IntentState.RECORDED
    assert ClientId.parse(intent.client_id) == ClientId("a1b2c3", draft.purpose, intent.number)
    for name in ("symbol", "purpose", "side", "type", "qty", "stop", "target", "trigger_price", "cancels_order_id"):
        assert getattr(intent, name) == getattr(draft, name)
    assert (intent.created_ms, intent.expires_ms, intent.epoch, intent.actor) == (10, 5_010, 1, "bot")
    row = journal.latest(db.conn, 1, kind="intent")[0]
    assert (row.kind, row.subject, row.body["number"]) == ("intent", intent.client_id, intent.number)


def test_numbers_are_never_used_again(db: Database) -> None:
    assert [record(db).number, record(db).number] == [1, 2]
    with pytest.raises(RuntimeError), db.transaction() as conn:
        assert intents.record(conn, entry(), created_ms=1, expires_ms=2, epoch=1, actor="bot").number == 3
        raise RuntimeError
    db.conn.execute("DELETE FROM intents")
    assert record(db).number == 3


@pytest.mark.parametrize(("before", "after"), list(product(IntentState, IntentState)))
def test_every_pair_of_states_is_allowed_only_by_the_table(
    db: Database, before: IntentState, after: IntentState
) -> None:
    number = record(db).number
    with db.transaction() as conn:
        for step in PATHS[before]:
            intents.advance(conn, number, step, at_ms=20)
    sentences = {(one, other): sentence for one, other, sentence in INTENT_TRANSITIONS}
    rows = journal.head(db.conn)[0]
    if (before, after) in sentences:
        with db.transaction() as conn:
            moved = intents.advance(conn, number, after, at_ms=30, order_id="o-1", detail="as the venue says")
        assert (moved.state, moved.updated_ms, moved.order_id) == (after, 30, "o-1")
        assert moved.detail == "as the venue says"
        body = journal.latest(db.conn, 1, kind="outcome")[0].body
        assert body["sentence"] == sentences[before, after]
        assert (body["from"], body["to"]) == (before.value, after.value)
    else:
        with pytest.raises(ToolError, match="cannot go"), db.transaction() as conn:
            intents.advance(conn, number, after, at_ms=30)
        assert journal.head(db.conn)[0] == rows
        found = intents.get(db.conn, number)
        assert found is not None
        assert found.state is before


def test_order_id_once_known_is_kept(db: Database) -> None:
    number = record(db).number
    with db.transaction() as conn:
        intents.advance(conn, number, IntentState.SENT, at_ms=20, order_id="o-9")
        intents.advance(conn, number, IntentState.CONFIRMED, at_ms=21)
    found = intents.get(db.conn, number)
    assert found is not None
    assert found.order_id == "o-9"


def test_what_is_in_doubt_follows_the_state(db: Database) -> None:
    first, second = record(db), record(db, exit_draft("BTCUSDT", Side.LONG, Decimal(1), "x"))
    assert [intent.number for intent in intents.in_doubt(db.conn)] == [1, 2]
    with db.transaction() as conn:
        intents.advance(conn, first.number, IntentState.NOT_PLACED, at_ms=1)
        intents.advance(conn, second.number, IntentState.UNKNOWN, at_ms=1)
        assert [intents.note_search(conn, second.number).searches for _ in range(2)] == [1, 2]
    assert [intent.state for intent in intents.in_doubt(db.conn)] == [IntentState.UNKNOWN]
    assert [intent.number for intent in intents.latest(db.conn, None, 5)] == [2, 1]
    assert [intent.number for intent in intents.latest(db.conn, "BTCUSDT", 1)] == [2]
    assert intents.latest(db.conn, "ETHUSDT", 5) == []


def test_plan_of_an_entry_is_kept(db: Database) -> None:
    number = record(db, equity=Decimal("2500.50")).number
    plan = intents.plan(db.conn, number)
    assert plan is not None
    source = sized()
    assert (plan.stop_price, plan.target_price) == (source.stop_price, source.target_price)
    assert (plan.risk_amount, plan.notional, plan.qty) == (source.risk_amount, source.notional, source.qty)
    assert (plan.equity, plan.strategy) == (Decimal("2500.5"), "ma_cross")
    other = record(db, exit_draft("BTCUSDT", Side.LONG, Decimal(1), "x")).number
    assert intents.plan(db.conn, other) is None


def test_unknown_number_is_a_fault_of_ours(db: Database) -> None:
    with pytest.raises(ToolError), db.transaction() as conn:
        intents.advance(conn, 99, IntentState.SENT, at_ms=1)
    with pytest.raises(ToolError), db.transaction() as conn:
        intents.note_search(conn, 99)


def test_every_state_and_purpose_is_known_to_the_schema(db: Database) -> None:
    (ddl,) = db.conn.execute("SELECT sql FROM sqlite_master WHERE name = 'intents'").fetchone()
    for value in (*IntentState, *Purpose):
        assert f"'{value.value}'" in ddl
