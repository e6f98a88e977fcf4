"""The day's loss, the worse of realised and total, against its limit; from 70% of it the verdict warns.

The other half, whether the new position's risk still fits in the day, needs a size: gates/daily_loss_room.py.
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.domain.money import percent
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext
from tradectl.risk.values import values_of

LIMIT = Inequality(of.DAY_LOSS / of.DAY_START_EQUITY, Operator.AT_MOST, "trading.max_daily_risk")
WARNING_SHARE = Decimal("0.70")  # of the limit


def check(account: AccountContext, symbol: str) -> Verdict:
    limit = LIMIT.limit_set(account.config)
    loss = LIMIT.term.value(values_of(account))
    if loss is None:
        sentence = f"Daily loss cannot be told: the day began with {account.risk.day_start_equity:.2f}"
        return Verdict("daily_loss", False, sentence, None, limit, None, "fraction", Tag.SAFETY_DAILY_LOSS)
    if not LIMIT.holds(loss, limit):
        return Verdict(
            "daily_loss",
            False,
            f"Daily loss limit exceeded: {percent(loss)} (limit={percent(limit)})",
            loss,
            limit,
            limit - loss,
            "fraction",
            Tag.SAFETY_DAILY_LOSS,
            _context(account, symbol),
            f"Daily loss {percent(loss)} exceeded limit {percent(limit)}",
        )
    if loss and loss >= limit * WARNING_SHARE:
        used = f"{loss / limit:.0%}" if limit else "all"
        return Verdict(
            "daily_loss",
            True,
            f"Daily loss {percent(loss)} has used {used} of the limit {percent(limit)}",
            loss,
            limit,
            limit - loss,
            "fraction",
            Tag.SAFETY_DAILY_LOSS_WARNING,
            _context(account, symbol),
        )
    sentence = f"daily loss {percent(loss)} (limit={percent(limit)})"
    return Verdict("daily_loss", True, sentence, loss, limit, limit - loss, "fraction")


def _context(account: AccountContext, symbol: str) -> tuple[tuple[str, str], ...]:
    risk = account.risk
    return (
        ("symbol", symbol),
        ("day", risk.day),
        ("realised", f"{risk.realised_today:.2f}"),
        ("day_start_equity", f"{risk.day_start_equity:.2f}"),
        ("equity", f"{account.equity:.2f}"),
    )
