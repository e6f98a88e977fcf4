"""What a cycle leaves behind, in one transaction: an idle cycle costs one commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tradectl import logs
from tradectl.domain.candle import day_start_ms
from tradectl.domain.money import ZERO, amount, text
from tradectl.domain.risk_state import RiskState
from tradectl.domain.signal import Decision
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.engine import guarding, limits_view, state, telling
from tradectl.engine.bot import Bot
from tradectl.engine.cycle_report import CycleReport
from tradectl.engine.market import View
from tradectl.errors import Busy, StoreUnwritable
from tradectl.store import cycles, decisions, intents, journal, lease, ledger, limits, outbox, risk, settings, views
from tradectl.store.connection import Connection

_log = logs.get("engine.record")
PRUNE_EVERY = 100  # cycles


def save(bot: Bot, report: CycleReport, books: state.Books, looked: Iterable[View]) -> None:
    """Progress, risk counters, decisions, refusals of real signals, alerts, limits and the account's last picture."""
    at_ms, wall_ms = report.snapshot.at_ms, bot.clock.wall_ms()
    ended = bot.venue.ended
    with bot.db.transaction() as conn:
        lease.heartbeat(conn, bot.epoch, wall_ms)
        for order in ended:
            intents.note_order(conn, order, at_ms)
        for order_id in bot.venue.lost:
            intents.note_lost(conn, order_id, at_ms)
        counters = _save_risk(bot, conn, report)
        for view in looked:
            if view.new_candle_ms is not None:
                cycles.set_processed(conn, view.symbol, view.new_candle_ms)
        made = [decision for decision in report.decisions if decision.outcome != telling.WAITING]
        decisions.save(conn, report.number, at_ms, made)
        _journal_refusals(conn, at_ms, report.decisions)
        for item in bot.memory.alerts:
            outbox.put(
                conn,
                at_ms=item.at_ms,
                type=item.kind,
                symbol=item.symbol,
                urgent=item.urgent,
                text=item.text,
                context=dict(item.context),
            )
        guarding.keep_time(bot, conn, wall_ms)
        if report.judged is not None:
            guarding.keep_baseline(conn, report.snapshot, books, report.judged)
        if books.bound != bot.memory.bound:
            settings.put(conn, "policy.bound", "; ".join(f"{name}: {source}" for name, source in books.bound.items()))
            bot.memory.bound = books.bound
        limits.save(conn, limits_view.rows(bot, report, books, counters))
        views.save_account(conn, report.snapshot)
        cycles.save_progress(conn, cycles.Progress(report.number, at_ms, wall_ms))
        if report.number % PRUNE_EVERY == 0:
            decisions.prune(conn, at_ms)
            outbox.prune(conn, at_ms)
    bot.venue.forget(ended)
    bot.memory.alerts.clear()
    drain(bot)


def drain(bot: Bot) -> None:
    """What cannot be ticked off now is delivered again with the next cycle; this one is recorded (promise 13)."""
    try:
        bot.alerts.drain(bot.clock.now_ms())
    except (Busy, StoreUnwritable) as error:
        _log.emit(Tag.SAFETY_EXECUTION_ERROR, f"alerts wait in the outbox: {error.what}", level=30)


def first_counters(bot: Bot, snapshot: Snapshot) -> None:
    """An account seen for the first time is counted from before the first order of ours, its fee included."""
    with bot.db.transaction() as conn:
        if risk.load(conn) is None:
            counters = state.moved_on(None, snapshot, ZERO)
            risk.save(conn, counters)
            _say_day(bot, counters)


def _save_risk(bot: Bot, conn: Connection, report: CycleReport) -> RiskState:
    """Moves the stored counters on: read again here, so that an operator's reset under a running bot stands."""
    stored = risk.load(conn)
    snapshot = report.snapshot
    midnight = day_start_ms(snapshot.at_ms)
    crossed = stored is not None and day_start_ms(stored.last_equity_ms) != midnight
    counters = state.moved_on(stored, snapshot, ledger.realised_since(conn, midnight) if crossed else ZERO)
    if bot.memory.warned_day == counters.day:
        counters = replace(counters, daily_warned=True)
    if stored is None or stored.day != counters.day:
        _say_day(bot, counters)
    if counters != stored:
        risk.save(conn, counters)
    return counters


def _say_day(bot: Bot, counters: RiskState) -> None:
    estimated = " (estimated: the bot was not running at midnight)" if counters.day_start_estimated else ""
    equity = amount(counters.day_start_equity, bot.venue.currency)
    _log.emit(
        Tag.SAFETY_DAILY_LOSS,
        f"daily loss tracking starts for {counters.day} with {equity}{estimated}",
        level=20,
        day=counters.day,
    )


def _journal_refusals(conn: Connection, at_ms: int, made: Iterable[Decision]) -> None:
    for decision in made:
        if decision.outcome != "refused" or decision.signal is None:
            continue
        verdict = decision.verdicts[-1]
        journal.append(
            conn,
            at_ms=at_ms,
            kind="refusal",
            actor="bot",
            subject=decision.code,
            symbol=decision.symbol,
            body={
                "sentence": decision.sentence,
                "side": decision.signal.side.value,
                "value": text(verdict.value) if verdict.value is not None else "",
                "limit": text(verdict.limit) if verdict.limit is not None else "",
            },
        )
