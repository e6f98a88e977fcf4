"""A signal must be sure enough of itself; above the floor confidence scales the size (risk/sizing.py)."""

from __future__ import annotations

from tradectl.domain.signal import Signal, Verdict
from tradectl.risk.context import SymbolContext


def check(ctx: SymbolContext, signal: Signal) -> Verdict:
    floor, value = ctx.account.config.risk.confidence.floor, signal.confidence
    if value >= floor:
        return Verdict(
            "confidence", True, f"confidence {value:.2f} (floor={floor:.2f})", value, floor, value - floor, "fraction"
        )
    return Verdict(
        "confidence",
        False,
        f"confidence {value:.2f} is below the floor {floor:.2f}",
        value,
        floor,
        value - floor,
        "fraction",
        context=(("symbol", ctx.symbol), ("strategy", signal.strategy)),
    )
