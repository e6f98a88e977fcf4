"""A guard session in a real bot: others trade the account; it looks after what is there, and enters nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bot_kit import CALM, CRASH, FLAT, SOL, UP, D, Rig, Row, lines, refuse, rig

from tradectl.domain.emergency_stop import EssState
from tradectl.domain.intent import Purpose
from tradectl.domain.order import Confirmed, OrderFact, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.engine.assemble import Assembled
from tradectl.errors import EntryRefused
from tradectl.execution.submit import Door
from tradectl.sim.ops import PlaceOrder, Transfer
from tradectl.store import decisions, halt, latches, outbox, safety, seen_orders, session

BUY, SELL = OrderSide.BUY, OrderSide.SELL
QUIET: list[Row] = [UP, *[CALM] * 30]
PROTECT = {"safety.protection.unexplained": "protect"}


def other(desk: Rig, side: OrderSide, kind: OrderType, qty: str, price: str | None = None, **more: Any) -> OrderFact:
    """Somebody else's order, straight at the exchange."""
    host = desk.embedded.host
    now_ms = host.state.server_ms
    request = OrderRequest(
        f"web-{host.state.next_order}", SOL, side, kind, D(qty), now_ms, now_ms + 5_000,
        D(price) if price else None, **more,
    )  # fmt: skip
    outcome = host.execute(PlaceOrder(request, now_ms)).reply
    assert isinstance(outcome, Confirmed), outcome
    return outcome.order


def buys(desk: Rig, qty: str = "5") -> None:
    other(desk, BUY, OrderType.MARKET, qty)


def bids(desk: Rig, price: str = "90", qty: str = "1") -> str:
    return other(desk, BUY, OrderType.LIMIT, qty, price).order_id


def stop(desk: Rig, price: str, qty: str = "5") -> str:
    more: dict[str, Any] = {"trigger_price": D(price), "trigger_by": TriggerBy.LAST, "reduce_only": True}
    return other(desk, SELL, OrderType.STOP_MARKET, qty, **more).order_id


def target(desk: Rig, price: str = "150", qty: str = "1") -> str:
    return other(desk, SELL, OrderType.LIMIT, qty, price, reduce_only=True).order_id


def resting(desk: Rig) -> set[str]:
    return {order.order_id for order in desk.snapshot().orders}


def standing(desk: Rig) -> list[str]:
    return [latch.title for latch in desk.read(latches.active)]


def protection(desk: Rig) -> Protection:
    seen = desk.snapshot()
    (held,) = seen.positions
    return coverage(held, seen.orders).protection


def session_of(assembled: Assembled) -> tuple[int, str]:
    return assembled.session.number, assembled.session.mode


def test_it_reads_no_candles_decides_nothing_and_enters_nothing(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, guard=True) as desk:
        for _ in range(4):
            report = desk.cycle()
            assert report.decisions == [] and report.signals == 0
        assert not desk.plan.names("candles") and not desk.plan.names("ticker")
        assert desk.intents() == [] and desk.read(decisions.symbols) == []
    with rig(_beside(tmp_path), QUIET) as normal:
        normal.cycle()
        assert normal.intents()[0].purpose is Purpose.ENTRY, "on these candles a bot that trades enters"


def _beside(folder: Path) -> Path:
    (folder / "normal").mkdir()
    return folder / "normal"


def test_the_door_itself_takes_no_entry_whoever_asks_and_when(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, guard=True) as desk:
        with pytest.raises(EntryRefused) as refused:
            desk.run(desk.bot.door.submit(desk.entry()))
        assert refused.value.code == "guard"
        operators = Door(desk.db, desk.bot.venue, desk.bot.clock, epoch=0, actor="ann", recv_window_ms=5_000)
        desk.write(lambda conn: session.end(conn, at_ms=1, reason="over"))
        for door in (desk.bot.door, operators):
            with pytest.raises(EntryRefused):
                desk.run(door.submit(desk.entry()))
        assert desk.intents() == [] and not desk.plan.names("place")


