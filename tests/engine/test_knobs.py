"""Each knob that a step reads changes what it says it changes; none is read by nothing.

The knobs of gates and sizing have their tests in tests/risk; the inventory at the end looks there too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from bot_kit import CALM, FIVE_MS, FLAT, SAG, SOL, UP, WALL_MS, D, Rig, Row, configure, lines, refuse, rig

from tradectl.config.available import refuse_unavailable
from tradectl.config.knob import fact_of, walk
from tradectl.config.load import load
from tradectl.config.schema import Config, SimInstrument
from tradectl.domain.candle import INTERVALS_MS, MINUTE_MS, Candle
from tradectl.domain.fill import Fill
from tradectl.domain.intent import Purpose
from tradectl.domain.money import text
from tradectl.domain.order import Confirmed, OrderFact, OrderRequest, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import PositionFact
from tradectl.domain.signal import Decision, Signal
from tradectl.domain.system_state import LatchName
from tradectl.engine import daemon
from tradectl.engine.assemble import RunOptions, store_path
from tradectl.engine.recover import recover
from tradectl.errors import StoreMismatch, VenueUnreachable
from tradectl.sim.embedded import Embedded, open_embedded
from tradectl.sim.faults import DropRequest
from tradectl.sim.ops import CancelOrder, PlaceOrder
from tradectl.store import latches, ledger, outbox
from tradectl.strategy.select import make
from tradectl.venue.pace import Pace
from tradectl.venue.paced import PacedVenue

Proof = Callable[[Path], None]
PROOFS: dict[str, Proof] = {}
QUIET: list[Row] = [FLAT] * 8
ROOT = Path(__file__).resolve().parents[2]


def proves(*knobs: str) -> Callable[[Proof], Proof]:
    def keep(proof: Proof) -> Proof:
        PROOFS.update(dict.fromkeys(knobs, proof))
        return proof

    return keep


def folder(tmp_path: Path, name: object) -> Path:
    made = tmp_path / str(name)
    made.mkdir()
    return made


def market(**knobs: object) -> Embedded:
    """A simulated exchange in memory, with these knobs."""
    return open_embedded(configure({key.replace("__", "."): value for key, value in knobs.items()}), None, wall_ms=wall)


def wall() -> int:
    return WALL_MS


def order(
    exchange: Embedded, side: OrderSide, qty: str, kind: OrderType = OrderType.MARKET, price: Decimal | None = None
) -> OrderFact:
    now = exchange.host.state.server_ms
    symbol = next(iter(exchange.host.state.instruments))
    plain = OrderRequest(f"t{exchange.host.state.next_order}", symbol, side, kind, D(qty), now, now + 5000, price)
    reply = exchange.host.execute(PlaceOrder(plain, now)).reply
    assert isinstance(reply, Confirmed)
    return reply.order


def closes(exchange: Embedded, count: int = 20) -> list[Decimal]:
    symbol = exchange.feed.symbols[0]
    for _ in range(count):
        exchange.step()
    market_ms = exchange.host.state.market_ms
    interval = next(name for name, ms in INTERVALS_MS.items() if ms == exchange.feed.interval_ms)
    return [bar.close for bar in exchange.feed.candles(symbol, interval, count, market_ms)]


def fill_price(exchange: Embedded) -> Decimal:
    price = order(exchange, OrderSide.BUY, "1").average_price
    assert price is not None
    return price


# The store and the account.


@proves("account")
def account_names_the_store_and_is_stamped_into_it(tmp_path: Path) -> None:
    assert store_path(configure({"account": "swing"}), RunOptions()) == Path("data/swing-paper.db")
    with rig(tmp_path, QUIET, {"account": "swing"}) as desk:
        assert desk.db.identity.account == "swing"
    with pytest.raises(StoreMismatch, match="account"), rig(tmp_path, QUIET, {"account": "other"}):
        pytest.fail("another account's store was opened")


@proves("state.path")
def state_path_is_where_the_store_lies(tmp_path: Path) -> None:
    config = configure({"state.path": str(tmp_path / "{environment}-of-{account}.db")})
    assert store_path(config, RunOptions()) == tmp_path / "paper-of-main.db"
    assert store_path(config, RunOptions(store_path=Path("given.db"))) == Path("given.db")


@proves("venue.name")
def venue_name_is_stamped_and_only_the_built_one_runs(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET) as desk:
        assert desk.db.identity.venue == "sim"
    with pytest.raises(StoreMismatch, match="venue"), rig(tmp_path, QUIET, {"venue.name": "bybit"}):
        pytest.fail("another venue's store was opened")
    assert refused_by_this_build(tmp_path, 'venue = { name = "bybit" }') == ["venue.name"]


def refused_by_this_build(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "asked.toml"
    path.write_text(text + "\n")
    return [fault.what.split(" = ")[0] for fault in refuse_unavailable(load((path,)), "paper")]


# Cadence and the venue's manners.


@proves("engine.cycle_seconds")
def cycle_seconds_is_the_pause_on_a_wall_clock(tmp_path: Path) -> None:
    for seconds in (15, 40):
        knobs: dict[str, object] = {"engine.cycle_seconds": seconds, "sim.clock": "wall"}
        with rig(folder(tmp_path, seconds), None, knobs, ready=False) as desk:
            assert daemon._pause_seconds(desk.assembled, True) == seconds
            assert daemon._pause_seconds(desk.assembled, False) == daemon.RETRY_SECONDS


@proves("engine.closed_trades_seconds")
def closed_trades_seconds_is_how_often_fills_are_asked_for_while_nothing_happens(tmp_path: Path) -> None:
    asked = {}
    for seconds in (300, 1200):
        with rig(folder(tmp_path, seconds), QUIET, {"engine.closed_trades_seconds": seconds}) as desk:
            desk.plan.calls.clear()
            for _ in range(8):
                desk.cycle()
            asked[seconds] = len(desk.plan.names("account_events"))
    assert asked == {300: 8, 1200: 2}


@proves("venue.recv_window_ms")
def recv_window_is_how_long_a_request_lives(tmp_path: Path) -> None:
    for window in (5000, 900):
        with rig(folder(tmp_path, window), QUIET, {"venue.recv_window_ms": window}) as desk:
            intent = desk.run(desk.assembled.bot.door.submit(desk.entry())).intent
            assert intent.expires_ms - intent.created_ms == window


class Skewed:
    """A venue whose clock runs ahead of ours."""

    def __init__(self, inner: object, ahead_ms: int) -> None:
        self._inner = inner
        self._ahead_ms = ahead_ms

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def skew_ms(self) -> int:
        return self._ahead_ms


@proves("venue.max_clock_skew_ms")
def clock_skew_beyond_the_bound_refuses_entries(tmp_path: Path) -> None:
    seen = {}
    for bound in (1000, 2000):
        with rig(folder(tmp_path, bound), [UP], {"venue.max_clock_skew_ms": bound}, ready=False) as desk:
            desk.bot = replace(desk.bot, clock=Skewed(desk.bot.clock, 1500))  # type: ignore[arg-type]
            assert desk.run(recover(desk.bot))
            seen[bound] = desk.cycle().decisions[0].code
    assert seen == {1000: "fresh", 2000: "entered"}


@proves("perps.max_requests_per_second", "perps.max_requests_per_minute")
def the_paces_slow_a_cycle_down(tmp_path: Path) -> None:
    waited = {}
    for name, value in (("second", 1), ("second", 1000), ("minute", 3), ("minute", 60000)):
        with rig(folder(tmp_path, f"{name}{value}"), QUIET, {f"perps.max_requests_per_{name}": value}) as desk:
            desk.bot.pace.take_throttled_ms()
            waited[name, value] = desk.cycle().throttled_ms
            pace = desk.assembled.bot.pace
            assert {"second": pace.per_second, "minute": pace.per_minute}[name] == value
    assert waited["second", 1000] == waited["minute", 60000] == 0
    assert waited["second", 1] >= 2000 and waited["minute", 3] >= 55_000


@proves("execution.read_backoff_seconds")
def read_backoff_is_how_often_and_how_long_a_read_is_tried_again(tmp_path: Path) -> None:
    for pauses in ([], [D(2), D(3)]):
        with rig(folder(tmp_path, len(pauses)), QUIET, {"execution.read_backoff_seconds": pauses}) as desk:
            desk.plan.before_faults["snapshot"] = [DropRequest()] * 9
            before, calls = desk.bot.clock.now_ms(), len(desk.plan.names("snapshot"))
            with pytest.raises(VenueUnreachable):
                desk.cycle(step=False)
            assert len(desk.plan.names("snapshot")) - calls == len(pauses) + 1
            assert desk.bot.clock.now_ms() - before == sum(pauses) * 1000
            built = desk.assembled.bot.venue._inner
            assert isinstance(built, PacedVenue) and isinstance(built.pace, Pace)


@proves("execution.symbol_spacing_ms")
def symbol_spacing_keeps_the_orders_of_a_split_entry_apart(tmp_path: Path) -> None:
    for spacing in (500, 1700):
        knobs: dict[str, object] = {
            "execution.symbol_spacing_ms": spacing,
            f"sim.instruments.{SOL}": {"max_market_qty": 20},
        }
        with rig(folder(tmp_path, spacing), [UP], knobs) as desk:
            assert desk.cycle().decisions[0].outcome == "entered"
            sent = [one.created_ms for one in desk.intents()]
            assert len(sent) == 3
            assert {after - before for before, after in pairwise(sent)} == {spacing}


@proves("engine.reconcile_seconds")
def reconcile_seconds_is_how_often_both_sides_are_compared(tmp_path: Path) -> None:
    compared = {}
    for seconds in (120, 1500):
        with rig(folder(tmp_path, seconds), [FLAT] * 10, {"engine.reconcile_seconds": seconds}) as desk:
            seen = []
            for _ in range(10):
                desk.cycle()
                seen.append(desk.bot.memory.reconciled_ms)
            compared[seconds] = len(set(seen))
    assert compared == {120: 10, 1500: 3}


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


TWO_TARGETS = [{"distance_r": 1, "fraction": "0.5"}, {"distance_r": 3, "fraction": "0.5"}]
TO_TP1: Row = ("100.5", "102.2", "100.4", "101.8")  # through 1R above the entry of UP, not through 3R


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


# What is traded, and how.


@proves("perps.enabled")
def perps_enabled_permits_entries(tmp_path: Path) -> None:
    with rig(folder(tmp_path, "on"), [UP]) as desk:
        assert desk.cycle().decisions[0].outcome == "entered"
    with rig(folder(tmp_path, "off"), [UP], {"perps.enabled": False}) as desk:
        assert desk.cycle().decisions[0].code == "enabled" and desk.intents() == []


@proves("perps.symbol", "market.candidate_symbols")
def the_market_traded_is_the_candidates_or_else_the_symbol(tmp_path: Path) -> None:
    for knobs, expected in (
        ({"perps.symbol": "BTCUSDT"}, ("BTCUSDT",)),
        ({"perps.symbol": "BTCUSDT", "market.candidate_symbols": ["SOLUSDT", "ETHUSDT"]}, ("ETHUSDT", "SOLUSDT")),
    ):
        with rig(folder(tmp_path, len(expected)), None, knobs) as desk:
            assert tuple(one.symbol for one in desk.cycle().decisions) == expected


@proves("perps.interval")
def interval_is_the_length_of_the_candles_that_are_read(tmp_path: Path) -> None:
    for interval in ("5m", "15m"):
        with rig(folder(tmp_path, interval), None, {"perps.interval": interval}) as desk:
            first = desk.cycle().decisions[0].candle_open_ms
            second = desk.cycle().decisions[0].candle_open_ms
            assert first is not None and second == first + INTERVALS_MS[interval]


@proves("perps.margin_mode")
def margin_mode_is_isolated_and_cross_is_refused(tmp_path: Path) -> None:
    with rig(tmp_path, [UP]) as desk:
        assert desk.cycle().snapshot.positions[0].margin_mode == "isolated"
    assert refused_by_this_build(tmp_path, 'perps = { marginMode = "cross" }') == ["perps.marginMode"]


@proves("perps.leverage")
def leverage_is_set_at_the_venue_before_the_first_order(tmp_path: Path) -> None:
    for leverage in (5, 3):
        with rig(folder(tmp_path, leverage), [UP], {"perps.leverage": leverage}) as desk:
            (position,) = desk.cycle().snapshot.positions
            assert position.leverage == leverage
            changes = [call.name for call in desk.plan.calls if call.changes]
            assert changes == ["set_leverage", "place"]


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
            order(desk.embedded, OrderSide.BUY, "2")  # somebody else's
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


@proves("perps.fast_period", "perps.slow_period")
def the_periods_decide_which_candles_cross(tmp_path: Path) -> None:
    prices = closes(market(), 200)
    candles = [Candle(i, price, price, price, price, D(1)) for i, price in enumerate(prices)]

    def crosses(fast: int, slow: int) -> list[int]:
        strategy = make(configure({"perps.fast_period": fast, "perps.slow_period": slow}))
        return [end for end in range(60, 200) if isinstance(strategy.evaluate(SOL, candles[:end]), Signal)]

    usual = crosses(9, 21)
    assert usual and crosses(3, 21) != usual and crosses(9, 40) != usual


@proves("risk.signal_cooldown_hours")
def the_cooldown_keeps_a_symbol_from_its_next_signal(tmp_path: Path) -> None:
    rows: list[Row] = [UP, ("100.5", "100.6", "98.9", "99"), FLAT, FLAT, ("100", "102", "99.9", "101.9")]
    seen = {}
    for hours in (0, 4):
        with rig(folder(tmp_path, hours), rows, {"risk.signal_cooldown_hours": hours}) as desk:
            codes = [desk.cycle().decisions[0].code for _ in rows]
            seen[hours] = codes.count("entered"), codes.count("cooldown")
    assert seen == {0: (2, 0), 4: (1, 1)}


@proves("risk.partial_close_cooldown_seconds")
def the_partial_close_cooldown_keeps_every_symbol_out_after_a_first_target(tmp_path: Path) -> None:
    """TP1 of SOL is filled in the third candle; ETH has its signal in the fourth, five minutes later."""
    calm: Row = ("101.8", "101.9", "101.7", "101.8")
    rows = {SOL: [UP, CALM, TO_TP1, calm], "ETHUSDT": [FLAT, FLAT, FLAT, UP]}
    seen = {}
    for seconds in (0, 60, 900):
        knobs: dict[str, object] = {"exits.targets": TWO_TARGETS, "risk.partial_close_cooldown_seconds": seconds}
        with rig(folder(tmp_path, seconds), rows, knobs) as desk:
            reports = [desk.cycle() for _ in range(4)]
            seen[seconds] = next(one.code for one in reports[-1].decisions if one.symbol == "ETHUSDT")
    assert seen == {0: "entered", 60: "entered", 900: "cooldown"}


# How liquid the market is: the flat candles trade 10 × 100 each, 288 000 in 24 hours.

AS_TIER: dict[str, dict[str, object]] = {
    "A": {"market.tiers.a_min_volume_usd": 200_000, "market.tiers.b_min_volume_usd": 200_000},
    "B": {"market.tiers.b_min_volume_usd": 200_000},
    "C": {},
}
A_DAY = 300  # flat candles before the signal: more than 24 hours


def entry_in(tmp_path: Path, name: str, knobs: dict[str, object]) -> tuple[Decision, PositionFact | None]:
    """What becomes of a signal in a market that is not pinned."""
    usual: dict[str, object] = {"market.pinned": (), "market.tiers.c_min_volume_usd": 200_000}
    with rig(folder(tmp_path, name), [UP], {**usual, **knobs}, warm=A_DAY) as desk:
        report = desk.cycle()
        return report.decisions[0], report.snapshot.position(SOL)


def gate_of(decision: Decision, gate: str) -> str:
    return next(verdict.sentence for verdict in decision.verdicts if verdict.gate == gate)


@proves("market.tiers.a_min_volume_usd", "market.tiers.b_min_volume_usd", "market.tiers.c_min_volume_usd")
def the_tier_is_decided_by_what_is_traded_and_below_the_lowest_nothing_is_entered(tmp_path: Path) -> None:
    for tier, knobs in AS_TIER.items():
        decision, position = entry_in(tmp_path, tier, knobs)
        assert position is not None and gate_of(decision, "liquidity").startswith(f"tier {tier}, 24 h volume 288")
    decision, position = entry_in(tmp_path, "below", {"market.tiers.c_min_volume_usd": 300_000})
    assert (decision.outcome, decision.code, position) == ("refused", "liquidity", None)
    assert decision.sentence.endswith("USDT is below the lowest tier (300000), skipping entry")


@proves("market.pinned")
def pinned_markets_are_tier_a_whatever_they_trade(tmp_path: Path) -> None:
    for pinned in (("SOL",), (SOL,)):
        knobs: dict[str, object] = {"market.pinned": pinned, "market.tiers.c_min_volume_usd": 300_000}
        decision, position = entry_in(tmp_path, pinned[0], knobs)
        assert position is not None and "tier A (pinned), 24 h volume 288" in gate_of(decision, "liquidity")


@proves("risk.max_leverage_by_tier")
def the_leverage_asked_of_the_venue_is_that_of_the_tier(tmp_path: Path) -> None:
    table = {"A": D(4), "C": D(2)}
    used = {}
    for tier, knobs in AS_TIER.items():
        capped: dict[str, object] = {**knobs, "risk.max_leverage_by_tier": table, "risk.max_volume_share": D(1)}
        decision, position = entry_in(tmp_path, tier, capped)
        assert position is not None and "leverage" in dict(decision.facts)["caps"]
        used[tier] = position.leverage
        assert abs(position.initial_margin - position.entry_price * position.qty / position.leverage) < D("0.01")
    assert used == {"A": 4, "B": 4, "C": 2}, "a tier without an entry has that of the next more liquid one"


@proves("risk.size_by_tier.a", "risk.size_by_tier.b", "risk.size_by_tier.c")
def the_size_is_scaled_by_the_tier_and_it_is_said(tmp_path: Path) -> None:
    scales = {"risk.size_by_tier.a": D("0.8"), "risk.size_by_tier.b": D("0.4"), "risk.size_by_tier.c": D("0.1")}
    for tier, knobs in AS_TIER.items():
        sizes = {}
        for name, more in (("usual", {}), ("scaled", scales)):
            wide: dict[str, object] = {"perps.cash_deploy_cap": D(4), "risk.max_volume_share": D(1)}
            decision, position = entry_in(tmp_path, tier + name, {**wide, **knobs, **more})
            assert position is not None
            sizes[name] = position.qty
            assert ("size_by_tier" in dict(decision.facts)["caps"]) is not (tier == "A" and name == "usual")
        usual = {"A": D(1), "B": D("0.5"), "C": D("0.25")}[tier]
        wanted = sizes["usual"] * D(str(scales[f"risk.size_by_tier.{tier.lower()}"])) / usual
        assert abs(sizes["scaled"] - wanted) < D("0.3")


@proves("risk.max_volume_share")
def a_position_is_a_small_share_of_what_its_market_trades(tmp_path: Path) -> None:
    for share in (D("0.01"), D("0.002")):
        _, position = entry_in(tmp_path, str(share), {**AS_TIER["A"], "risk.max_volume_share": share})
        assert position is not None and position.notional <= share * 288_100
        assert position.notional > share * 280_000


def test_a_market_whose_volume_is_not_known_is_of_the_lowest_tier_and_the_verdict_says_so(tmp_path: Path) -> None:
    """The record is too short for 24 hours: 40 candles of five minutes."""
    knobs: dict[str, object] = {"market.pinned": (), "risk.max_leverage_by_tier": {"C": D(2)}}
    with rig(tmp_path, [UP], knobs) as desk, lines(desk, tmp_path) as log:
        report = desk.cycle()
        (position,) = report.snapshot.positions
        assert position.leverage == 2 and position.notional < D(2500)
        said = gate_of(report.decisions[0], "liquidity")
        assert said == "tier C, 24 h volume not known, taken as 250000 USDT (lowest tier from 250000)"
        capped = [line for line in log() if " SAFETY_SIZE_CAPPED: " in line]
    assert any("leverage capped from 5x to 2x" in line for line in capped)
    assert any("size ×0.25 of tier C, 24 h volume not known" in line for line in capped)


def test_with_the_cooldown_a_partial_close_still_counts_after_a_restart(tmp_path: Path) -> None:
    rows = {SOL: [UP, CALM, TO_TP1, FLAT], "ETHUSDT": [FLAT, FLAT, FLAT, UP]}
    knobs: dict[str, object] = {"exits.targets": TWO_TARGETS, "risk.partial_close_cooldown_seconds": 900}
    with rig(tmp_path, rows, knobs) as desk:
        for _ in range(3):
            desk.cycle()
    with rig(tmp_path, rows, knobs) as desk:
        decision = next(one for one in desk.cycle().decisions if one.symbol == "ETHUSDT")
        assert decision.code == "cooldown" and SOL in decision.sentence


@proves("alerts.per_type_seconds")
def per_type_seconds_holds_alerts_back(tmp_path: Path) -> None:
    said = {}
    for seconds in (0, 300):
        where = folder(tmp_path, seconds)
        with rig(where, QUIET, {"alerts.per_type_seconds": seconds}) as desk, lines(desk, where) as log:
            for at_ms in (0, 100_000, 299_000):
                desk.write(outbox.put, at_ms=at_ms, type="t", symbol=SOL, urgent=False, text="again", context={})
            desk.cycle()
            said[seconds] = sum("ALERT[t]" in line for line in log())
    assert said == {0: 3, 300: 1}


# The simulated exchange.


@proves("sim.source")
def source_replay_wants_a_file_and_live_is_refused(tmp_path: Path) -> None:
    assert refused_by_this_build(tmp_path, 'sim = { source = "live" }') == ["sim.source"]
    ran = bot_process(tmp_path, 'sim = { source = "replay" }')
    assert ran.returncode == 3 and "no file is named" in ran.stderr


@proves("sim.seed")
def the_seed_decides_the_prices_and_nothing_else_does(tmp_path: Path) -> None:
    assert closes(market(sim__seed=7)) == closes(market(sim__seed=7))
    assert closes(market(sim__seed=7)) != closes(market(sim__seed=8))


@proves("sim.start_balance")
def start_balance_is_the_first_equity(tmp_path: Path) -> None:
    with rig(tmp_path, QUIET, {"sim.start_balance": 2500}) as desk:
        assert desk.cycle().snapshot.equity == 2500


@proves("sim.taker_fee", "sim.slippage_bps")
def taker_fee_and_slippage_are_what_a_market_order_costs(tmp_path: Path) -> None:
    def cost(**knobs: object) -> tuple[Decimal, Decimal]:
        exchange = market(**knobs)
        last = exchange.host.state.prices[SOL].last
        price = fill_price(exchange)
        return price - last, (10_000 - exchange.host.state.balances["trader"]) / price

    assert cost(sim__slippage_bps=0, sim__taker_fee=D("0.001")) == (0, D("0.001"))
    assert cost(sim__slippage_bps=0, sim__taker_fee=D("0.002")) == (0, D("0.002"))
    worse, _ = cost(sim__slippage_bps=50)
    assert D("0.7") < worse < D("0.8"), "half a percent of about 149"


@proves("sim.maker_fee")
def maker_fee_is_what_a_resting_order_pays(tmp_path: Path) -> None:
    paid = {}
    for fee in (D("0.0002"), D("-0.0001")):
        exchange = market(sim__maker_fee=fee)
        price = exchange.host.state.prices[SOL].last - D("0.05")
        order(exchange, OrderSide.BUY, "1", OrderType.LIMIT, price=price)
        for _ in range(40):
            exchange.step()
        (fill,) = exchange.host.account_events(0, 1)
        assert isinstance(fill, Fill) and fill.maker
        paid[fee] = fill.fee / fill.price
    assert paid == {fee: fee for fee in paid}


@proves("sim.funding_rate")
def funding_rate_is_paid_by_longs_every_eight_hours(tmp_path: Path) -> None:
    paid = {}
    for rate in (D(0), D("0.001")):
        with rig(folder(tmp_path, rate), None, {"sim.funding_rate": rate, "perps.enabled": False}) as desk:
            order(desk.embedded, OrderSide.BUY, "1")
            desk.step(97)  # eight hours of five-minute candles
            desk.cycle()
            paid[rate] = desk.read(ledger.totals).funding
    assert paid[D(0)] == 0 and paid[D("0.001")] < 0


@proves(*(f"sim.instruments.*.{name}" for name in SimInstrument.model_fields), "sim.instruments")
def a_declared_contract_is_listed_with_everything_that_was_declared(tmp_path: Path) -> None:
    declared = {
        "base": "MY", "quote": "USDT", "tick_size": "0.05", "qty_step": "0.2", "min_qty": "0.4", "min_notional": "7",
        "max_market_qty": "80", "max_leverage": "12", "maintenance_rate": "0.03", "start_price": "250",
    }  # fmt: skip
    exchange = market(sim__instruments={"MYCOINUSDT": declared}, perps__symbol="MYCOINUSDT", sim__seed=1)
    instrument = exchange.host.state.instruments["MYCOINUSDT"]
    assert (instrument.base, instrument.quote) == ("MY", "USDT")
    assert (instrument.tick_size, instrument.qty_step) == (D("0.05"), D("0.2"))
    assert (instrument.min_qty, instrument.min_notional, instrument.max_market_qty) == (D("0.4"), 7, 80)
    (tier,) = instrument.tiers
    assert (tier.max_leverage, tier.maintenance_rate) == (12, D("0.03"))
    assert set(declared) == set(SimInstrument.model_fields)
    other = market(sim__instruments={"MYCOINUSDT": {**declared, "start_price": "500"}}, perps__symbol="MYCOINUSDT")
    assert closes(exchange)[0] < 350 < closes(other)[0]


@proves("sim.clock")
def the_clock_says_who_moves_the_market(tmp_path: Path) -> None:
    now = [WALL_MS]
    config = configure({"sim.clock": "wall"})
    exchange = open_embedded(config, None, wall_ms=lambda: now[0])
    before = exchange.host.state.market_ms
    now[0] += 5 * MINUTE_MS
    exchange.step()
    assert exchange.clock.now_ms() == now[0] and exchange.host.state.market_ms - before >= 4 * MINUTE_MS
    stepped = market()
    assert stepped.clock.now_ms() != WALL_MS
    moved = stepped.host.state.market_ms
    stepped.step()
    assert stepped.host.state.market_ms == moved + FIVE_MS


# The log, through the tool itself.


def bot_process(tmp_path: Path, config: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "run.toml"
    path.write_text(config + "\n")
    command = [sys.executable, "-m", "tradectl", "run", "--mode", "paper", "--config", str(path)]
    command += ["--state", str(tmp_path / "bot.db"), "--cycles", "2", "--speed", "max"]
    return subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@proves("log.path", "log.level", "log.format")
def the_log_is_written_where_and_as_it_says(tmp_path: Path) -> None:
    plain = folder(tmp_path, "plain")
    assert bot_process(plain, "").returncode == 0
    text = (plain / "logs" / "trading.log").read_text()
    assert " INFO tradectl.engine.cycle CYCLE_SUMMARY: " in text and " DEBUG " not in text
    chosen = folder(tmp_path, "chosen")
    asked = '[log]\npath = "elsewhere/bot.log"\nlevel = "DEBUG"\nformat = "json"'
    assert bot_process(chosen, asked).returncode == 0
    rows = [json.loads(line) for line in (chosen / "elsewhere" / "bot.log").read_text().splitlines()]
    assert {"DEBUG", "INFO"} <= {row["level"] for row in rows} and not (chosen / "logs").exists()


@proves("accept")
def an_accepted_rule_lets_the_bot_start(tmp_path: Path) -> None:
    asked = "[ess]\nmax_daily_drawdown_pct = 0.04\n"
    refused = bot_process(folder(tmp_path, "refused"), asked)
    assert refused.returncode == 78 and "TC16" in refused.stderr
    accepted = bot_process(folder(tmp_path, "accepted"), asked + '[accept]\nTC16 = "meant"')
    assert accepted.returncode == 0, accepted.stderr


@pytest.mark.parametrize("knob", sorted(PROOFS))
def test_the_knob_changes_what_it_says(knob: str, tmp_path: Path) -> None:
    PROOFS[knob](tmp_path)


# The inventory.

# Named in tests/risk under a section's prefix, one test for several.
BY_PREFIX = {
    "risk_management.crisis_mode.atr_period": "atr_period=",
    "risk_management.crisis_mode.lookback_bars": "lookback_bars",
    "risk_management.crisis_mode.volatility_multiplier": "volatility_multiplier",
    "risk.confidence.high": '("high", ',
    "risk.confidence.low": '("low", ',
}


def test_no_knob_that_may_be_set_goes_unproved() -> None:
    places = (
        "risk/*.py",
        "safety/*.py",
        "engine/test_guarding.py",
        "engine/test_policy.py",
        "engine/test_live_limited.py",
        "operations/test_ess.py",
    )
    risk = "\n".join(path.read_text() for place in places for path in sorted((ROOT / "tests").glob(place)))
    may_be_set = {".".join(path) for path, field in walk(Config) if (fact := fact_of(field)) and fact.available}
    looked_for = {name: BY_PREFIX.get(name, f'"{name}"') for name in may_be_set - PROOFS.keys()}
    unproved = [name for name, text in looked_for.items() if text not in risk]
    assert sorted(unproved) == []


def test_no_proof_is_of_a_knob_that_is_not_there() -> None:
    known = {".".join(path) for path, _ in walk(Config)} | {
        f"sim.instruments.*.{one}" for one in SimInstrument.model_fields
    }
    assert set(PROOFS) | set(BY_PREFIX) <= known
