"""The quantity a venue takes: down to the step, never up to a minimum, and split at the largest market order."""

from __future__ import annotations

from decimal import Decimal

from tradectl.domain.signal import Verdict
from tradectl.risk.context import SymbolContext
from tradectl.risk.gates.min_notional import least_notional
from tradectl.risk.terms import Terms


def check(ctx: SymbolContext, terms: Terms, qty: Decimal) -> Verdict:
    """`qty` is already rounded down to the step."""
    instrument = ctx.instrument
    limit = instrument.min_qty
    least, whose = least_notional(ctx, terms)
    slices = instrument.market_slices(qty)
    smallest = min(slices, default=Decimal(0))
    why = ""
    if qty < limit or qty <= 0:
        why = f"quantity {qty} is below the minimum {limit} {instrument.base}"
    elif qty * terms.low < least:
        why = f"quantity {qty} is worth {qty * terms.low:.2f} {instrument.quote}, less than {least:.2f} ({whose})"
    elif smallest < limit or smallest * terms.low < instrument.min_notional:
        why = f"quantity {qty} would be split at {instrument.max_market_qty} into orders the venue does not take"
    if why:
        return Verdict(
            "precision",
            False,
            f"{why}; not rounded up, skipping entry",
            qty,
            limit,
            qty - limit,
            "base",
            context=(("symbol", ctx.symbol), ("step", str(instrument.qty_step))),
        )
    parts = f" in {len(slices)} orders" if len(slices) > 1 else ""
    sentence = f"quantity {qty} {instrument.base}{parts} (step={instrument.qty_step}, minimum={limit})"
    return Verdict("precision", True, sentence, qty, limit, qty - limit, "base")
