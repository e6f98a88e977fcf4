"""A store as the first schema had it: made anew with rows in every table, or brought down from one of today's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tradectl.store import chain, identity, journal, lease, migrations
from tradectl.store.identity import Identity
from tradectl.store.lease import Holder

FIRST = migrations.MIGRATIONS[0]
STAMP = Identity("main", "sim", "paper", "abc123", "USDT", None)
PURPOSES = ("entry", "stop", "tp1", "tp2", "exit", "close", "cancel")
STATES = ("recorded", "sent", "confirmed", "rejected", "unknown", "not_placed")
Dump = dict[str, list[dict[str, object]]]

_INTENT = (
    "INSERT INTO intents (client_id, symbol, purpose, side, type, qty, price, trigger_price, trigger_by, reduce_only,"
    " close_position, stop_price, stop_by, target_price, target_by, cancels_order_id, reason, plan, created_ms,"
    " expires_ms, epoch, actor, state, order_id, detail, updated_ms, searches)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TYPES = {"stop": "stop_market", "tp1": "limit", "tp2": "take_profit_market"}
_FILLS = (  # execution, seq, client id, symbol, side, qty, realised, trade; oldest first
    ("x1", 1, "tdc.abc123.en.1", "XUSDT", "buy", "1", "0", 1),
    ("x2", 2, "tdc.abc123.ex.5", "XUSDT", "sell", "1", "0.5", 1),
    ("z9", 3, "tdc.abc123.en.7", "XUSDT", "buy", "1", "0", 2),
    ("a0", 4, "tdc.abc123.en.8", "XUSDT", "buy", "0.5", "0", 2),  # its name sorts before that of the first one
    ("x5", 5, None, "YUSDT", "sell", "2", "0", 3),
    ("x6", 6, "tdc.abc123.en.9", "YUSDT", "sell", "1", "0", 3),
    ("x7", 7, "web-1", "ZUSDT", "buy", "1", "0", 4),
    ("x8", 8, "web-2", "ZUSDT", "sell", "3", "-1.25", 4),  # past flat: it closes 4 and opens 5
    ("x9", 9, "tdc.abc123.st.10", "ZUSDT", "buy", "1", "0.1", 5),
)
_OPEN = (  # number, symbol, side, opened at, quantity, of the entry
    (2, "XUSDT", "long", 30, "1.5", "1.5"),
    (3, "YUSDT", "short", 50, "-3", "3"),
    (5, "ZUSDT", "short", 80, "-1", "2"),
)
_CLOSED = ((1, "XUSDT", 10, 20), (4, "ZUSDT", 70, 80))
OPENERS = {2: "tdc.abc123.en.7", 3: None, 5: "web-2"}


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as SQLite has it, without any of our code."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        yield conn


def create(path: Path, stamp: Identity = STAMP, at_ms: int = 7) -> Path:
    path.touch(0o600)
    with raw(path) as conn:
        conn.execute("BEGIN")
        migrations.apply(conn, FIRST, at_ms)
        identity.stamp(conn, stamp, at_ms)
        conn.execute("INSERT INTO journal_head (id, seq, hash) VALUES (1, 0, ?)", (chain.GENESIS,))
        conn.execute("INSERT INTO ledger VALUES (1, 0, '0', '0', '0', 0, 0)")
        conn.execute("INSERT INTO progress VALUES (1, 0, 0, 0)")
        conn.execute("COMMIT")
    return path


def create_full(path: Path) -> Path:
    """With rows in every table, and gaps at the ends of those that number their rows."""
    create(path)
    with raw(path) as conn:
        conn.execute("BEGIN")
        _intents(conn)
        _books(conn)
        _state(conn)
        for table, number in (("intents", "number"), ("sessions", "number"), ("decisions", "id"), ("outbox", "id")):
            conn.execute(f"DELETE FROM {table} WHERE {number} = (SELECT max({number}) FROM {table})")
        conn.execute("COMMIT")
    return path


def _intents(conn: sqlite3.Connection) -> None:
    for purpose in PURPOSES:
        for state in STATES:
            number = 1 + int(conn.execute("SELECT count(*) FROM intents").fetchone()[0])
            entry, cancel = purpose == "entry", purpose == "cancel"
            whole = purpose == "stop" and state == "sent"
            kind = _TYPES.get(purpose, "market")
            bracket = ("90.5", "LastPrice", "120", "MarkPrice") if entry else (None,) * 4
            conn.execute(
                _INTENT,
                (
                    f"tdc.abc123.{purpose}.{number}", "XUSDT", purpose, "buy" if entry else "sell", kind,
                    None if cancel or whole else "1.50", "101" if kind == "limit" else None,
                    "90" if kind == "stop_market" else None, "IndexPrice" if kind == "stop_market" else None,
                    int(not entry and not cancel and not whole), int(whole), *bracket, f"o{number}" if cancel else None,
                    f"{purpose} {state} é", '{"qty":"1.50"}' if entry else None, number * 10, number * 10 + 5_000,
                    number % 3, "ann" if purpose == "close" else "bot", state,
                    f"o{number}" if state == "confirmed" else None, "a word" * (state == "unknown"), number * 11,
                    2 if state == "not_placed" else 0,
                ),
            )  # fmt: skip
            body = {"number": number, "purpose": purpose}
            journal.append(conn, at_ms=number * 10, kind="intent", actor="bot", subject=f"i{number}", body=body)


def _books(conn: sqlite3.Connection) -> None:
    for execution, seq, client_id, symbol, side, qty, realised, trade in _FILLS:
        conn.execute(
            "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, '100', '0.01', ?, 0, ?, 'entry', ?, ?)",
            (
                execution, seq, f"o{seq}", client_id, "o1" if seq == 2 else None, symbol, side, qty, seq * 10,
                "liquidation" if seq == 8 else "trade", realised, trade,
            ),
        )  # fmt: skip
    conn.execute("INSERT INTO funding VALUES ('f1', 20, 'XUSDT', '0.0001', '-0.02', 95, 2)")
    conn.execute("INSERT INTO funding VALUES ('f2', 21, 'QUSDT', '0.0001', '0.01', 96, NULL)")
    conn.execute("INSERT INTO transfers VALUES ('t1', 22, '250.50', 97)")
    for number, symbol, side, opened_ms, qty, entry in _OPEN:
        conn.execute(
            "INSERT INTO open_trades VALUES (?, ?, ?, ?, ?, ?, ?, '200', '0', '0', '0', '0.02', '-0.02', ?, ?, NULL,"
            " '15', '1000', ?, 12)",
            (number, symbol, side, opened_ms, qty, qty + "00", entry, entry, "90.5", 99 if number == 5 else None),
        )
    for number, symbol, opened_ms, closed_ms in _CLOSED:
        conn.execute(
            "INSERT INTO trades VALUES (?, ?, 'long', ?, ?, '1', '100', '100.5', '0.5', '0.02', '0', '0.48', 'exit',"
            " NULL, '1000', 0)",
            (number, symbol, opened_ms, closed_ms),
        )
    conn.execute("UPDATE ledger SET cursor = 22, gross = '-0.65', fees = '0.09', funding = '-0.01', fills = 9,"
                 " trades = 2")  # fmt: skip


def _state(conn: sqlite3.Connection) -> None:
    lease.acquire(conn, Holder(1, "elsewhere", "boot", "77"), 40)
    for name, scope in (("pause", ""), ("unknown_order", "XUSDT"), ("reconcile", "YUSDT")):
        chain.set_latch(conn, name, scope, "ann", 50, 'a "reason"\nof two lines')
    conn.execute("INSERT INTO risk VALUES (1, '2025-10-10', '1000.1', 1, '-3', '1200', '990', 60, 2, 4, 1)")
    conn.execute("UPDATE progress SET cycle = 31, venue_ms = 61, wall_ms = 62")
    conn.execute("INSERT INTO processed VALUES ('XUSDT', 60), ('YUSDT', 61)")
    for number in (1, 2, 3):
        ended = (70 + number, "stopped") if number != 2 else (None, "")
        conn.execute("INSERT INTO sessions VALUES (NULL, 'paper', 'digest', 63, 64, ?, ?, ?)", (number, *ended))
        conn.execute(
            "INSERT INTO decisions VALUES (NULL, 'XUSDT', 'refused', 'fresh', 30, 60, 61, ?, 1, 0, '{}')", (number,)
        )
        conn.execute(
            "INSERT INTO outbox VALUES (NULL, ?, 'fill', 'XUSDT', 0, 'a text', '{}', ?)",
            (60 + number, 90 if number == 1 else None),
        )
    conn.execute("INSERT INTO decision_counts VALUES (0, 'XUSDT', 'fresh', 6)")
    conn.execute("INSERT INTO limits VALUES ('drawdown', 1, '0.1', '0.2', '0.1', 'fraction', 'an operator', 60)")
    body = '{"account":["USDT","1000","0","0","0","1000"],"event_seq":22,"orders":[],"positions":[]}'
    conn.execute("INSERT INTO account_view VALUES (1, 60, ?)", (body,))


def bring_down(path: Path) -> None:
    """Makes of a store of today the one that an older tradectl would have left: same rows, without what it knew not."""
    older = path.with_name("older.db")
    with raw(older) as conn:
        conn.execute("BEGIN")
        migrations.apply(conn, FIRST, 7)
        conn.execute("DELETE FROM migrations")
        conn.execute("COMMIT")
        conn.execute("ATTACH ? AS now", (str(path),))
        for table in [*tables(conn), "sqlite_sequence"]:
            names = ", ".join(row[1] for row in conn.execute(f"PRAGMA main.table_info({table})"))
            conn.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM now.{table}")
        conn.execute("DELETE FROM main.migrations WHERE version > 1")
        conn.execute("DELETE FROM main.sqlite_sequence WHERE name NOT IN (SELECT name FROM main.sqlite_master)")
    older.chmod(0o600)
    older.replace(path)


def tables(conn: sqlite3.Connection) -> list[str]:
    rows = conn.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return sorted(row[0] for row in rows.fetchall())


def dump(path: Path) -> Dump:
    """Every row of every table, and what numbers were given out."""
    with raw(path) as conn:
        conn.row_factory = sqlite3.Row
        found = {name: [dict(row) for row in conn.execute(f"SELECT * FROM {name}")] for name in tables(conn)}
        found["sqlite_sequence"] = [dict(row) for row in conn.execute("SELECT * FROM sqlite_sequence ORDER BY name")]
        return found
