"""What a run leaves behind, as rows to compare bit for bit: the store's tables and the exchange's own history.

Left out is what promise 15 leaves out: process ids, leases with their epochs, wall times. The chain of the journal
follows from its rows, so it is compared through them.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from books import exchange_of

from tradectl.store.database import Database
from tradectl.store.verify import verify

BAR_MS = 300_000
A_TIME_MS = 10**12  # whole numbers beyond it are instants

Rows = list[tuple[object, ...]]

LEDGER = ("ledger", "fills", "funding", "trades", "open_trades", "risk", "processed")
EVERYTHING = (
    *LEDGER,
    "intents",
    "positions",
    "targets",
    "seen_orders",
    "decisions",
    "decision_counts",
    "limits",
    "latches",
    "outbox",
    "progress",
    "journal",
)
NOT_COMPARED: dict[str, set[str]] = {
    "intents": {"epoch"},
    "latches": {"set_at_ms"},
    "progress": {"wall_ms", "summary"},
    "journal": {"seq", "prev_hash", "hash", "body"},  # the body is shown without its epoch
    "outbox": {"delivered_ms"},
}


def store_tables(store: Path, tables: tuple[str, ...]) -> dict[str, Rows]:
    """{table: rows in the order of their keys}."""
    found: dict[str, Rows] = {}
    with Database.open(store, expect=None, readonly=True) as db, db.read() as conn:
        for table in tables:
            columns = [str(row[1]) for row in conn.execute(f"PRAGMA table_info({table})")]
            kept = [name for name in columns if name not in NOT_COMPARED.get(table, ())]
            # leases and sessions begin and end with processes; their rows are the only ones a restart adds
            apart = " WHERE kind <> 'session' AND subject <> 'lease'" if table == "journal" else ""
            order = "seq" if table == "journal" else "1"
            kept += ["json_remove(body, '$.epoch')"] if table == "journal" else []
            query = f"SELECT {', '.join(kept)} FROM {table}{apart} ORDER BY {order}"
            found[table] = conn.execute(query).fetchall()
    return found


def money(store: Path) -> dict[str, Rows]:
    """The ledger's tables without numbers: an attempt that never left took one of ours, and a stop that a start-up put
    in order took some of the exchange's.

    Times are compared by the bar: a start that finds an order in doubt waits until it can no longer arrive.
    """
    tables = store_tables(store, LEDGER)
    order = sorted(
        range(len(tables["fills"])), key=lambda place: int(str(tables["fills"][place][1]))
    )  # by the exchange's number
    tables["fills"] = [tables["fills"][place][5:] for place in order]
    tables["ledger"] = [(*row[:1], *row[2:]) for row in tables["ledger"]]  # all but the cursor
    return {table: [tuple(_by_bar(value) for value in row) for row in rows] for table, rows in tables.items()}


def _by_bar(value: object) -> object:
    return value - value % BAR_MS if isinstance(value, int) and value > A_TIME_MS else value


def exchange_history(store: Path) -> Rows:
    """Every event of the exchange and every order that ended there."""
    conn = sqlite3.connect(f"{exchange_of(store).resolve().as_uri()}?mode=ro", uri=True)
    try:
        events = conn.execute("SELECT seq, kind, body FROM event ORDER BY seq").fetchall()
        orders = conn.execute("SELECT order_id, client_id, ended_seq, body FROM closed_order ORDER BY 1").fetchall()
        return [*events, *orders]
    finally:
        conn.close()


def whole(store: Path) -> dict[str, Rows]:
    """Everything that the same seed must leave again, both files."""
    return {**store_tables(store, EVERYTHING), "exchange": exchange_history(store)}


def differences(one: dict[str, Rows], other: dict[str, Rows]) -> list[str]:
    """Each table that differs, with its first differing row on both sides."""
    found = []
    for table in one.keys() | other.keys():
        ours, theirs = one.get(table, []), other.get(table, [])
        if ours == theirs:
            continue
        place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
        if place is None:
            place = min(len(ours), len(theirs))
        found.append(
            f"{table}: {len(ours)} rows against {len(theirs)}; row {place}: "
            f"{ours[place : place + 1]} against {theirs[place : place + 1]}"
        )
    return sorted(found)


def sound(store: Path) -> None:
    """SQLite's own checks and the journal's chain."""
    report = verify(store)
    assert report.ok, report