def test_by_default_what_others_hold_is_reported_and_nothing_of_it_touched(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, guard=True) as desk, lines(desk, tmp_path) as said:
        buys(desk)
        theirs = {bids(desk), bids(desk, "95"), target(desk)}
        for _ in range(12):  # some reconciliations among them
            assert desk.cycle().system_state == "NORMAL"
        assert standing(desk) == [], "neither blocks nor halts"
        assert resting(desk) == theirs and desk.read(seen_orders.among, sorted(theirs)) == theirs
        assert desk.intents() == [] and protection(desk) is Protection.NAKED
        counts = desk.read(outbox.count_by_type)
        assert counts == {"new_position": 1, "safety_naked_position": 1}
        text = "\n".join(said())
        assert text.count("opened by orders that are not ours") == 1
        assert "guard: 1 position, NOT PROTECTED: SOLUSDT; 3 orders of others; equity" in text
        assert "refused" not in text and "no entries" not in text


def test_a_bare_position_that_is_only_reported_costs_no_further_look(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, guard=True) as desk:
        buys(desk)
        desk.cycle()
        desk.plan.calls.clear()
        desk.cycle()
        pictures = [call for call in desk.plan.calls if call.name == "snapshot"]
        assert len(pictures) <= 3, [call.name for call in desk.plan.calls]


def test_asked_to_protect_it_places_the_missing_stop_and_nothing_else(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, PROTECT, guard=True) as desk:
        buys(desk)
        theirs = {bids(desk), target(desk)}
        desk.cycle()
        (placed,) = desk.intents()
        assert placed.purpose is Purpose.STOP and protection(desk) is Protection.COVERED
        desk.cycle()
        assert len(desk.intents()) == 1 and resting(desk) >= theirs and standing(desk) == []


def test_what_is_not_ours_is_never_closed_also_where_its_stop_is_refused(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, *[CALM] * 10, CRASH, *[CALM] * 10], PROTECT, guard=True) as desk:
        refuse(desk, "would_trigger", "st")
        buys(desk)
        for _ in range(16):
            desk.cycle()
        assert desk.snapshot().position(SOL) is not None and standing(desk) == []
        assert {one.purpose for one in desk.intents()} == {Purpose.STOP}
        assert desk.read(outbox.count_by_type)["safety_naked_position"] >= 2, "said again while it lasts"


def test_their_own_stop_counts_and_is_left_alone(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, PROTECT, guard=True) as desk:
        buys(desk)
        theirs = {stop(desk, "95"), stop(desk, "97")}
        for _ in range(4):
            desk.cycle()
        assert desk.intents() == [] and resting(desk) == theirs


def test_a_stop_of_ours_goes_with_their_position_and_follows_it_to_the_other_side(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, PROTECT, guard=True) as desk:
        buys(desk)
        desk.cycle()
        other(desk, BUY, OrderType.MARKET, "3")
        desk.cycle()
        assert protection(desk) is Protection.COVERED and desk.snapshot().positions[0].qty == 8
        other(desk, SELL, OrderType.MARKET, "12")
        desk.cycle()
        assert protection(desk) is Protection.COVERED and desk.snapshot().positions[0].qty == -4
        other(desk, BUY, OrderType.MARKET, "4")
        desk.cycle()
        assert desk.snapshot().orders == () and standing(desk) == []


def test_a_halt_file_is_swept_for_as_a_latch_is(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, guard=True) as desk:
        halt.write(str(desk.db.path), "kill switch: the store was locked")
        bids(desk)
        assert desk.cycle().system_state == "HALTED"
        assert desk.snapshot().orders == ()


def test_a_margin_halt_cancels_what_could_add_whoever_placed_it_in_each_pass(tmp_path: Path) -> None:
    knobs = {"safety.degraded_margin_utilization_pct": "0.005", "safety.max_margin_utilization_pct": "0.01"}
    with rig(tmp_path, QUIET, knobs, guard=True) as desk, lines(desk, tmp_path) as said:
        buys(desk)
        kept = {stop(desk, "95"), target(desk)}
        bids(desk)
        assert desk.cycle().system_state == "HALTED"
        assert standing(desk) == ["halt (margin_utilisation)"] and resting(desk) == kept
        bids(desk, "91")
        desk.cycle()
        assert resting(desk) == kept and desk.snapshot().positions, "again, and nothing is closed"
        assert sum("1 of them placed by others" in line for line in said()) == 2
        assert any("ALERT[safety_halt]" in line and "MARGIN_CRITICAL" in line for line in said())


