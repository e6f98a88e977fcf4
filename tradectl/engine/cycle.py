"""One cycle, the whole flow on one page: read the world once, decide, act, record.

    observe → ingest → resolve doubts → protect → (per symbol) gates → signal → gates → size → intent → venue → record

Refusals block entries only: protection, early exits, ingestion and the resolving of doubts run in every cycle and in
every state that permits them. The world is read into one frozen snapshot; after an entry or an exit of our own it is
read again, so that the cycle ends knowing that the position has its stop.
"""

from __future__ import annotations

import asyncio

from tradectl.domain.signal import Decision, Signal, Sized, SymbolRefusal
from tradectl.domain.snapshot import Snapshot
from tradectl.engine import acting, market, record, state, telling
from tradectl.engine.bot import Bot
from tradectl.engine.cycle_report import CycleReport
from tradectl.execution.observe import observe
from tradectl.execution.protect import protect
from tradectl.execution.resolve import resolve
from tradectl.risk import pipeline
from tradectl.risk.context import with_pending


async def run_cycle(bot: Bot, number: int) -> CycleReport:
    """Raises VenueUnreachable, StoreBusy or StoreUnwritable when the cycle cannot be completed; nothing is guessed."""
    started_ms = bot.clock.wall_ms()

    # 1. The world, once; and everything the venue booked since the last look.
    snapshot, ingested = await state.take_in(bot, await observe(bot.venue))
    report = CycleReport(number, snapshot, snapshot.equity, ingested=[ingested])

    # 2. Orders in doubt are asked about, and every position is covered, whatever else is forbidden.
    skew_ms = bot.config.venue.max_clock_skew_ms
    asked = await resolve(bot.db, bot.venue, bot.clock, max_skew_ms=skew_ms, epoch=bot.epoch)
    if any(one.resolved for one in asked):  # what was found may have arrived after the account was read
        snapshot, books = await _look_again(bot, report)
    else:
        books = state.load_books(bot, snapshot)
    protected = await protect(
        bot.db, bot.door, snapshot, books.open_trades, dict(bot.instruments), bot.protection, bot.clock.now_ms()
    )
    if protected.changed:
        snapshot, books = await _look_again(bot, report)

    # 3. What restricts trading now, said once whenever it changes.
    account = state.account_context(bot, snapshot, books)
    report.system_state = telling.system_state(bot, account)

    # 4. Each symbol: market data concurrently, decisions one after another so that each counts against the limits.
    views = await asyncio.gather(*(market.look(bot, account, books, symbol) for symbol in bot.symbols))
    for view in views:
        decision, sized = await _decide(bot, view.under(account), report)
        report.decisions.append(decision)
        if sized is not None:
            account = with_pending(account, sized)

    # 5. After an order of our own: look again, take in its fills, and see its stop.
    if any(decision.outcome in ("entered", "exit", "unknown") for decision in report.decisions):
        snapshot, books = await _look_again(bot, report)
        await protect(
            bot.db, bot.door, snapshot, books.open_trades, dict(bot.instruments), bot.protection, bot.clock.now_ms()
        )

    # 6. One transaction for what the cycle leaves behind, then its line.
    report.snapshot = snapshot
    report.throttled_ms = bot.venue.pace.take_throttled_ms()
    report.duration_ms = bot.clock.wall_ms() - started_ms
    record.save(bot, report, books, views)
    telling.summary(bot, report)
    return report


async def _decide(bot: Bot, view: market.View, report: CycleReport) -> tuple[Decision, Sized | None]:
    """One symbol: exits before entries, gates in order, and the first refusal ends it."""
    telling.warnings(bot, view.verdicts, view.symbol)
    if view.ctx is None:
        return telling.refused(bot, SymbolRefusal(view.symbol, view.verdicts)), None
    if pipeline.refused(view.data_verdicts):
        return telling.refused(bot, SymbolRefusal(view.symbol, view.verdicts + view.data_verdicts), view.ctx), None

    opinion = bot.strategy.evaluate(view.symbol, view.ctx.candles)
    if acting.wants_early_exit(bot, view, opinion):
        return await acting.early_exit(bot, view, opinion), None
    if not isinstance(opinion, Signal):
        return telling.no_signal(bot, opinion, view.verdicts + view.data_verdicts), None

    report.signals += 1
    if pipeline.refused(view.verdicts):
        return telling.refused(bot, SymbolRefusal(view.symbol, view.verdicts, opinion), view.ctx), None
    admitted = pipeline.admit(view.ctx, opinion, view.verdicts + view.data_verdicts)
    if isinstance(admitted, SymbolRefusal):
        return telling.refused(bot, admitted, view.ctx), None
    sized = pipeline.size(admitted, view.ctx)
    if isinstance(sized, SymbolRefusal):
        return telling.refused(bot, sized, view.ctx), None
    return await acting.enter(bot, sized), sized


async def _look_again(bot: Bot, report: CycleReport) -> tuple[Snapshot, state.Books]:
    snapshot, ingested = await state.take_in(bot, await observe(bot.venue))
    report.ingested.append(ingested)
    report.snapshot = snapshot
    return snapshot, state.load_books(bot, snapshot)
