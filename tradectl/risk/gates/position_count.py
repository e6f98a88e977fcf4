"""How many symbols may hold something at one time. Sent, unknown and resting entries count at once (promise 8)."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Inequality, Operator
from tradectl.domain.signal import Verdict
from tradectl.risk.context import AccountContext, SymbolContext

LIMIT = Inequality(of.POSITIONS, Operator.AT_MOST, "risk.max_concurrent_positions")


def held_symbols(account: AccountContext) -> set[str]:
    """Every symbol that holds a position, or may come to hold one without another decision."""
    snapshot = account.snapshot
    held = {position.symbol for position in snapshot.positions if position.qty}
    held.update(order.symbol for order in snapshot.orders if order.can_add_exposure and order.status.open)
    held.update(account.pending_symbols)
    held.update(symbol for symbol, doubts in account.in_doubt.items() if doubts)
    return held


def check(ctx: SymbolContext) -> Verdict:
    bound = LIMIT.limit_set(ctx.account.config)
    after = len(held_symbols(ctx.account) | {ctx.symbol})
    value = Decimal(after)
    if LIMIT.holds(value, bound):
        sentence = f"{after} positions with this one (limit={bound})"
        return Verdict("position_count", True, sentence, value, bound, bound - value, "count")
    return Verdict(
        "position_count",
        False,
        f"{after} positions with this one, pending entries counted, exceed limit {bound}",
        value,
        bound,
        bound - value,
        "count",
        context=(("symbol", ctx.symbol),),
    )
