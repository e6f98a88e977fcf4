"""Who meets a store of an older schema: a reader, the kill switch, a backup, another account's bot, and its own bot."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import store_v1
from bot_kit import CALM, SOL, UP, WALL_MS, rig
from older_store import AT_MS, upgrade, version
from store_v1 import STAMP, dump

from tradectl.domain.lifecycle import Origin, PositionState
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.errors import ExitCode, StoreMismatch, StoreRefused
from tradectl.operations import state_backup
from tradectl.sim.ops import CancelOrder
from tradectl.store import fence, latches, ledger, migrations, positions
from tradectl.store.database import Database
from tradectl.store.verify import verify


def test_who_only_reads_is_told_of_the_older_schema_and_changes_nothing(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(StoreRefused, match="older schema 1") as caught:
        Database.open(old, expect=STAMP, readonly=True)
    assert caught.value.exit_code is ExitCode.REFUSED and str(old) in caught.value.where
    assert "brought up to date" in caught.value.hint
    assert [check.name for check in verify(old).failed] == ["opens"]
    assert old.read_bytes() == before


def test_a_store_that_is_refused_is_not_brought_up_to_date_either(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(StoreMismatch):
        Database.open(old, expect=replace(STAMP, account="other"), at_ms=AT_MS)
    assert old.read_bytes() == before


def test_the_kill_switch_halts_a_store_of_the_older_schema_and_the_halt_comes_along(old: Path) -> None:
    assert fence.fence(str(old), by="ann", reason="fire").how == "latch"
    assert version(old) == 1
    upgrade(old)
    with Database.open(old, expect=STAMP, durable=False) as db, db.read() as conn:
        latch = latches.get(conn, LatchName.KILL_SWITCH)
        assert latch is not None and (latch.set_by, latch.reason) == ("ann", "fire")
        assert {(one.name.value, one.scope) for one in latches.active(conn)} == {
            ("kill_switch", ""), ("pause", ""), ("unknown_order", "XUSDT"), ("reconcile", "YUSDT"),
        }  # fmt: skip


def test_a_backup_command_refuses_the_older_schema_and_a_copy_of_the_file_has_the_old_content(old: Path) -> None:
    with pytest.raises(StoreRefused, match="older schema 1"):
        state_backup.apply(state_backup.plan(old, None, 1))
    folder = old.parent / "backups"
    assert not folder.exists() or list(folder.iterdir()) == []
    copy = old.with_name("copy.db")
    shutil.copy(old, copy)
    before = dump(old)
    upgrade(old)
    assert dump(copy) == before and version(copy) == 1
    upgrade(copy)
    assert dump(copy) == dump(old)


@pytest.mark.parametrize("stripped", [False, True])
def test_a_bot_that_restarts_on_it_takes_its_position_over_and_protects_it(tmp_path: Path, stripped: bool) -> None:
    rows = [UP, CALM, CALM, CALM]
    with rig(tmp_path, rows) as desk:
        desk.cycle()
        desk.cycle()
        booked = desk.read(ledger.open_trade, SOL)
        orders = desk.snapshot().orders_of(SOL)
        assert booked is not None and orders
        if stripped:
            host = desk.embedded.host
            for order in orders:
                host.execute(CancelOrder(SOL, order.order_id, host.state.server_ms, host.state.server_ms + 5_000))
    store_v1.bring_down(tmp_path / "bot.db")
    assert version(tmp_path / "bot.db") == 1 and "opener" not in dump(tmp_path / "bot.db")["open_trades"][0]
    with rig(tmp_path, rows) as desk:
        assert desk.read(migrations.applied)[1:] == [(2, "positions", WALL_MS), (3, "safety", WALL_MS)]
        trade, held = desk.read(ledger.open_trade, SOL), desk.read(positions.of, SOL)
        assert replace(trade, naked_since_ms=None) == booked, "who opened it is known again"
        assert held is not None and (held.state, held.origin) == (PositionState.OPEN, Origin.EXPLAINED)
        assert held.trade_number == booked.number
        report = desk.cycle()
        (position,) = desk.snapshot().positions
        assert coverage(position, desk.snapshot().orders).protection is Protection.COVERED
        assert coverage(position, desk.snapshot().orders).stop_price == booked.stop_price
        assert report.snapshot.doubts == () and desk.read(latches.active) == ()
