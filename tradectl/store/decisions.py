"""Decisions as `why` shows them: the last ones per symbol, every refusal of a real signal for thirty days.

A table of its own, pruned; not the journal (whoever saves journals the refusals of real signals beside it). An
uneventful decision (no signal, the same refusal without one, an error) that repeats the one before it is counted on
that row, with its newest verdicts, so that an idle cycle adds no row. Counts per hour serve `why --summary`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tradectl.domain.candle import DAY_MS, HOUR_MS
from tradectl.domain.money import dec, text
from tradectl.domain.position import Side
from tradectl.domain.signal import Decision, Signal, Verdict
from tradectl.domain.tags import Tag
from tradectl.store import encoding

KEEP_PER_SYMBOL = 20
KEEP_REFUSALS_MS = 30 * DAY_MS
_UNEVENTFUL = ("no_signal", "refused", "error")


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision with when it was taken, first and last, and how many times in a row. Venue's clock."""

    cycle: int
    first_at_ms: int
    at_ms: int
    times: int
    decision: Decision


def save(conn: sqlite3.Connection, cycle: int, at_ms: int, decisions: Iterable[Decision]) -> None:
    """Saves what one cycle decided."""
    hour_ms = at_ms - at_ms % HOUR_MS
    for decision in decisions:
        _save_one(conn, cycle, at_ms, decision)
        conn.execute(
            "INSERT INTO decision_counts (hour_ms, symbol, code, times) VALUES (?, ?, ?, 1)"
            " ON CONFLICT (hour_ms, symbol, code) DO UPDATE SET times = times + 1",
            (hour_ms, decision.symbol, decision.code),
        )


def last(conn: sqlite3.Connection, symbol: str, n: int = 1) -> list[StoredDecision]:
    """The last `n` of one symbol, newest first."""
    rows = conn.execute(
        "SELECT cycle, first_at_ms, at_ms, times, symbol, outcome, code, body FROM decisions"
        " WHERE symbol = ? ORDER BY id DESC LIMIT ?",
        (symbol, n),
    ).fetchall()
    return [
        StoredDecision(row[0], row[1], row[2], row[3], _decision(row[4], row[5], row[6], encoding.load(row[7])))
        for row in rows
    ]


def symbols(conn: sqlite3.Connection) -> list[str]:
    """Every symbol that has a decision."""
    return [row[0] for row in conn.execute("SELECT DISTINCT symbol FROM decisions ORDER BY symbol").fetchall()]


def summary(conn: sqlite3.Connection, symbol: str | None, since_ms: int) -> list[tuple[str, int]]:
    """(code, how often) since the full hour of `since_ms`, the most frequent first; of one symbol or of all."""
    return conn.execute(
        "SELECT code, sum(times) FROM decision_counts WHERE hour_ms >= ? AND (? IS NULL OR symbol = ?)"
        " GROUP BY code ORDER BY 2 DESC, 1",
        (since_ms - since_ms % HOUR_MS, symbol, symbol),
    ).fetchall()


def prune(conn: sqlite3.Connection, now_ms: int) -> int:
    """Forgets all but the last twenty per symbol and the real refusals of thirty days; returns the rows removed."""
    oldest_ms = now_ms - KEEP_REFUSALS_MS
    removed = conn.execute(
        "DELETE FROM decisions WHERE id NOT IN (SELECT id FROM (SELECT id, row_number() OVER"
        " (PARTITION BY symbol ORDER BY id DESC) AS place FROM decisions) WHERE place <= ?)"
        " AND NOT (real_refusal = 1 AND at_ms >= ?)",
        (KEEP_PER_SYMBOL, oldest_ms),
    ).rowcount
    removed += conn.execute("DELETE FROM decision_counts WHERE hour_ms < ?", (oldest_ms,)).rowcount
    return int(removed)


def _save_one(conn: sqlite3.Connection, cycle: int, at_ms: int, decision: Decision) -> None:
    body = encoding.dump(_body(decision))
    eventful = decision.signal is not None or decision.outcome not in _UNEVENTFUL
    if not eventful:
        before = conn.execute(
            "SELECT id, outcome, code, eventful FROM decisions WHERE symbol = ? ORDER BY id DESC LIMIT 1",
            (decision.symbol,),
        ).fetchone()
        if before is not None and before[1:] == (decision.outcome, decision.code, 0):
            conn.execute(
                "UPDATE decisions SET times = times + 1, cycle = ?, at_ms = ?, body = ? WHERE id = ?",
                (cycle, at_ms, body, before[0]),
            )
            return
    refusal = decision.outcome == "refused" and decision.signal is not None
    conn.execute(
        "INSERT INTO decisions (symbol, outcome, code, cycle, first_at_ms, at_ms, times, real_refusal, eventful, body)"
        " VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
        (decision.symbol, decision.outcome, decision.code, cycle, at_ms, at_ms, int(refusal), int(eventful), body),
    )


def _body(decision: Decision) -> dict[str, object]:
    signal = decision.signal
    return {
        "sentence": decision.sentence,
        "candle_open_ms": decision.candle_open_ms,
        "signal": None if signal is None else _signal_body(signal),
        "verdicts": [_verdict_body(verdict) for verdict in decision.verdicts],
        "facts": decision.facts,
    }


def _signal_body(signal: Signal) -> dict[str, object]:
    return {
        "strategy": signal.strategy,
        "side": signal.side.value,
        "confidence": text(signal.confidence),
        "entry": text(signal.entry),
        "candle_open_ms": signal.candle_open_ms,
        "reasons": signal.reasons,
        "stop": encoding.money(signal.stop),
        "targets": [text(target) for target in signal.targets],
    }


def _verdict_body(verdict: Verdict) -> list[object]:
    # a list, not an object: a decision has some twenty of them and is written every cycle
    return [
        verdict.gate,
        verdict.passed,
        verdict.sentence,
        encoding.money(verdict.value),
        encoding.money(verdict.limit),
        encoding.money(verdict.headroom),
        verdict.unit,
        None if verdict.tag is None else verdict.tag.value,
        verdict.context,
        verdict.alert,
    ]


def _decision(symbol: str, outcome: str, code: str, body: dict[str, Any]) -> Decision:
    return Decision(
        symbol=symbol,
        outcome=outcome,
        code=code,
        sentence=body["sentence"],
        candle_open_ms=body["candle_open_ms"],
        signal=None if body["signal"] is None else _signal(symbol, body["signal"]),
        verdicts=tuple(_verdict(row) for row in body["verdicts"]),
        facts=tuple((name, value) for name, value in body["facts"]),
    )


def _signal(symbol: str, body: dict[str, Any]) -> Signal:
    return Signal(
        symbol=symbol,
        strategy=body["strategy"],
        side=Side(body["side"]),
        confidence=dec(body["confidence"]),
        entry=dec(body["entry"]),
        candle_open_ms=body["candle_open_ms"],
        reasons=tuple(body["reasons"]),
        stop=encoding.amount(body["stop"]),
        targets=tuple(dec(target) for target in body["targets"]),
    )


def _verdict(row: list[Any]) -> Verdict:
    gate, passed, sentence, value, limit, headroom, unit, tag, context, alert = row
    return Verdict(
        gate,
        passed,
        sentence,
        encoding.amount(value),
        encoding.amount(limit),
        encoding.amount(headroom),
        unit,
        None if tag is None else Tag(tag),
        tuple((name, text_) for name, text_ in context),
        alert,
    )
