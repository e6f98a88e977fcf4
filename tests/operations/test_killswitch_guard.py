"""The kill switch where others trade the account: it sweeps until it stays clean, says NOT FENCED, and exits 1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from bot_kit import Ticking
from desk import Account, hold_lock, let_go

from tradectl.domain.order import Confirmed, OrderRequest, OrderSide, OrderType
from tradectl.execution.submit import Door
from tradectl.execution.sweep import EmergencyDoor, Hands, Swept
from tradectl.operations.killswitch_guard import LONGEST_WINDOWS, Watch, sweep_until_clean
from tradectl.sim.ops import PlaceOrder
from tradectl.store import emergency, latches, session
from tradectl.store.session import Session

WINDOW_MS = 5_000


def begin(acct: Account, mode: str = "paper guard") -> Session:
    """A session as `run` leaves it."""
    with acct.db() as db:
        emergency.prepare(db.path, emergency.Facts(db.identity, WINDOW_MS, 1_000, guard=mode.endswith("guard")))
        with db.transaction() as conn:
            return session.start(conn, mode=mode, config_digest="d", started_ms=1, started_wall_ms=1)


@pytest.fixture
def guarded(acct: Account) -> Account:
    begin(acct)
    return acct


def test_it_sweeps_waits_out_twice_the_window_says_not_fenced_and_exits_1(guarded: Account) -> None:
    guarded.long(qty="0.010")
    guarded.resting("ETHUSDT", "0.10")
    began_ms = guarded.server_ms()
    ran = guarded.tradectl("killswitch", "activate", "--reason", "spread blew out")
    assert ran.code == 1, ran.all
    assert ran.out.startswith("NOT FENCED main · sim · paper")
    assert "what else trades this account is not fenced; latch kill_switch set" in ran.out.splitlines()[0]
    assert "disable the API key" in ran.out
    assert "SWEPT: 2 cancelled, 1 kept" in ran.out and "CLEAN for 10.0 s" in ran.out
    assert "\nVERIFIED" not in ran.out and "AS LAST READ" in ran.out
    assert "FENCED" not in ran.out.replace("NOT FENCED", "")
    assert guarded.server_ms() - began_ms >= 2 * WINDOW_MS
    assert all(order.protective for order in guarded.orders().values()) and guarded.orders()
    with guarded.db() as db, db.read() as conn:
        assert [latch.name.value for latch in latches.active(conn)] == ["kill_switch"], "for the bot's own passes"


def test_scripts_read_that_it_is_not_fenced(guarded: Account) -> None:
    ran = guarded.tradectl("killswitch", "activate", "--json")
    assert ran.code == 1
    (one,) = ran.json["stores"]
    assert (one["fenced"], one["fenced_by"], one["guard"], one["exit_code"]) == (False, "latch", True, 1)
    assert one["watch"]["clean_ms"] >= 2 * WINDOW_MS


def test_a_session_that_has_ended_was_a_guards_still_and_a_traders_fences(guarded: Account) -> None:
    with guarded.db() as db, db.transaction() as conn:
        session.end(conn, at_ms=2, reason="stopped")
    assert guarded.tradectl("killswitch", "activate").code == 1
    begin(guarded, "paper")
    ran = guarded.tradectl("killswitch", "activate")
    assert ran.code == 0 and ran.out.startswith("FENCED main")


def test_a_store_that_is_locked_is_known_for_a_guards_all_the_same(guarded: Account) -> None:
    guarded.resting("ETHUSDT", "0.10")
    holder = hold_lock(guarded.store, "BEGIN EXCLUSIVE")
    try:
        ran = guarded.tradectl("killswitch", "activate")
    finally:
        let_go(holder)
    assert ran.code == 1 and "NOT FENCED: a guard session" in ran.out, ran.all
    assert "CLEAN for 10.0 s" in ran.out and not guarded.orders()


def test_status_and_state_say_that_nothing_else_is_fenced(guarded: Account) -> None:
    line = "guard: what else trades this account is not fenced"
    assert line in guarded.tradectl("killswitch", "status").out.splitlines()
    shown = guarded.tradectl("state", "show")
    assert line in shown.out.splitlines() and "entries allowed" not in shown.out
    page = guarded.tradectl("state", "show", "--json").json
    assert page["guard"] is True and page["entries_allowed"] is False
    guarded.tradectl("killswitch", "activate")
    status = guarded.tradectl("killswitch", "status", "--json")
    assert status.code == 1 and status.json["guard"] is True
    assert "effect: orders that can add exposure are cancelled in every pass" in guarded.tradectl("state", "show").out
    cleared = guarded.tradectl("killswitch", "clear", "--approver", "Ann", "--reason", "over", "--yes")
    assert cleared.code == 0 and "resting orders are no longer swept" in cleared.all, cleared.all


def test_pause_and_flatten_do_not_claim_to_hold_others_back(guarded: Account) -> None:
    paused = guarded.tradectl("pause", "--reason", "CPI")
    assert paused.code == 1 and "not fenced, nor paused" in paused.out and "disable its API key" in paused.out
    assert guarded.tradectl("resume").code == 0
    guarded.long(qty="0.010")
    flat = guarded.tradectl("flatten", "--reason", "over", "--yes")
    assert "may open again; only disabling its API key ends that" in flat.out, flat.all
    assert "nothing opens again" not in flat.out and "tradectl pause" not in flat.out
    assert guarded.tradectl("flatten", "--reason", "over", "--yes", "--json").json["entries_allowed"] is True


def swept(acct: Account, times: int, also: Callable[[], object] = bool) -> tuple[Watch, dict[str, Swept]]:
    """A sweep under which another trader places an order anew, `times` times, each time a second has passed."""
    clock_of, left = acct.embedded.clock, [times]
    began_ms = clock_of.now_ms()

    def act() -> None:
        if left[0] and clock_of.now_ms() - began_ms >= 1_000 * (times - left[0] + 1):
            left[0] -= 1
            also()
            place(acct)

    watch, latest = Watch(2 * WINDOW_MS), dict[str, Swept]()
    with acct.db() as db:
        venue, clock = acct.embedded.venue, Ticking(clock_of, on_slept=act)
        door = Door(db, venue, clock, epoch=0, actor="ann", recv_window_ms=WINDOW_MS)
        spare = EmergencyDoor(
            str(db.path), venue, clock, actor="ann", store_tag=db.identity.store_tag, recv_window_ms=WINDOW_MS
        )
        work = sweep_until_clean(Hands(door, spare), venue, clock, watch, latest, window_ms=WINDOW_MS, reason="test")
        asyncio.run(work)
    return watch, latest


def place(acct: Account) -> None:
    acct.placed += 1
    now_ms = acct.embedded.clock.now_ms()
    request = OrderRequest(
        f"other-{acct.placed}", "BTCUSDT", OrderSide.BUY, OrderType.LIMIT, Decimal("0.010"), now_ms, now_ms + 5_000,
        Decimal(1_000),
    )  # fmt: skip
    assert isinstance(acct.embedded.host.execute(PlaceOrder(request, now_ms)).reply, Confirmed)


def test_each_new_order_begins_the_wait_anew(guarded: Account) -> None:
    place(guarded)
    watch, latest = swept(guarded, 3)
    assert watch.clean and watch.came_up == 3 and watch.waited_ms >= 3_000 + 2 * WINDOW_MS
    assert len(latest) == 4 and all(one.result == "cancelled" for one in latest.values())
    assert not guarded.orders()


def test_a_market_that_steps_meanwhile_does_not_end_it_early(guarded: Account) -> None:
    place(guarded)
    watch, latest = swept(guarded, 1, also=lambda: guarded.embedded.step())
    assert watch.clean and watch.came_up == 1 and len(latest) == 2 and not guarded.orders()


def test_one_that_never_ceases_is_given_up_and_said(guarded: Account) -> None:
    watch, latest = swept(guarded, 1_000)
    assert not watch.clean and watch.came_up == len(latest) > 100
    assert watch.waited_ms > (LONGEST_WINDOWS - 1) * WINDOW_MS
