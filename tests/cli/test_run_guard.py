"""`tradectl run --guard`, the real executable: what it says it can and cannot do, and what it does under a halt."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from bot_process import BotDesk

from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType
from tradectl.sim.embedded import open_existing
from tradectl.sim.ops import PlaceOrder
from tradectl.store import session
from tradectl.store.database import Database


def bids(desk: BotDesk) -> None:
    """Somebody else's resting order, straight at the exchange's file."""
    exchange = open_existing(desk.folder / "bot.exchange.db", wall_ms=lambda: 1, durable=False)
    now_ms = exchange.host.state.server_ms
    request = OrderRequest(
        f"web-{exchange.host.state.next_order}", "SOLUSDT", OrderSide.BUY, OrderType.LIMIT, Decimal(1), now_ms,
        now_ms + 600_000, Decimal(20),
    )  # fmt: skip
    assert isinstance(exchange.host.execute(PlaceOrder(request, now_ms)).reply, Confirmed)
    exchange.host.close()


def test_it_says_what_it_can_and_cannot_do_and_reports_no_strategy(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    said = desk.run_well("--guard", "--cycles", "5", "--speed", "max")
    assert "session 1 in paper guard mode on sim" in said
    assert "GUARD: no strategy and no entries" in said and "GUARD CANNOT FENCE" in said
    assert "GUARD only reports positions without a stop that are not ours" in said
    after = said.partition("Session over: 5 cycles done")[2]
    for word in ("refused", "held back", "signals", "won", " R ", "why (not)"):
        assert word not in after, word
    assert "no strategy, no entries" in after and "killswitch activate" in after
    with Database.open(desk.store, expect=None, readonly=True) as db, db.read() as conn:
        newest = session.last(conn)
    assert newest is not None and newest.guard and newest.mode == "paper guard"


def test_the_configuration_may_ask_for_stops_and_scripts_read_what_it_was(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path, more="safety: {protection: {unexplained: protect}}\n")
    done = desk.call("--json", *desk.argv("--guard", "--cycles", "1", "--speed", "max"))
    assert done.returncode == 0 and "GUARD protects: a missing stop is placed on every position" in done.stderr
    assert json.loads(done.stdout)["report"]["guard"] is True


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    fresh = desk.run("--guard", "--fresh", "--cycles", "1")
    assert fresh.returncode == 3 and "--fresh" in fresh.stderr and not desk.store.exists()
    live = desk.call("--config", "config.yaml", "run", "--mode", "testnet", "--guard", "--cycles", "1")
    assert live.returncode == 78 and "not available yet" in live.stderr


def test_under_a_kill_switch_the_running_guard_goes_on_sweeping(tmp_path: Path) -> None:
    desk = BotDesk.make(tmp_path)
    with desk.start("--guard", "--speed", "3000") as bot:
        bot.wait_for("CYCLE_SUMMARY")
        bids(desk)
        done = desk.call("killswitch", "activate", "--state", desk.store.name, "--reason", "drill")
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stdout.startswith("NOT FENCED") and "CLEAN for" in done.stdout
        bot.wait_for("orders that can add exposure are cancelled in every pass")
        bids(desk)
        bot.wait_for("halted: 1 of 1 resting orders cancelled, 1 of them placed by others")
        second = desk.run("--cycles", "1")
        assert second.returncode == 79, "the lease is the guard's"
