"""Funding: −signed quantity × mark × rate for each open position, exact, between the trader and the funding account.

What is due comes out of what the account can spare (`pool.spare`), then out of an isolated position's own margin; what
even that does not cover the insurance pays, so that the event carries what the trader really paid. A cross pool that a
payment takes under water is liquidated at once.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial

from tradectl.domain.fill import Funding
from tradectl.domain.money import ZERO
from tradectl.sim import pool
from tradectl.sim.draft import Draft
from tradectl.sim.events import FundingPaid
from tradectl.sim.liquidation import settle_pool
from tradectl.sim.ops import ApplyFunding
from tradectl.sim.state import FUNDING, INSURANCE, ISOLATED, TRADER, SimPosition


def fund(draft: Draft, op: ApplyFunding) -> None:
    for symbol, rate in op.rates:
        position = draft.positions.get(symbol)
        if position is None:
            continue
        amount = -position.lot.qty * draft.prices[symbol].mark * rate
        if amount < 0:
            amount = -_payable(draft, symbol, position, -amount)
        draft.move(FUNDING, TRADER, amount)
        seq = draft.next_seq
        funding = Funding(f"f{seq}", seq, symbol, rate, amount, draft.server_ms)
        draft.emit(partial(FundingPaid, funding=funding))
    settle_pool(draft)


def _payable(draft: Draft, symbol: str, position: SimPosition, due: Decimal) -> Decimal:
    """What the trader pays of what is due; the rest is already paid when this returns."""
    paid = min(due, max(pool.spare(draft), ZERO))
    if paid < due and position.margin_mode == ISOLATED:
        taken = min(due - paid, position.margin)
        draft.put_position(symbol, replace(position, margin=position.margin - taken))
        paid += taken
    draft.move(INSURANCE, FUNDING, due - paid)
    return paid
