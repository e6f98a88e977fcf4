"""What was sent beside the store becomes intents when it is imported, each once, with its outcome or in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_kit import create, entry

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.order import OrderStatus
from tradectl.domain.system_state import LatchName
from tradectl.store import emergency, intents, journal, latches
from tradectl.store.database import Database

STOP, CANCEL = "tdc.a1b2c3.st.e1", "tdc.a1b2c3.ca.e2"


def record(db: Database, step: str, client_id: str = STOP, **more: object) -> None:
    body = {"step": step, "client_id": client_id, "created_ms": 10, "expires_ms": 5_010, "detail": "by hand", **more}
    emergency.record(db.path, at_ms=1, kind="emergency", actor="ann", symbol="BTCUSDT", body=body)


def absorb(db: Database) -> None:
    with db.transaction() as conn:
        absorbed = emergency.absorb(conn, db.path, at_ms=9)
    assert emergency.clear(db.path, absorbed) == ""


STOPPED = {"side": "sell", "qty": "2", "trigger_price": "99", "trigger_by": "LastPrice"}


@pytest.mark.parametrize(
    ("steps", "state", "ended"),
    [
        (["recorded"], IntentState.UNKNOWN, None),
        (["recorded", "unknown"], IntentState.UNKNOWN, None),
        (["recorded", "rejected"], IntentState.NOT_PLACED, None),
        (["recorded", "confirmed"], IntentState.CONFIRMED, None),
        (["recorded", "filled"], IntentState.CONFIRMED, OrderStatus.FILLED),
    ],
)
def test_a_request_has_the_outcome_that_was_recorded_and_is_in_doubt_without_one(
    tmp_path: Path, steps: list[str], state: IntentState, ended: OrderStatus | None
) -> None:
    with create(tmp_path) as db:
        for step in steps:
            said = {"order_id": "o7", "status": "new", "filled": "0"} if step in ("confirmed", "filled") else {}
            if step == "filled":
                step, said["status"], said["filled"] = "confirmed", "filled", "2"
            record(db, step, **STOPPED, **said)
        absorb(db)
        intent = intents.by_client_id(db.conn, STOP)
        assert intent is not None and intent.number == -1
        assert (intent.state, intent.ended, intent.purpose) == (state, ended, Purpose.STOP)
        assert (intent.created_ms, intent.expires_ms, intent.actor) == (10, 5_010, "ann")
        blocked = latches.get(db.conn, LatchName.UNKNOWN_ORDER, "BTCUSDT") is not None
        assert blocked is (state is IntentState.UNKNOWN)
        assert journal.verify(db.conn).ok


def test_its_numbers_stay_apart_from_the_stores_own(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        record(db, "recorded", **STOPPED)
        record(db, "recorded", CANCEL, cancels="o3")
        absorb(db)
        with db.transaction() as conn:
            own = intents.record(conn, entry(), created_ms=20, expires_ms=30, epoch=1, actor="bot")
        assert own.number == 1
        cancel = intents.by_client_id(db.conn, CANCEL)
        assert cancel is not None and (cancel.number, cancel.cancels_order_id) == (-2, "o3")


def test_an_outcome_that_comes_with_a_later_import_settles_it(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        record(db, "recorded", **STOPPED)
        absorb(db)
        record(db, "confirmed", **STOPPED, order_id="o7", status="new", filled="0")
        absorb(db)
        intent = intents.by_client_id(db.conn, STOP)
        assert intent is not None and (intent.state, intent.order_id) == (IntentState.CONFIRMED, "o7")
        assert [one.order_id for one in intents.standing(db.conn)] == ["o7"]


def test_imported_twice_it_is_there_once(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        record(db, "recorded", **STOPPED)
        for _ in range(2):
            with db.transaction() as conn:
                emergency.absorb(conn, db.path, at_ms=9)
        assert len(intents.in_doubt(db.conn)) == 1
