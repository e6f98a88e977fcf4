"""Managing what is open, in every state that permits it: targets put back, stops moved to the smaller loss."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradectl import logs
from tradectl.domain import indicators
from tradectl.domain.signal import Decision
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import PERMISSIONS, SystemState, system_state
from tradectl.domain.tags import Tag
from tradectl.engine import state
from tradectl.engine.bot import Bot
from tradectl.engine.market import View
from tradectl.execution import exits
from tradectl.execution.exits import Exits
from tradectl.risk.context import AccountContext

_log = logs.get("engine.managing")


async def manage(
    bot: Bot, snapshot: Snapshot, books: state.Books, account: AccountContext, views: Sequence[View | Decision]
) -> Exits:
    """One pass; what is skipped is said when it begins to be."""
    if not books.managed:
        return Exits()
    now = SystemState.HALTED if account.halt_reason is not None else system_state(account.latches)
    done = await exits.manage(
        bot.db,
        bot.door,
        snapshot,
        books.open_trades,
        bot.instruments,
        bot.exits,
        atr=_atr(bot, views),
        targets_allowed=PERMISSIONS[now].manage,
        now_ms=bot.clock.now_ms(),
    )
    for (symbol, target), why in done.skipped.items():
        if bot.memory.skipped.get((symbol, target)) != why:
            _log.emit(Tag.EXIT, f"{target} of {symbol} is not placed: {why}", level=30, symbol=symbol)
    bot.memory.skipped = done.skipped
    return done


def _atr(bot: Bot, views: Sequence[View | Decision]) -> dict[str, Decimal]:
    """{symbol: average true range now, price units}, where a stop could trail by it."""
    if not bot.exits.trailing_atr_min:
        return {}
    period = bot.config.risk_management.crisis_mode.atr_period
    found = {}
    for view in views:
        if isinstance(view, View) and view.holds and view.ctx is not None:
            averages = indicators.atr(view.ctx.candles, period)
            if averages:
                found[view.symbol] = Decimal(repr(averages[-1]))
    return found
