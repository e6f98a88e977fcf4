"""A venue that misbehaves at random: whatever was lost, refused or late, the books come back to the venue's own.

Promises 1, 3, 5 and 7 as one property: no order twice, nothing guessed, covered again once the venue answers, and each
fill once.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from books import compare
from bot_kit import FLAT, SOL, D, Plan, Rig, Row, rig

from tradectl.domain.intent import Purpose
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.errors import Busy
from tradectl.sim.faults import Call, Delay, DropRequest, Fault, LoseAnswer, Refuse
from tradectl.sim.ops import CancelOrder
from tradectl.store import intents, journal, latches, ledger

KNOBS: dict[str, object] = {
    "perps.fast_period": 2,
    "perps.slow_period": 4,
    "perps.early_exit_on_cross": True,
    "perps.stop_loss_pct": D("0.004"),
    "perps.take_profit_pct": D("0.006"),
    "trading.max_daily_risk": D("0.9"),
    "risk_management.crisis_mode.drawdown_threshold": D("0.9"),
    f"sim.instruments.{SOL}": {"max_market_qty": 30},
}


def walk(dice: random.Random, count: int) -> list[Row]:
    """Candles of a random walk around 100, wild enough for stops and targets to be hit."""
    rows: list[Row] = []
    at = 10_000
    for _ in range(count):
        close = max(at + dice.randint(-60, 60), 5_000)
        high, low = max(at, close) + dice.randint(0, 40), min(at, close) - dice.randint(0, 40)
        rows.append((f"{at / 100}", f"{high / 100}", f"{low / 100}", f"{close / 100}"))
        at = close
    return rows


class Bad(Plan):  # type: ignore[misc]
    """Every call may go wrong, until it is told to behave."""

    def __init__(self, dice: random.Random, chance: float) -> None:
        super().__init__()
        self.dice = dice
        self.chance = chance

    def before(self, call: Call) -> Fault | None:
        super().before(call)
        if self.dice.random() >= self.chance:
            return None
        if not call.changes:
            return DropRequest()
        faults: list[Fault] = [DropRequest(), Refuse("busy", "later"), Delay(self.dice.randint(1, 9_000))]
        return self.dice.choice(faults)

    def after(self, call: Call) -> Fault | None:
        return LoseAnswer() if self.dice.random() < self.chance / 2 else None


def misbehave(desk: Rig, plan: Bad) -> None:
    desk.plan.on_before = None
    desk.plan.before = plan.before  # type: ignore[method-assign]
    desk.plan.after = plan.after  # type: ignore[method-assign]


def lose_stops(desk: Rig) -> None:
    """Somebody cancels every stop there is."""
    host = desk.embedded.host
    for order in [order.fact for order in host.state.orders.values() if order.fact.protective]:
        now = host.state.server_ms
        host.execute(CancelOrder(SOL, order.order_id, now, now + 5000))


def attempt(desk: Rig, *, step: bool) -> bool:
    try:
        desk.cycle(step=step)
    except Busy:
        return False
    return True


@pytest.mark.parametrize("seed", range(12))
def test_whatever_goes_wrong_the_books_come_back_to_the_venues_own(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    with rig(tmp_path, [*walk(dice, 90), *[FLAT] * 3], KNOBS) as desk:
        plan = Bad(dice, chance=dice.choice([0.05, 0.15, 0.3]))
        misbehave(desk, plan)
        done = True
        for _ in range(90):
            done = attempt(desk, step=done)
            if dice.random() < 0.1:
                lose_stops(desk)
            if dice.random() < 0.05:
                desk.latch(LatchName.PAUSE)
            elif dice.random() < 0.2:
                with desk.db.transaction() as conn:
                    latches.clear(conn, LatchName.PAUSE, "", by="ann", reason="done", at_ms=1)
        plan.chance = 0.0
        desk.run(desk.bot.clock.sleep(10))  # every request has expired by now
        for _ in range(3):
            assert attempt(desk, step=False)
        sent = [call.subject for call in plan.names("place")]
        assert len(sent) == len(set(sent)), "an order was sent twice"
        assert desk.read(intents.in_doubt) == ()
        assert all(latch.name is LatchName.PAUSE for latch in desk.read(latches.active))
        snapshot = desk.snapshot()
        for position in snapshot.positions:
            assert coverage(position, snapshot.orders).protection is Protection.COVERED
        assert desk.read(journal.verify).ok
        trades = desk.read(ledger.trades, 1000)
        entries = [one for one in desk.intents() if one.purpose is Purpose.ENTRY]
        assert entries, "the property is about a bot that trades"
    found = compare(tmp_path / "bot.db")
    assert found.differences == () and found.trades == len(trades)
