"""What the tests of a cycle share: its only decision, and candles that turn the averages round."""

from __future__ import annotations

from bot_kit import SAG, Rig, Row

from tradectl.domain.signal import Decision

TURN: list[Row] = [SAG] * 20


def only(desk: Rig, **how: bool) -> Decision:
    (decision,) = desk.cycle(**how).decisions
    return decision
