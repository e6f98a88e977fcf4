"""What the hard cases of protection share: one pass over the positions, and what it sent and said."""

from __future__ import annotations

from bot_kit import SOL, Rig

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.order import TriggerBy
from tradectl.execution.protect import Protected, protect
from tradectl.execution.unprotectable import Strikes
from tradectl.store import ledger, outbox

TWO = ("ETHUSDT", SOL)
LAST = TriggerBy.LAST


def go(desk: Rig, snapshot=None, strikes: Strikes | None = None) -> Protected:
    return desk.run(
        protect(
            desk.db, desk.bot.door, snapshot or desk.snapshot(), desk.read(ledger.open_trades),
            dict(desk.bot.instruments), desk.bot.protection, desk.bot.clock.now_ms(), strikes=strikes,
        )
    )  # fmt: skip


def stops_sent(desk: Rig) -> list[IntentState]:
    return [one.state for one in desk.intents() if one.purpose is Purpose.STOP]


def naked_alerts(desk: Rig) -> list[str]:
    return [one.text for one in desk.read(outbox.pending, 100) if one.type == "safety_naked_position"]
