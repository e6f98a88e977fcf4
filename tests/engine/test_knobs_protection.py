"""The knobs of protection and exits: what becomes of a position without a stop, targets, break-even, the trail."""

from __future__ import annotations

from pathlib import Path

from bot_kit import CALM, SAG, SOL, UP, D, Rig, Row, refuse, rig
from knob_kit import QUIET, TO_TP1, TWO_TARGETS, Proofs, folder, place

from tradectl.domain.intent import Purpose
from tradectl.domain.money import text
from tradectl.domain.order import OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.system_state import LatchName
from tradectl.sim.ops import CancelOrder, PlaceOrder
from tradectl.store import latches

proves = Proofs()


@proves("safety.protection.unexplained")
def an_unexplained_position_is_protected_or_only_reported(tmp_path: Path) -> None:
    seen = {}
    for choice in ("protect", "report"):
        with rig(folder(tmp_path, choice), QUIET, {"safety.protection.unexplained": choice}) as desk:
            now_ms = desk.embedded.host.state.server_ms
            somebody = OrderRequest("by-hand", SOL, OrderSide.BUY, OrderType.MARKET, D(2), now_ms, now_ms + 5000)
            desk.embedded.host.execute(PlaceOrder(somebody, now_ms))
            desk.cycle()
            stops = [order for order in desk.snapshot().orders if order.protective]
            (position,) = desk.snapshot().positions
            seen[choice] = len(stops)
            assert desk.read(latches.get, LatchName.RECONCILE, SOL) is not None
            if stops:
                assert abs(stops[0].trigger_price - position.mark_price * D("0.99")) <= D("0.01")
    assert seen == {"protect": 1, "report": 0}


def cycles_until_closed(desk: Rig) -> int:
    """With a stop that was taken away, and a venue that takes no other."""
    desk.cycle()
    host = desk.embedded.host
    for order in desk.snapshot().orders:
        now_ms = host.state.server_ms
        host.execute(CancelOrder(SOL, order.order_id, now_ms, now_ms + 5000))
    refuse(desk, "no", "st")
    for turn in range(1, 9):
        desk.cycle()
        if not desk.snapshot().positions:
            return turn
    return 0


HELD: list[Row] = [UP, *[("100.5", "100.6", "100.4", "100.5")] * 9]


@proves("safety.protection.strikes")
def refusals_in_so_many_passes_close_a_position(tmp_path: Path) -> None:
    took = {}
    for strikes in (1, 2, 5):
        with rig(folder(tmp_path, strikes), HELD, {"safety.protection.strikes": strikes}) as desk:
            took[strikes] = cycles_until_closed(desk)
    assert took == {1: 1, 2: 2, 5: 5}


@proves("safety.protection.grace_seconds")
def grace_delays_that_after_a_start(tmp_path: Path) -> None:
    took = {}
    for seconds in (90, 901):
        with rig(folder(tmp_path, seconds), HELD, {"safety.protection.grace_seconds": seconds}) as desk:
            took[seconds] = cycles_until_closed(desk)
    assert took == {90: 2, 901: 4}


@proves("safety.protection.on_unprotectable")
def an_unprotectable_position_is_closed_or_trading_halted(tmp_path: Path) -> None:
    seen = {}
    for choice in ("close", "halt"):
        with rig(folder(tmp_path, choice), HELD, {"safety.protection.on_unprotectable": choice}) as desk:
            took = cycles_until_closed(desk)
            seen[choice] = took, desk.read(latches.get, LatchName.HALT, "protection") is not None
    assert seen == {"close": (2, False), "halt": (0, True)}


def levels(desk: Rig) -> tuple[list[str], list[str]]:
    """(stop triggers, target prices) that rest."""
    orders = desk.snapshot().orders
    stops = [text(order.trigger_price) for order in orders if order.protective]
    targets = [text(order.price or order.trigger_price) for order in orders if order.take_profit]
    return sorted(stops), sorted(targets)


