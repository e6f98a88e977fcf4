"""perps.enabled: the bot may run, and protect, without being allowed to enter."""

from __future__ import annotations

from tradectl.domain.signal import Verdict
from tradectl.risk.context import AccountContext


def check(account: AccountContext, symbol: str) -> Verdict:
    if account.config.perps.enabled:
        return Verdict("enabled", True, "perps trading is enabled")
    return Verdict("enabled", False, "perps trading is disabled (perps.enabled=false): no entries, protection goes on")
