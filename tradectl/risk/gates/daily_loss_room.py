"""The new position's loss at its stop, fees and slippage included, must fit in what is left of the day's limit.

Entries sent and not yet in the books have their own loss set aside first (promise 8). The gate refuses rather than
shrinks: a trade made small because the day went badly is a new decision, not this one.
"""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.domain.money import ZERO
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import SymbolContext
from tradectl.risk.exits import ExitPlan
from tradectl.risk.terms import Terms
from tradectl.risk.values import values_of

LIMIT = Inequality(
    (of.DAY_LOSS + of.PENDING_LOSS + of.ENTRY_LOSS) / of.DAY_START_EQUITY, Operator.AT_MOST, "trading.max_daily_risk"
)


def check(ctx: SymbolContext, terms: Terms, plan: ExitPlan, qty: Decimal) -> Verdict:
    account = ctx.account
    risk, currency = account.risk, ctx.instrument.quote
    limit, values = LIMIT.limit_set(account.config), values_of(account)
    left = max(limit * risk.day_start_equity - values[of.DAY_LOSS.name] - account.pending_risk, ZERO)
    value = qty * terms.loss_per_unit(plan.stop)
    if LIMIT.holds(LIMIT.term.value({**values, of.ENTRY_LOSS.name: value}), limit):
        sentence = f"loss at the stop {value:.2f} {currency} fits in the day's {left:.2f} left"
        return Verdict("daily_loss_room", True, sentence, value, left, left - value, "quote")
    return Verdict(
        "daily_loss_room",
        False,
        f"loss at the stop {value:.2f} {currency} does not fit in the day's {left:.2f} left, skipping entry",
        value,
        left,
        left - value,
        "quote",
        Tag.SAFETY_DAILY_LOSS,
        (("symbol", ctx.symbol), ("day", risk.day)),
    )
