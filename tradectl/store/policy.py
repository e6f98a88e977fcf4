"""The policy as rows, one a version: set by an operator, read by the running bot (promise 11)."""

from __future__ import annotations

import sqlite3

from tradectl.domain.money import dec, text
from tradectl.domain.policy import Policy, Profile
from tradectl.domain.tags import Tag
from tradectl.store import journal, outbox

_COLUMNS = "version, name, risk_per_trade, daily_loss, leverage, confidence_floor, set_by, reason, at_ms"


def version(conn: sqlite3.Connection) -> int:
    """Of the policy in force; 0: none was set."""
    return int(conn.execute("SELECT coalesce(max(version), 0) FROM policies").fetchone()[0])


def current(conn: sqlite3.Connection) -> Policy | None:
    row = conn.execute(f"SELECT {_COLUMNS} FROM policies ORDER BY version DESC LIMIT 1").fetchone()
    return None if row is None else _policy(row)


def history(conn: sqlite3.Connection, limit: int) -> list[Policy]:
    """Newest first."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM policies ORDER BY version DESC LIMIT ?", (limit,)).fetchall()
    return [_policy(row) for row in rows]


def put(conn: sqlite3.Connection, profile: Profile, *, by: str, reason: str, at_ms: int) -> Policy:
    """The next version, journalled and published in the caller's transaction."""
    before = current(conn)
    cursor = conn.execute(
        "INSERT INTO policies (name, risk_per_trade, daily_loss, leverage, confidence_floor, set_by, reason, at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            profile.name, text(profile.max_risk_per_trade), text(profile.max_daily_loss), text(profile.max_leverage),
            text(profile.confidence_floor), by, reason, at_ms,
        ),
    )  # fmt: skip
    now = Policy(int(cursor.lastrowid or 0), profile, by, reason, at_ms)
    was = f"{before.profile.name} v{before.version}" if before is not None else "the configuration's"
    body: dict[str, object] = {"version": now.version, "before": was, "after": profile.name, "reason": reason}
    journal.append(conn, at_ms=at_ms, kind="operator", actor=by, subject="policy set", symbol="", body=body)
    outbox.put(
        conn,
        at_ms=at_ms,
        type=Tag.SAFETY_POLICY.value.lower(),
        symbol="",
        urgent=True,  # a person changed what holds: none of these is held back behind an earlier one
        text=f"policy is now {profile.name} (version {now.version}, before {was}), set by {by}: {reason}",
        context={"version": now.version, "profile": profile.name},
    )
    return now


def _policy(row: tuple[int, str, str, str, str, str, str, str, int]) -> Policy:
    profile = Profile(row[1], dec(row[2]), dec(row[3]), dec(row[4]), dec(row[5]))
    return Policy(row[0], profile, row[6], row[7], row[8])
