"""A deposit is no profit and a withdrawal no loss: limits move with the money, the books still agree."""

from __future__ import annotations

from decimal import Decimal

import pytest
from books import compare
from bot_kit import CALM, CRASH, FLAT, UP, D, lines, rig

from tradectl.sim.ops import Transfer
from tradectl.store import journal, risk, transfers


def move(desk, amount: str) -> None:
    host = desk.embedded.host
    applied = host.execute(Transfer(D(amount), host.state.server_ms))
    assert applied.reply is None


@pytest.mark.parametrize("amount", ["5000", "-5000"])
def test_daily_loss_and_drawdown_do_not_see_a_transfer(tmp_path, amount: str) -> None:
    with rig(tmp_path, [UP, CRASH, FLAT, FLAT]) as desk:
        desk.cycle()
        desk.cycle()
        before = desk.read(risk.load)
        equity = desk.snapshot().equity
        assert before.daily_loss(equity) > 0
        move(desk, amount)
        desk.cycle()
        after = desk.read(risk.load)
        moved = desk.snapshot().equity
        assert moved == equity + D(amount)
        assert abs(after.daily_loss(moved) - before.daily_loss(equity)) < Decimal("0.0001")
        assert abs(after.drawdown(moved) - before.drawdown(equity)) < Decimal("0.0001")


def test_a_transfer_is_booked_once_said_and_the_ledger_still_equals_the_books(tmp_path) -> None:
    with rig(tmp_path, [FLAT, UP, CALM]) as desk:
        desk.cycle()
        with lines(desk, tmp_path) as log:
            move(desk, "250.5")
            desk.cycle()
            desk.cycle()
            said = [line for line in log() if " TRANSFER: " in line]
        assert len(said) == 1 and "deposit of 250.50 USDT: neither profit nor loss" in said[0]
        assert desk.read(transfers.total) == D("250.5")
        rows = desk.read(lambda conn: journal.page(conn, kind="transfer"))
        assert len(list(rows)) == 1
        store = desk.db.path
    assert compare(store).differences == ()
