"""Why a symbol did or did not trade: the verdict of each gate for its last decisions, and counts per reason."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.signal import Signal
from tradectl.operations import bot_life, symbols
from tradectl.operations.bot_life import BotLife, Life
from tradectl.operations.times import ago, when
from tradectl.store import cycles, decisions, lease, ledger
from tradectl.store.connection import Connection
from tradectl.store.database import Database
from tradectl.store.decisions import StoredDecision

KEPT_PER_SYMBOL = decisions.KEEP_PER_SYMBOL


@dataclass(frozen=True, slots=True)
class GateLine:
    """One gate's verdict; `headroom` > 0 is room left, in the unit of `value` and `limit`."""

    gate: str
    passed: bool
    value: Decimal | None
    limit: Decimal | None
    headroom: Decimal | None
    unit: str
    sentence: str


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """Times on the venue's clock. `times`: how often in a row the same was decided, since `first_at_ms`."""

    answer: str
    outcome: str
    code: str
    at_ms: int
    first_at_ms: int
    times: int
    cycle: int
    candle_open_ms: int | None
    signal: str
    gates: tuple[GateLine, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Why:
    """`answer` is the first line; `decisions` newest first, empty when none was taken yet."""

    answer: str
    symbol: str
    bot: BotLife
    age_ms: int | None
    decisions: tuple[DecisionLine, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """`counts`: (gate or reason, how often it decided) since the full hour of `since_ms`, venue's clock."""

    answer: str
    symbol: str | None
    since_ms: int
    counts: tuple[tuple[str, int], ...]


def read(db: Database, typed: str, last: int, now_ms: int) -> Why:
    """`now_ms` is wall time. Raises UsageError for a symbol the store does not know."""
    with db.read() as conn:
        symbol = symbols.match(typed, known_symbols(conn), db.identity.currency)
        stored = decisions.last(conn, symbol, last)
        done = cycles.progress(conn)
        life = bot_life.judge(lease.current(conn), done, now_ms)
    lines = tuple(_line(item) for item in stored)
    if not lines:
        answer = f"{symbol}: nothing was decided yet; the bot is {life.status.value}: {life.sentence}"
    elif life.status is not Life.RUNNING:
        answer = f"{lines[0].answer} (nothing is decided now: the bot is {life.status.value})"
    else:
        answer = lines[0].answer
    return Why(answer, symbol, life, max(now_ms - done.wall_ms, 0) if done.cycle else None, lines)


def summary(db: Database, typed: str | None, hours: int) -> Counts:
    """Counts per reason over the venue's last `hours` hours, up to thirty days."""
    with db.read() as conn:
        symbol = None if typed is None else symbols.match(typed, known_symbols(conn), db.identity.currency)
        venue_ms = cycles.progress(conn).venue_ms
        since_ms = max(venue_ms - hours * 3_600_000, 0)
        counts = tuple(decisions.summary(conn, symbol, since_ms))
    whose = symbol or "all symbols"
    if not counts:
        return Counts(f"{whose}: nothing was decided since {when(since_ms)}", symbol, since_ms, ())
    total = sum(times for _, times in counts)
    code, times = counts[0]
    answer = f"{whose}: {total} decisions since {when(since_ms)}, most often {code} ({times}, {100 * times // total}%)"
    return Counts(answer, symbol, since_ms, counts)


def known_symbols(conn: Connection) -> set[str]:
    """Every symbol that was decided upon, looked at or held."""
    return {*decisions.symbols(conn), *cycles.processed(conn), *ledger.open_trades(conn)}


def _line(stored: StoredDecision) -> DecisionLine:
    decision = stored.decision
    signal = decision.signal
    return DecisionLine(
        answer=_answer(stored),
        outcome=decision.outcome,
        code=decision.code,
        at_ms=stored.at_ms,
        first_at_ms=stored.first_at_ms,
        times=stored.times,
        cycle=stored.cycle,
        candle_open_ms=decision.candle_open_ms,
        signal="" if signal is None else _signal(signal),
        gates=tuple(
            GateLine(
                verdict.gate,
                verdict.passed,
                verdict.value,
                verdict.limit,
                verdict.headroom,
                verdict.unit,
                verdict.sentence,
            )
            for verdict in decision.verdicts
        ),
        facts=tuple((name, value) for name, value in decision.facts if value),
    )


def _signal(signal: Signal) -> str:
    reasons = ", ".join(signal.reasons)
    return f"{signal.side.value} by {signal.strategy}, confidence {signal.confidence:.2f}, {reasons}"


def _answer(stored: StoredDecision) -> str:
    decision = stored.decision
    head = f"{decision.symbol} {when(stored.at_ms)}"
    if decision.outcome == "refused":
        wanted = f" ({decision.signal.side.value} signal)" if decision.signal is not None else ""
        return f"{head}: no entry{wanted}, refused by {decision.code}: {decision.sentence}"
    if decision.outcome == "not_sent":
        return f"{head}: no entry, it was not sent: {decision.sentence}"
    if decision.outcome == "unknown":
        return f"{head}: an order's outcome is unknown: {decision.sentence}"
    if decision.outcome == "not_filled":
        return f"{head}: nothing was filled: {decision.sentence}"
    if decision.outcome == "error":
        return f"{head}: no decision, the bot itself failed here (the log has the traceback): {decision.sentence}"
    return f"{head}: {decision.sentence}"


def decided(line: DecisionLine, page: Why, now_ms: int) -> str:
    """When it was decided, in cycles and in this machine's time where it is the newest one."""
    newest = page.decisions and line is page.decisions[0] and page.bot.cycle == line.cycle
    aged = f", {ago(page.bot.cycle_wall_ms, now_ms)}" if newest and page.bot.cycle_wall_ms is not None else ""
    often = f"; {line.times} times in a row since {when(line.first_at_ms)}" if line.times > 1 else ""
    return f"cycle {line.cycle}{aged}{often}"
