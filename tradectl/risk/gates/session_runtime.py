"""A session takes entries only for so long, on the venue's clock; what is open stays managed."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.candle import MINUTE_MS
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext


def check(account: AccountContext, symbol: str) -> Verdict:
    elapsed_ms = max(account.now_ms - account.session_started_ms, 0)
    limit = account.config.perps.session_max_runtime_minutes
    minutes = Decimal(elapsed_ms) / MINUTE_MS
    shown = f"{elapsed_ms / MINUTE_MS:.1f}"
    if limit is None:
        sentence = f"session runtime {shown} minutes (no limit set)"
        return Verdict("session_runtime", True, sentence, minutes, unit="minutes")
    bound = Decimal(limit)
    if minutes < bound:
        sentence = f"session runtime {shown} minutes (limit={limit})"
        return Verdict("session_runtime", True, sentence, minutes, bound, bound - minutes, "minutes")
    return Verdict(
        "session_runtime",
        False,
        f"Session runtime {shown} minutes exceeded limit={limit}; halting new entries for this run.",
        minutes,
        bound,
        bound - minutes,
        "minutes",
        Tag.SAFETY_SESSION_RUNTIME,
        (("symbol", symbol),),
        f"Session runtime {shown} minutes exceeded limit {limit}",
    )
