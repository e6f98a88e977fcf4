"""The knobs of entering: what is traded, on which candles, with how much leverage, and what a cooldown holds back."""

from __future__ import annotations

from pathlib import Path

from bot_kit import CALM, FLAT, SOL, UP, D, Row, configure, rig
from knob_kit import TO_TP1, TWO_TARGETS, Proofs, closes, folder, market, refused_by_this_build

from tradectl.domain.candle import INTERVALS_MS, Candle
from tradectl.domain.signal import Signal
from tradectl.strategy.select import make

proves = Proofs()


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


def test_with_the_cooldown_a_partial_close_still_counts_after_a_restart(tmp_path: Path) -> None:
    rows = {SOL: [UP, CALM, TO_TP1, FLAT], "ETHUSDT": [FLAT, FLAT, FLAT, UP]}
    knobs: dict[str, object] = {"exits.targets": TWO_TARGETS, "risk.partial_close_cooldown_seconds": 900}
    with rig(tmp_path, rows, knobs) as desk:
        for _ in range(3):
            desk.cycle()
    with rig(tmp_path, rows, knobs) as desk:
        decision = next(one for one in desk.cycle().decisions if one.symbol == "ETHUSDT")
        assert decision.code == "cooldown" and SOL in decision.sentence


test_the_knob_changes_what_it_says = proves.tested()
