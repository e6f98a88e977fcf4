"""Local positions equal the venue's once what the venue booked is taken in. What follows is reconciliation's."""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.safety.breach import Breach, Level
from tradectl.safety.view import SafetyView

ID = "ledger_agrees"


def check(view: SafetyView) -> Iterator[Breach]:
    for symbol, sentence in sorted((view.disagreements or {}).items()):
        yield Breach(ID, Level.NO_ENTRIES, f"{symbol}: {sentence}", symbol)
