"""The account before an entry, in the quantities that gates speak of (domain/quantities.py)."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain import quantities as of
from tradectl.domain.money import ZERO
from tradectl.risk.context import AccountContext


def values_of(account: AccountContext) -> dict[str, Decimal]:
    risk, equity = account.risk, account.equity
    worst = min(risk.realised_today, equity - risk.day_start_equity)
    return {
        of.EQUITY.name: equity,
        of.PEAK_EQUITY.name: max(risk.peak_equity, equity),
        of.DAY_START_EQUITY.name: risk.day_start_equity,
        of.DAY_LOSS.name: max(-worst, ZERO),
        of.PENDING_LOSS.name: account.pending_risk,
        of.MAINTENANCE_MARGIN.name: account.snapshot.account.maintenance_margin,
    }
