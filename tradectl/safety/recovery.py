"""When a halt may clear itself. Everything that is not written here waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradectl.config.section_safety import AutoRecovery
from tradectl.domain.money import percent
from tradectl.domain.system_state import Latch, LatchName

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Facts:
    """Times are of what was seen to pass (domain/seen_time.py), so that no clock that is set shortens a wait.

    stood_ms: how long the newest halt has stood. recovered_ms: when it has recovered by itself before.
    utilisation None: not measurable.
    """

    now_ms: int
    stood_ms: int
    latches: Sequence[Latch]
    halt_file: bool
    utilisation: Decimal | None
    recovered_ms: Sequence[int]
    reconciled: bool
    covered: bool
    in_doubt: bool
    breached: bool = False  # an invariant would halt now


def refusals(facts: Facts, rules: AutoRecovery) -> tuple[str, ...]:
    """Why the system does not recover by itself now; empty: it may. Asked only while a halt of its own stands."""
    halts = [latch for latch in facts.latches if latch.name is LatchName.HALT]
    why = []
    others = [latch for latch in facts.latches if latch.name is not LatchName.HALT]
    if others or facts.halt_file:
        named = [latch.title for latch in others] + ["a halt file"] * facts.halt_file
        why.append(f"{', '.join(named)} is set as well")
    strange = sorted({latch.code for latch in halts if latch.code not in rules.reasons})
    if strange or not halts:
        why.append(f"{', '.join(strange) or 'no halt of its own'} waits for a person")
    stood_s = facts.stood_ms // 1000
    if stood_s < rules.after_seconds:
        why.append(f"it has stood for {stood_s} s of {rules.after_seconds}")
    if facts.utilisation is None or facts.utilisation >= rules.below_margin_utilization_pct:
        shown = percent(facts.utilisation) if facts.utilisation is not None else "not measurable"
        why.append(f"margin utilisation is {shown}, not below {percent(rules.below_margin_utilization_pct)}")
    if facts.breached:
        why.append("what halts it still holds")
    lately = [at_ms for at_ms in facts.recovered_ms if at_ms > facts.now_ms - DAY_MS]
    if len(lately) >= rules.max_per_day:
        why.append(f"it has recovered {len(lately)} times in 24 hours (limit {rules.max_per_day})")
    if not facts.reconciled:
        why.append("venue and books do not agree")
    if not facts.covered:
        why.append("a position is not covered by its stops")
    if facts.in_doubt:
        why.append("an order is in doubt")
    return tuple(why)
