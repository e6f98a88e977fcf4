"""What the safety machine keeps: the emergency stop, its own recoveries, the wallet that moves are held against."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.emergency_stop import Emergency, EssState
from tradectl.domain.money import ZERO, dec, text
from tradectl.domain.seen_time import SeenTime
from tradectl.store import journal


@dataclass(frozen=True, slots=True)
class Baseline:
    """The wallet when books and venue last agreed, and the last account event that it includes."""

    wallet: Decimal
    seq: int


def ess(conn: sqlite3.Connection) -> Emergency:
    row = conn.execute(
        "SELECT state, evaluator, evidence, since_ms, by, errors, aborted, cooled_ms, venue_ms, wall_ms"
        " FROM ess WHERE id = 1"
    ).fetchone()
    return Emergency(EssState(row[0]), *row[1:])


def save_ess(conn: sqlite3.Connection, now: Emergency) -> None:
    conn.execute(
        "UPDATE ess SET state = ?, evaluator = ?, evidence = ?, since_ms = ?, by = ?, errors = ?, aborted = ?,"
        " cooled_ms = ?, venue_ms = ?, wall_ms = ? WHERE id = 1",
        (
            now.state.value, now.evaluator, now.evidence, now.since_ms, now.by, now.errors, now.aborted, now.cooled_ms,
            now.venue_ms, now.wall_ms,
        ),
    )  # fmt: skip


def count_error(conn: sqlite3.Connection) -> None:
    """One more order-changing call in a row that was refused, or whose outcome is unknown."""
    conn.execute("UPDATE ess SET errors = errors + 1 WHERE id = 1")


def count_aborted(conn: sqlite3.Connection) -> None:
    """One more cycle in a row that could not be completed."""
    conn.execute("UPDATE ess SET aborted = aborted + 1 WHERE id = 1")


def forget_aborted(conn: sqlite3.Connection) -> None:
    """A cycle was completed."""
    conn.execute("UPDATE ess SET aborted = 0 WHERE id = 1 AND aborted > 0")


def forget_errors(conn: sqlite3.Connection) -> None:
    """An order-changing call succeeded."""
    conn.execute("UPDATE ess SET errors = 0 WHERE id = 1 AND errors > 0")


def say_ess(conn: sqlite3.Connection, before: EssState, now: Emergency, at_ms: int, *, reason: str) -> None:
    """Puts a change of state on record."""
    body: dict[str, object] = {
        "from": before.value,
        "to": now.state.value,
        "evaluator": now.evaluator,
        "evidence": now.evidence,
        "reason": reason,
    }
    journal.append(conn, at_ms=at_ms, kind="state", actor=now.by, subject="ess", symbol="", body=body)


def recoveries(conn: sqlite3.Connection, since_ms: int) -> tuple[int, ...]:
    """When a halt cleared itself, in time seen to pass."""
    rows = conn.execute("SELECT seen_ms FROM recoveries WHERE seen_ms > ? ORDER BY number", (since_ms,)).fetchall()
    return tuple(row[0] for row in rows)


def add_recovery(conn: sqlite3.Connection, at_ms: int, seen_ms: int, halts: str) -> None:
    """at_ms: wall clock."""
    conn.execute("INSERT INTO recoveries (at_ms, seen_ms, halts) VALUES (?, ?, ?)", (at_ms, seen_ms, halts))


def seen_time(conn: sqlite3.Connection) -> SeenTime:
    return SeenTime(
        *conn.execute("SELECT total_ms, venue_ms, wall_ms, halted_ms FROM seen_time WHERE id = 1").fetchone()
    )


def save_seen_time(conn: sqlite3.Connection, now: SeenTime) -> None:
    """As a completed cycle leaves it: a halt that is newer than the last one counts from here."""
    halted_ms = now.total_ms if now.halted_ms is None else now.halted_ms
    conn.execute(
        "UPDATE seen_time SET total_ms = ?, venue_ms = ?, wall_ms = ?, halted_ms = ? WHERE id = 1",
        (now.total_ms, now.venue_ms, now.wall_ms, halted_ms),
    )


def note_halt(conn: sqlite3.Connection) -> None:
    """A halt of the bot's own is set: how long it has stood is counted anew."""
    conn.execute("UPDATE seen_time SET halted_ms = NULL WHERE id = 1")


def baseline(conn: sqlite3.Connection) -> Baseline | None:
    row = conn.execute("SELECT wallet, seq FROM baseline WHERE id = 1").fetchone()
    return None if row is None else Baseline(dec(row[0]), row[1])


def set_baseline(conn: sqlite3.Connection, now: Baseline | None) -> None:
    """None: the next look begins anew."""
    conn.execute("DELETE FROM baseline")
    if now is not None:
        conn.execute("INSERT INTO baseline VALUES (1, ?, ?)", (text(now.wallet), now.seq))


def cash_between(conn: sqlite3.Connection, after_seq: int, to_seq: int) -> Decimal:
    """What the account events of that range moved the wallet by: realised less fees, funding, transfers."""
    total = ZERO
    for realised, fee in conn.execute(
        "SELECT realised, fee FROM fills WHERE seq > ? AND seq <= ?", (after_seq, to_seq)
    ).fetchall():
        total += dec(realised) - dec(fee)
    for table in ("funding", "transfers"):
        rows = conn.execute(f"SELECT amount FROM {table} WHERE seq > ? AND seq <= ?", (after_seq, to_seq)).fetchall()
        total += sum((dec(amount) for (amount,) in rows), ZERO)
    return total
