"""Go-live checks on record: what lets a live_limited session begin, and go on trading after a restart."""

from __future__ import annotations

import sqlite3

from tradectl.domain.limited import NO_PREFLIGHT, Preflight
from tradectl.store import journal


def put(conn: sqlite3.Connection, done: Preflight, *, by: str) -> None:
    """Journalled in the caller's transaction."""
    conn.execute(
        "INSERT INTO preflights (at_ms, config_digest, result, sentence) VALUES (?, ?, ?, ?)",
        (done.at_ms, done.config_digest, done.result, done.sentence),
    )
    body: dict[str, object] = {"result": done.result, "config": done.config_digest, "sentence": done.sentence}
    journal.append(conn, at_ms=done.at_ms, kind="operator", actor=by, subject="preflight", symbol="", body=body)


def last(conn: sqlite3.Connection) -> Preflight | None:
    row = conn.execute(
        "SELECT at_ms, config_digest, result, sentence FROM preflights ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Preflight(*row)


def refusal(conn: sqlite3.Connection, config_digest: str, now_ms: int) -> str:
    """Why the newest one does not let live_limited trade now; '' when it does."""
    done = last(conn)
    return NO_PREFLIGHT if done is None else done.refusal(config_digest, now_ms)
