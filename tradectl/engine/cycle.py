"""One cycle, the whole flow on one page: read the world once, decide, act, record.

    observe → ingest → resolve doubts → reconcile → protect → invariants → manage what is open
            → (per symbol) gates → signal → gates → size → intent → venue → record

Refusals block entries only: protection, managing what is open, early exits, ingestion and the resolving of doubts run
in every cycle and in every state that permits them. The world is read into one frozen snapshot; after an entry or an
exit of our own it is read again, so that the cycle ends knowing that the position has its stop. An error in our own
thinking about a symbol is that symbol's decision record, and the others go on; errors of acting, and of what all
symbols share, end the cycle.
"""

from __future__ import annotations

import asyncio

from tradectl.domain.signal import Decision, NoSignal, Signal, Sized, SymbolRefusal
from tradectl.domain.snapshot import Snapshot
from tradectl.engine import (
    acting,
    guarding,
    managing,
    market,
    preflight,
    protecting,
    reconciling,
    record,
    state,
    telling,
)
from tradectl.engine.bot import Bot
from tradectl.engine.cycle_report import CycleReport
from tradectl.errors import Busy
from tradectl.execution.admission import EXIT_IN_DOUBT
from tradectl.execution.resolve import resolve
from tradectl.risk import pipeline
from tradectl.risk.context import AccountContext, with_pending

_ACTED = ("entered", "exit", "unknown", "not_filled")
_UNDECIDED = (telling.ERROR, EXIT_IN_DOUBT, acting.BOOKS_DIFFER)


async def run_cycle(bot: Bot, number: int) -> CycleReport:
    """Raises VenueUnreachable, StoreBusy or StoreUnwritable when the cycle cannot be completed; nothing is guessed."""
    started_ms = bot.clock.wall_ms()

    # 1. The world, once; and everything the venue booked since the last look.
    snapshot, ingested = await state.take_in(bot, await bot.venue.snapshot())
    report = CycleReport(number, snapshot, snapshot.equity, ingested=[ingested])

    # 2. Orders in doubt are asked about, venue and books are compared in full where that is due, and every position is
    #    covered, whatever else is forbidden.
    skew_ms = bot.config.venue.max_clock_skew_ms
    asked = await resolve(bot.db, bot.venue, bot.clock, max_skew_ms=skew_ms, epoch=bot.epoch)
    moved = any(one.resolved for one in asked)  # what was found may have arrived after the account was read
    if reconciling.due(bot):
        moved = bool((await reconciling.reconcile(bot, snapshot)).actions) or moved
    if moved:
        snapshot, books = await _look_again(bot, report)
    else:
        books = state.load_books(bot, snapshot)
    protected = await protecting.protect_all(bot, snapshot, books.open_trades)
    if protected.changed:
        snapshot, books = await _look_again(bot, report)

    # 3. The invariants and the emergency stop: latches set and cleared, a halt swept. Then what restricts trading now,
    #    said once whenever it changes.
    report.judged = guarding.judge(bot, snapshot, books, cycle=number)
    lifted = preflight.lift(bot, books)
    if await guarding.sweep_if_halted(bot, snapshot) or report.judged.changed or lifted:
        snapshot, books = await _look_again(bot, report)
    account = state.account_context(bot, snapshot, books)
    report.system_state = telling.system_state(bot, account)

    # 4. Each symbol that is traded (none in a guard session): market data concurrently; what is open is managed; then
    #    decisions, one after another so that each counts against the limits.
    views = await asyncio.gather(*(_look(bot, account, books, symbol) for symbol in bot.traded))
    managed = await managing.manage(bot, snapshot, books, account, views)
    decided: list[market.View] = []
    for view in views:
        if isinstance(view, Decision):
            report.decisions.append(view)
            continue
        decision, sized = await _decide(bot, view.under(account), books, report)
        report.decisions.append(decision)
        if sized is not None and decision.outcome in ("entered", "unknown"):
            account = with_pending(account, sized)
        if decision.code not in _UNDECIDED:  # those have still to decide upon their candle
            decided.append(view)

    # 5. After an order of our own: look again, take in its fills, and see its stop. Also after one that was confirmed
    #    without a fill: that nothing is held is for the venue to show.
    if managed.changed or any(
        decision.outcome in ("entered", "exit", "unknown", "not_filled") for decision in report.decisions
    ):
        snapshot, books = await _look_again(bot, report)
        await protecting.protect_all(bot, snapshot, books.open_trades, counts=False)

    # 6. One transaction for what the cycle leaves behind, then its line.
    report.snapshot = snapshot
    report.throttled_ms = bot.pace.take_throttled_ms()
    report.duration_ms = max(bot.clock.wall_ms() - started_ms, 0)
    record.save(bot, report, books, decided)
    telling.summary(bot, report)
    return report


async def _look(bot: Bot, account: AccountContext, books: state.Books, symbol: str) -> market.View | Decision:
    try:
        return await market.look(bot, account, books, symbol)
    except Busy:
        raise
    except Exception as error:
        return telling.failed(bot, symbol, error)


async def _decide(
    bot: Bot, view: market.View, books: state.Books, report: CycleReport
) -> tuple[Decision, Sized | None]:
    """One symbol: what is thought about it, then what is done about it."""
    try:
        thought = _think(bot, view, books, report)
    except Busy:  # store or venue, the clock among it: no error of the thinking, and everybody's
        raise
    except Exception as error:
        return telling.failed(bot, view.symbol, error), None
    if isinstance(thought, NoSignal):
        return await acting.early_exit(bot, view, books, thought), None
    if isinstance(thought, Sized):
        return await acting.enter(bot, thought), thought
    return thought, None


def _think(bot: Bot, view: market.View, books: state.Books, report: CycleReport) -> Decision | NoSignal | Sized:
    """Exits before entries, gates in order, and the first refusal ends it. NoSignal: the reason for an early exit."""
    telling.warnings(bot, view.verdicts, view.symbol)
    if view.ctx is None:
        return telling.refused(bot, SymbolRefusal(view.symbol, view.verdicts))
    if pipeline.refused(view.data_verdicts):
        return telling.refused(bot, SymbolRefusal(view.symbol, view.verdicts + view.data_verdicts), view.ctx)

    assert bot.strategy is not None, "a guard session looks at no symbol"
    opinion = bot.strategy.evaluate(view.symbol, view.ctx.candles)
    if not isinstance(opinion, Signal):
        if acting.wants_early_exit(bot, view, books, opinion):
            return opinion
        return telling.no_signal(bot, opinion, view.verdicts + view.data_verdicts)

    report.signals += 1
    if pipeline.refused(view.verdicts):
        return telling.refused(bot, SymbolRefusal(view.symbol, view.verdicts, opinion), view.ctx)
    admitted = pipeline.admit(view.ctx, opinion, view.verdicts + view.data_verdicts)
    if isinstance(admitted, SymbolRefusal):
        return telling.refused(bot, admitted, view.ctx)
    sized = pipeline.size(admitted, view.ctx)
    if isinstance(sized, SymbolRefusal):
        return telling.refused(bot, sized, view.ctx)
    return sized


async def _look_again(bot: Bot, report: CycleReport) -> tuple[Snapshot, state.Books]:
    snapshot, ingested = await state.take_in(bot, await bot.venue.snapshot())
    report.ingested.append(ingested)
    report.snapshot = snapshot
    books = state.load_books(bot, snapshot)
    state.note_bare(bot, books)
    return snapshot, books
