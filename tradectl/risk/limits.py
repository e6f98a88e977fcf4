"""Every gate that is an inequality, as one table: what the proof and the rules of coordination read.

What each says of the account is defined beside the gate that evaluates it; here they only meet.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradectl.domain.inequality import Inequality
from tradectl.risk import caps
from tradectl.risk.gates import daily_loss, daily_loss_room, drawdown, margin_ratio, position_count


@dataclass(frozen=True, slots=True)
class GateLimit:
    """`after`: it holds of the account with the entry in it; else of the account as it is before."""

    gate: str
    inequality: Inequality
    after: bool


def gate_limits() -> tuple[GateLimit, ...]:
    """In the order of the gates. Read anew each time: who changes a gate changes this."""
    return (
        GateLimit("daily_loss", daily_loss.LIMIT, after=False),
        GateLimit("drawdown", drawdown.LIMIT, after=False),
        GateLimit("margin_ratio", margin_ratio.LIMIT, after=False),
        GateLimit("position_count", position_count.LIMIT, after=True),
        GateLimit(caps.BY_RISK.name, caps.BY_RISK.inequality, after=True),
        *(GateLimit(cap.name, cap.inequality, after=True) for cap in caps.CAPS),
        GateLimit("daily_loss_room", daily_loss_room.LIMIT, after=True),
    )
