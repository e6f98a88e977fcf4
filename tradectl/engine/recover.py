"""Start-up is recovery (promise 10): until every source was read and the books agree, entries fail closed.

In order: what was in flight is in doubt → the venue is asked about it → fills are taken in → both sides are reconciled.
Nothing destructive happens here; what cannot be explained is reported and blocks its symbol.
"""

from __future__ import annotations

from tradectl import logs
from tradectl.domain.candle import utc_text
from tradectl.domain.intent import Purpose
from tradectl.domain.money import amount, text
from tradectl.domain.tags import Tag
from tradectl.engine import record, state
from tradectl.engine.bot import Bot
from tradectl.engine.emergency import import_emergency
from tradectl.engine.protecting import protect_all
from tradectl.engine.reconciling import reconcile
from tradectl.errors import VenueUnreachable
from tradectl.execution.protect_blind import Remembered
from tradectl.execution.resolve import adopt_doubt, resolve
from tradectl.store import halt, intents, latches, ledger, positions, risk

_log = logs.get("engine.recover")


def restore(bot: Bot) -> None:
    """What the store says, said before anything else happens: counters, latches with the command that clears them.

    What was recorded beside the store while it could not be written is taken into it first (promise 1).
    """
    import_emergency(bot)
    bot.memory.strikes.started_ms = bot.clock.now_ms()
    with bot.db.read() as conn:
        counters = risk.load(conn)
        active = latches.active(conn)
        bot.memory.cursor = ledger.cursor(conn)
        bot.memory.books = Remembered(positions.alive(conn), ledger.open_trades(conn), positions.flying(conn))
        for intent in intents.latest(conn, None, len(bot.symbols) * 50):
            if intent.purpose is Purpose.ENTRY:
                known = bot.memory.signalled_ms.get(intent.symbol, 0)
                bot.memory.signalled_ms[intent.symbol] = max(known, intent.created_ms)
    if counters is not None:
        bot.memory.warned_day = counters.day if counters.daily_warned else ""
        _log.emit(
            Tag.SAFETY_STATE_LOAD,
            f"Restored risk state peak_equity=${counters.peak_equity:.2f} consecutive_losses={counters.streak}",
            day=counters.day,
            day_start_equity=f"{counters.day_start_equity:.2f}",
            realised_today=f"{counters.realised_today:.2f}",
        )
    for latch in active:
        _log.emit(
            Tag.SAFETY_UNKNOWN_ORDER if latch.rule.by_symbol and latch.scope else Tag.SAFETY_KILL_SWITCH,
            f"{latch.title} holds since {utc_text(latch.set_at_ms)}: {latch.reason}",
            level=30,
            scope=latch.scope or "account",
            clear_with=latch.cleared_by,
        )
    reason = halt.read(str(bot.db.path))
    if reason is not None:
        _log.emit(Tag.SAFETY_KILL_SWITCH, f"a halt file forbids entries: {reason.strip()}", path=bot.db.path)
    adopt_doubt(bot.db, bot.clock, reason="found in flight at start-up")


async def _settle_doubts(bot: Bot) -> None:
    """Asks about what was in flight; what the venue does not have yet is waited for until it can no longer arrive.

    A new attempt then follows the known outcome of the old one (promises 1 and 3). Positions are covered before the
    wait, which lasts a receive window and the skew bound at the longest.
    """
    skew_ms = bot.config.venue.max_clock_skew_ms
    await resolve(bot.db, bot.venue, bot.clock, max_skew_ms=skew_ms)
    with bot.db.read() as conn:
        doubtful = intents.in_doubt(conn)
    if not doubtful:
        return
    snapshot, _ = await state.take_in(bot, await bot.venue.snapshot())
    record.first_counters(bot, snapshot)
    trades = state.load_books(bot, snapshot).open_trades
    await protect_all(bot, snapshot, trades)
    left_ms = max(intent.expires_ms for intent in doubtful) + skew_ms + 1 - bot.clock.now_ms()
    if left_ms > 0:
        said = f"{len(doubtful)} order(s) in doubt: waiting {left_ms / 1000:.1f}s until they can no longer arrive"
        _log.emit(Tag.SAFETY_UNKNOWN_ORDER, said, level=20)
        await bot.clock.sleep(left_ms / 1000)
    await resolve(bot.db, bot.venue, bot.clock, max_skew_ms=skew_ms)


async def recover(bot: Bot) -> bool:
    """One attempt to bring books and venue to agreement. True when every source was read; entries wait until then."""
    try:
        await bot.venue.server_time_ms()
        await _settle_doubts(bot)
        snapshot, ingested = await state.take_in(bot, await bot.venue.snapshot())
        record.first_counters(bot, snapshot)
        if (await reconcile(bot, snapshot)).actions:
            snapshot, more = await state.take_in(bot, await bot.venue.snapshot())
            ingested = state.joined(ingested, more)
    except VenueUnreachable as error:
        bot.memory.recovery_reason = f"the venue could not be read: {error.what}"
        waits = "nothing is guarded" if bot.guard else "no entries"
        _log.emit(Tag.SAFETY_RECON_BLOCK, f"{waits} until the venue was read: {error.what}")
        return False
    books = state.load_books(bot, snapshot)
    for symbol, sentence in books.disagreements.items():
        blocked = "books and venue differ" if bot.guard else f"no entries on {symbol} until the books agree"
        _log.emit(Tag.SAFETY_RECON_BLOCK, f"{blocked}: {sentence}", symbol=symbol)
    for position in snapshot.positions:
        if position.symbol in books.managed:
            _log.emit(
                Tag.SAFETY_RECON_ADOPT,
                f"Adopted existing position for {position.symbol} | Qty={text(abs(position.qty))} | "
                f"Entry=${position.entry_price:.4f} | Unrealized PnL=${position.unrealised:.2f} | "
                f"Side={'Buy' if position.qty > 0 else 'Sell'}",
                level=20,
                fills_taken_in=len(ingested.fills),
            )
    bot.memory.recovered = True
    bot.memory.recovery_reason = ""
    _log.emit(
        Tag.SESSION,
        "every source was read",
        equity=amount(snapshot.equity, bot.venue.currency),
        positions=len(snapshot.positions),
        in_doubt=len(books.in_doubt),
    )
    return True
