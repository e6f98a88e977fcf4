"""One cycle over several symbols: they share the limits, and one that fails leaves the others alone."""

from __future__ import annotations

import pytest
from bot_kit import CALM, FLAT, SOL, UP, D, lines, rig

from tradectl.sim.faults import DropRequest
from tradectl.store import decisions

TWO = ("ETHUSDT", SOL)


def test_market_data_that_fails_for_one_symbol_leaves_its_record_and_the_others_go_on(tmp_path):
    with rig(tmp_path, {name: [UP] for name in TWO}, {"execution.read_backoff_seconds": []}) as desk:
        desk.plan.on_before = None
        failing = desk.plan.before

        def before(call):
            fault = failing(call)
            return DropRequest() if call.name == "candles" and call.symbol == "ETHUSDT" else fault

        desk.plan.before = before  # type: ignore[method-assign]
        with lines(desk, tmp_path) as log:
            report = desk.cycle()
            said = [line for line in log() if "SAFETY_EXECUTION_ERROR: market data could not be read" in line]
        assert len(said) == 1 and " ERROR " in said[0] and "symbol=ETHUSDT" in said[0]
        by_symbol = {decision.symbol: decision for decision in report.decisions}
        assert by_symbol[SOL].outcome == "entered"
        assert (by_symbol["ETHUSDT"].outcome, by_symbol["ETHUSDT"].code) == ("refused", "market_data")
        assert desk.read(decisions.last, "ETHUSDT", 1)[0].decision.code == "market_data"


@pytest.mark.parametrize(
    ("knob", "limit", "code"),
    [
        ("risk.max_concurrent_positions", 1, "position_count"),
        ("perps.session_max_trades", 1, "session_trades"),
        ("risk.max_exposure_pct", D("0.4"), "min_notional"),  # what is left is dust
    ],
)
def test_symbols_of_one_cycle_share_the_limits(tmp_path, knob, limit, code):
    with rig(tmp_path, {name: [UP] for name in TWO}, {knob: limit}) as desk:
        first, second = desk.cycle().decisions
        assert first.outcome == "entered"
        assert (second.outcome, second.code) == ("refused", code)


def test_an_entry_in_doubt_counts_against_the_sessions_limit_in_the_next_cycle(tmp_path):
    """Sent and unknown orders count at once (promise 8), before the ledger has seen a fill."""
    rows = {"ETHUSDT": [UP, CALM], SOL: [FLAT, UP]}
    with rig(tmp_path, rows, {"perps.session_max_trades": 1}) as desk:
        desk.plan.before_faults["place"] = [DropRequest()]
        assert [one.outcome for one in desk.cycle().decisions] == ["unknown", "no_signal"]
        desk.plan.before_faults["find_order"] = [DropRequest()] * 4
        report = desk.cycle()
        assert (report.decisions[1].outcome, report.decisions[1].code) == ("refused", "session_trades")