def test_position_count_and_drawdown_are_judged_as_ever(tmp_path: Path) -> None:
    knobs = {"safety.max_equity_drawdown_pct": "0.00002", "safety.degraded_equity_drawdown_pct": "0.00001"}
    with rig(tmp_path, QUIET, knobs, guard=True) as desk:
        desk.cycle()
        buys(desk)
        desk.cycle()
        assert "halt (equity_drawdown)" in standing(desk), "their fee is more than that"


def test_the_emergency_stop_trips_on_what_others_lose_and_cools_down_once_swept(tmp_path: Path) -> None:
    knobs = {"ess.enabled": True, "ess.max_open_loss_pct": "0.0001"}
    with rig(tmp_path, [UP, CALM, CRASH, *[("99.6", "99.7", "99.5", "99.6")] * 9], knobs, guard=True) as desk:
        buys(desk)
        bids(desk, "80")
        desk.cycle()
        desk.cycle()
        desk.cycle()
        assert [latch.name for latch in desk.read(latches.active)] == [LatchName.ESS_TRIPPED]
        assert not desk.snapshot().orders
        desk.cycle()
        assert desk.read(safety.ess).state is EssState.COOLING_DOWN and desk.snapshot().positions


def test_what_others_trade_and_move_explains_the_equity(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, {"safety.max_equity_jump_pct": "0.0001"}, guard=True) as desk:
        desk.cycle()
        for side, qty in ((BUY, "4"), (SELL, "9"), (BUY, "7")):
            other(desk, side, OrderType.MARKET, qty)
            desk.embedded.host.execute(Transfer(D(3000), desk.embedded.host.state.server_ms))
            assert desk.cycle().system_state == "NORMAL" and standing(desk) == []


def test_only_what_can_halt_is_shown_as_a_limit(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, guard=True) as desk:
        desk.cycle()
        names = {name for (name,) in desk.read(lambda conn: conn.execute("SELECT name FROM limits").fetchall())}
        assert names == {"margin_utilisation_halt", "equity_drawdown_halt", "position_count_halt"}


def test_a_guard_goes_on_with_its_own_session_and_begins_another_over_a_traders(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET) as trader:
        trader.cycle()
        assert session_of(trader.assembled) == (1, "paper")
        assert protection(trader) is Protection.COVERED
    with rig(tmp_path, QUIET, guard=True) as desk:
        assert session_of(desk.assembled) == (2, "paper guard")
        ended = desk.read(lambda conn: conn.execute("SELECT end_reason FROM sessions WHERE number = 1").fetchone()[0])
        assert ended == "superseded by a run with another purpose: paper guard"
        for order in desk.snapshot().orders:
            if order.protective:
                desk.run(desk.embedded.venue.cancel(SOL, order.order_id, *_now(desk)))
        desk.cycle()
        assert protection(desk) is Protection.COVERED, "what this store opened stays managed"
        assert desk.intents()[-1].purpose is Purpose.STOP
    with rig(tmp_path, QUIET, guard=True) as again:
        assert session_of(again.assembled) == (2, "paper guard")


def _now(desk: Rig) -> tuple[int, int]:
    now_ms = desk.embedded.host.state.server_ms
    return now_ms, now_ms + 5_000


def test_a_trader_over_a_guards_session_begins_anew_and_blocks_what_it_cannot_explain(tmp_path: Path) -> None:
    with rig(tmp_path, [FLAT] * 20, guard=True) as desk:
        buys(desk)
        desk.cycle()
        assert standing(desk) == []
    with rig(tmp_path, [FLAT] * 20) as trader:
        assert session_of(trader.assembled) == (2, "paper")
        assert standing(trader) == ["reconcile on SOLUSDT"]
    with rig(tmp_path, [FLAT] * 20, guard=True) as desk:
        desk.cycle()
        assert standing(desk) == ["reconcile on SOLUSDT"], "a block stays until its finding is gone"
        other(desk, SELL, OrderType.MARKET, "5")
        desk.cycle()
        assert standing(desk) == []


def test_a_latch_of_an_operator_holds_in_a_guard_session_and_its_words_are_the_guards(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, guard=True) as desk, lines(desk, tmp_path) as said:
        desk.latch(LatchName.KILL_SWITCH, reason="spread blew out")
        buys(desk)
        bids(desk)
        assert desk.cycle().system_state == "HALTED" and not desk.snapshot().orders
        text = "\n".join(said())
        assert "orders that can add exposure are cancelled in every pass, whoever placed them" in text
        assert "no entries" not in text
