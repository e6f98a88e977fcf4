"""Whose store this is: stamped once with account, venue and environment, compared at every opening."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tradectl.errors import StoreDamaged, StoreMismatch


@dataclass(frozen=True, slots=True)
class Identity:
    """`environment` is paper, testnet or live (live_limited and live share one).

    `store_tag` is six characters of [a-z0-9] and part of every client id; '' in an expectation means any.
    `venue_path` is the simulated exchange's file, where the venue is our own; None in an expectation means any.
    """

    account: str
    venue: str
    environment: str
    store_tag: str
    currency: str
    venue_path: str | None = None

    def __str__(self) -> str:
        return f"{self.account} · {self.venue} · {self.environment}"


def stamp(conn: sqlite3.Connection, identity: Identity, at_ms: int) -> None:
    conn.execute(
        "INSERT INTO identity (id, account, venue, environment, store_tag, currency, venue_path, created_ms)"
        " VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
        (
            identity.account,
            identity.venue,
            identity.environment,
            identity.store_tag,
            identity.currency,
            identity.venue_path,
            at_ms,
        ),
    )


def read(conn: sqlite3.Connection) -> Identity:
    """The stamp. Raises StoreDamaged when there is none."""
    row = conn.execute(
        "SELECT account, venue, environment, store_tag, currency, venue_path FROM identity WHERE id = 1"
    ).fetchone()
    if row is None:
        raise StoreDamaged(
            "The store carries no account, venue and environment",
            hint="tradectl state verify; then restore a backup",
        )
    return Identity(*row)


def created_ms(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT created_ms FROM identity WHERE id = 1").fetchone()[0])


def compare(found: Identity, expected: Identity, path: str) -> None:
    """Raises StoreMismatch naming the first field that differs, both values, and what to do."""
    for field in ("account", "venue", "environment", "currency", "store_tag", "venue_path"):
        here, wanted = getattr(found, field), getattr(expected, field)
        if (field == "store_tag" and not wanted) or (field == "venue_path" and wanted is None):
            continue
        if here != wanted:
            label = field.replace("_", " ")
            raise StoreMismatch(
                f"The store belongs to another {label}: it says {here!r}, this run wants {wanted!r}",
                where=path,
                why=f"the store is stamped {found} and is never shared",
                hint=f"name the right store with --state, or set {label} {here!r} in the configuration",
            )
