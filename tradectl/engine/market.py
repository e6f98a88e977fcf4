"""Market data of one symbol, fetched only when something could be decided with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.engine.bot import Bot
from tradectl.engine.state import Books
from tradectl.errors import VenueUnreachable
from tradectl.risk import pipeline
from tradectl.risk.context import AccountContext, SymbolContext, symbol_context


@dataclass(frozen=True, slots=True)
class View:
    """One symbol in one cycle. `ctx` is None when a refusal before market data left nothing to look at."""

    symbol: str
    verdicts: tuple[Verdict, ...]  # of the gates before market data
    ctx: SymbolContext | None = None
    data_verdicts: tuple[Verdict, ...] = ()
    holds: bool = False

    @property
    def new_candle_ms(self) -> int | None:
        """The candle this cycle decides upon; None when there is none to mark as processed."""
        if self.ctx is None or pipeline.refused(self.data_verdicts) or not self.ctx.candles:
            return None
        return self.ctx.candles[-1].open_ms

    def under(self, account: AccountContext) -> View:
        """The same view with the account as it is now: what was just sent for another symbol counts."""
        if self.ctx is None:
            return self
        account = replace(account, now_ms=self.ctx.account.now_ms)  # the moment its market data was read
        return replace(self, ctx=replace(self.ctx, account=account))


async def look(bot: Bot, account: AccountContext, books: Books, symbol: str) -> View:
    """Gates 1 to 5, then candles and ticker, then gates 6 to 8.

    Market data that cannot be read refuses this symbol only: no candidate disappears without a decision record.
    """
    verdicts = pipeline.before_data(account, symbol)
    holds = account.snapshot.position(symbol) is not None
    needed = bot.config.perps.early_exit_on_cross or bot.exits.trailing_atr_min > 0  # candles, by what is held
    if pipeline.refused(verdicts) and not (holds and needed):
        return View(symbol, verdicts, holds=holds)
    assert bot.strategy is not None, "a guard session looks at no symbol"
    limit = pipeline.candles_needed(bot.config, bot.strategy.needs)
    try:
        candles = await bot.venue.candles(symbol, bot.config.perps.interval, limit)
        ticker = await bot.venue.ticker(symbol)
    except VenueUnreachable as error:
        sentence = f"market data could not be read: {error.what}"
        tag, context = Tag.SAFETY_EXECUTION_ERROR, (("symbol", symbol),)
        unreadable = Verdict("market_data", False, sentence, tag=tag, context=context)
        return View(symbol, (*verdicts, unreadable), holds=holds)
    ctx = symbol_context(
        replace(account, now_ms=bot.clock.now_ms()),
        symbol,
        bot.instruments[symbol],
        candles,
        ticker,
        processed_open_ms=books.processed.get(symbol),
        local_open=symbol in books.open_trades,
        clock_skew_ms=bot.clock.skew_ms(),
    )
    return View(symbol, verdicts, ctx, pipeline.with_data(ctx), holds)