@proves("exits.targets")
def targets_are_placed_as_shares_of_the_entry(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, CALM, TO_TP1], {"exits.targets": TWO_TARGETS}) as desk:
        assert desk.cycle().decisions[0].outcome == "entered"
        desk.cycle()
        whole = desk.snapshot().positions[0].qty
        (stop,), prices = levels(desk)
        risk = D("100.52") - D(stop)
        expected = [D("100.52") + risk * times for times in (1, 3)]
        assert [abs(D(price) - wanted) < D("0.03") for price, wanted in zip(prices, expected, strict=True)]
        resting = [order.qty for order in desk.snapshot().orders if order.take_profit]
        assert sum(resting) == whole and max(resting) - min(resting) <= D("0.1")
        desk.cycle()
        assert len(levels(desk)[1]) == 1 and desk.snapshot().positions[0].qty < whole


@proves("exits.break_even_after_tp1")
def break_even_moves_the_stop_to_the_entry_and_its_fees(tmp_path: Path) -> None:
    calm: Row = ("101.8", "101.9", "101.7", "101.8")
    for wanted in (True, False):
        knobs: dict[str, object] = {"exits.targets": TWO_TARGETS, "exits.break_even_after_tp1": wanted}
        with rig(folder(tmp_path, wanted), [UP, CALM, TO_TP1, calm], knobs) as desk:
            for _ in range(4):
                desk.cycle()
            (stop,), _ = levels(desk)
            assert (D(stop) > D("100.52")) is wanted
            left = [order for order in desk.snapshot().orders if order.protective]
            assert sum(order.remaining_qty for order in left) == desk.snapshot().positions[0].qty


@proves("exits.trailing_activation_atr_min", "exits.trailing_atr_multiple")
def the_stop_trails_from_the_first_target_on_where_the_market_moves_enough(tmp_path: Path) -> None:
    stops = {}
    rise: list[Row] = [("101.8", "102.4", "101.7", "102.3"), ("102.3", "102.9", "102.2", "102.8")]
    for least, multiple in (("0", 2), ("0.0001", 2), ("0.0001", 1), ("0.9", 2)):
        knobs: dict[str, object] = {
            "exits.targets": TWO_TARGETS,
            "exits.trailing_activation_atr_min": D(least),
            "exits.trailing_atr_multiple": D(multiple),
        }
        with rig(folder(tmp_path, f"{least}-{multiple}"), [UP, CALM, TO_TP1, *rise], knobs) as desk:
            for _ in range(5):
                desk.cycle()
            (stop,), _ = levels(desk)
            stops[least, multiple] = D(stop)
    at_break_even = stops["0", 2]
    assert stops["0.9", 2] == at_break_even, "the market does not move enough"
    assert at_break_even < stops["0.0001", 2] < stops["0.0001", 1]


@proves("perps.trigger_by")
def trigger_by_is_the_price_that_fires_stop_and_target(tmp_path: Path) -> None:
    for by in TriggerBy:
        with rig(folder(tmp_path, by.name), [UP, CALM], {"perps.trigger_by": by.value}) as desk:
            orders = desk.cycle().snapshot.orders
            assert [one.trigger_by for one in orders] == [by, by]
            host = desk.embedded.host
            now = host.state.server_ms
            host.execute(CancelOrder(SOL, orders[0].order_id, now, now + 5000))
            desk.cycle()
            placed = [one for one in desk.intents() if one.purpose is Purpose.STOP]
            assert [one.trigger_by for one in placed] == [by], "the stop that protection puts back as well"


@proves("perps.stop_loss_pct")
def stop_loss_pct_also_measures_the_stop_of_a_position_without_a_plan(tmp_path: Path) -> None:
    for distance, expected in ((D("0.01"), "99.01"), (D("0.03"), "97.01")):
        with rig(folder(tmp_path, distance), QUIET, {"perps.stop_loss_pct": distance, "sim.slippage_bps": 0}) as desk:
            place(desk.embedded, OrderSide.BUY, "2")  # somebody else's
            desk.cycle()
            (stop,) = [one.trigger_price for one in desk.intents()]
            assert abs(stop - D(expected)) <= D("0.01")


@proves("perps.early_exit_on_cross")
def early_exit_on_cross_leaves_at_the_reverse_cross(tmp_path: Path) -> None:
    left = {}
    for wanted in (True, False):
        with rig(folder(tmp_path, wanted), [UP, *[SAG] * 10], {"perps.early_exit_on_cross": wanted}) as desk:
            left[wanted] = [desk.cycle().decisions[0].outcome for _ in range(11)].count("exit")
    assert left == {True: 1, False: 0}


test_the_knob_changes_what_it_says = proves.tested()
