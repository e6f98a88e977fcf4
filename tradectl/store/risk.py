"""The risk counters' only copy: an operator's reset works under a running bot because nobody keeps another."""

from __future__ import annotations

import sqlite3

from tradectl.domain.money import dec, text
from tradectl.domain.risk_state import RiskState

_SAVE = (
    "INSERT OR REPLACE INTO risk (id, day, day_start_equity, day_start_estimated, realised_today, peak_equity,"
    " last_equity, last_equity_ms, streak, streak_at_ms, daily_warned) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def load(conn: sqlite3.Connection) -> RiskState | None:
    """None before equity was first seen."""
    row = conn.execute(
        "SELECT day, day_start_equity, day_start_estimated, realised_today, peak_equity, last_equity, last_equity_ms,"
        " streak, streak_at_ms, daily_warned FROM risk WHERE id = 1"
    ).fetchone()
    if row is None:
        return None
    return RiskState(
        day=row[0],
        day_start_equity=dec(row[1]),
        day_start_estimated=bool(row[2]),
        realised_today=dec(row[3]),
        peak_equity=dec(row[4]),
        last_equity=dec(row[5]),
        last_equity_ms=row[6],
        streak=row[7],
        streak_at_ms=row[8],
        daily_warned=bool(row[9]),
    )


def save(conn: sqlite3.Connection, state: RiskState) -> None:
    conn.execute(
        _SAVE,
        (
            state.day,
            text(state.day_start_equity),
            int(state.day_start_estimated),
            text(state.realised_today),
            text(state.peak_equity),
            text(state.last_equity),
            state.last_equity_ms,
            state.streak,
            state.streak_at_ms,
            int(state.daily_warned),
        ),
    )
