"""Stops cover each position: reduce-only, on the right side, inside liquidation. Placing what is missing is
execution's (protect.py), at first sight; here it is only seen, so that every pass says the same of it."""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.domain.money import text
from tradectl.domain.position import Protection, coverage
from tradectl.safety.breach import Breach, Level
from tradectl.safety.view import SafetyView

ID = "protection"


def check(view: SafetyView) -> Iterator[Breach]:
    for position in view.snapshot.positions:
        if not position.qty:
            continue
        cover = coverage(position, view.snapshot.orders)
        if cover.protection is not Protection.COVERED:
            why = f" ({cover.why})" if cover.why else ""
            size = text(abs(position.qty))
            evidence = f"stops cover {text(cover.covered_qty)} of {size} {position.symbol}{why}"
            yield Breach(ID, Level.FINDING, evidence, position.symbol, cover.covered_qty, abs(position.qty))
