"""A session takes only so many entries; what is open stays managed."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext


def check(account: AccountContext, symbol: str) -> Verdict:
    taken, limit = account.session_entries, account.config.perps.session_max_trades
    value = Decimal(taken)
    if limit is None:
        return Verdict("session_trades", True, f"session trades={taken} (no limit set)", value, unit="count")
    bound = Decimal(limit)
    if taken < limit:
        sentence = f"session trades={taken} (limit={limit})"
        return Verdict("session_trades", True, sentence, value, bound, bound - value, "count")
    return Verdict(
        "session_trades",
        False,
        f"Session trades={taken} reached limit={limit}; halting new entries for this run.",
        value,
        bound,
        bound - value,
        "count",
        Tag.SAFETY_SESSION_TRADES,
        (("symbol", symbol),),
        f"Session trades {taken} reached limit {limit}",
    )
