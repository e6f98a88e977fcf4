"""What a world leaves behind, as something to compare: a digest for "the same run", a picture for "nothing changed"."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tradectl.domain.intent import IntentState
from tradectl.domain.money import text
from tradectl.scenarios.world import Exchange
from tradectl.sim.codec import encode
from tradectl.store import intents, ledger, positions
from tradectl.store.database import Database

PAGE = 1_000_000


def digest(store: Path, exchange: Exchange) -> str:
    """Over every event of the exchange and every intent, fill and position of the store (promise 15)."""
    sha = hashlib.sha256()
    for event in exchange.events_after(0, PAGE):
        sha.update(f"{type(event).__name__}{encode(type(event), event)}".encode())
    with Database.open(store, expect=None, readonly=True) as db, db.read() as conn:
        for intent in intents.latest(conn, None, PAGE):
            sha.update(repr((intent.client_id, intent.state.value, intent.created_ms, intent.detail)).encode())
        sha.update(repr(sorted(ledger.execution_ids(conn))).encode())
        sha.update(repr(ledger.totals(conn)).encode())
    return sha.hexdigest()


def standing(store: Path, exchange: Exchange) -> dict[str, object]:
    """What stands now, times apart."""
    with Database.open(store, expect=None, readonly=True) as db, db.read() as conn:
        return {
            "orders at the exchange": sorted(exchange.state.orders),
            # What the venue refused has changed nothing, however often it was tried.
            "intents": [
                (one.client_id, one.state.value)
                for one in intents.latest(conn, None, PAGE)
                if one.state is not IntentState.REJECTED
            ],
            "positions": [
                (one.number, one.symbol, one.state.value, text(one.entry_qty)) for one in positions.alive(conn).values()
            ],
            "fills": sorted(ledger.execution_ids(conn)),
            "totals": repr(ledger.totals(conn)),
        }


def difference(one: dict[str, object], other: dict[str, object]) -> str:
    return "; ".join(f"{name}: {one[name]} became {other[name]}" for name in one if one[name] != other[name])[:600]


def closed_trades(store: Path) -> int:
    with Database.open(store, expect=None, readonly=True) as db, db.read() as conn:
        return ledger.totals(conn).trades
