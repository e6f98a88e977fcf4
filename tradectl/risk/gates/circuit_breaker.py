"""No entries after too many losing trades in a row, until the cooldown has passed or an operator resets the streak."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.candle import HOUR_MS
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext


def check(account: AccountContext, symbol: str) -> Verdict:
    perps = account.config.perps
    streak, limit = account.risk.streak, perps.consecutive_loss_limit
    if limit is None:
        return Verdict(
            "circuit_breaker", True, f"{streak} consecutive losses (no limit set)", value=Decimal(streak), unit="count"
        )
    value, bound = Decimal(streak), Decimal(limit)
    if streak < limit:
        sentence = f"{streak} consecutive losses (limit={limit})"
        return Verdict("circuit_breaker", True, sentence, value, bound, bound - value, "count")
    hours = perps.consecutive_loss_cooldown_hours
    since = account.risk.streak_at_ms
    if hours is not None and since is not None:
        left_ms = since + int(hours * HOUR_MS) - account.now_ms
        if left_ms <= 0:
            sentence = f"{streak} consecutive losses (limit={limit}), but the cooldown of {hours} h has passed"
            return Verdict("circuit_breaker", True, sentence, value, bound, bound - value, "count")
        clears = f"cooldown ends in {left_ms / HOUR_MS:.1f} h, or state reset --scope streak"
    else:
        clears = "state reset --scope streak"
    return Verdict(
        "circuit_breaker",
        False,
        f"{streak} consecutive losses (limit={limit})",
        value,
        bound,
        bound - value,
        "count",
        Tag.SAFETY_CIRCUIT_BREAKER,
        (("symbol", symbol), ("clears", clears)),
        f"{streak} consecutive losses reached limit {limit}",
    )
