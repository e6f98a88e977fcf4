"""One cycle, end to end, on hand-made candles: what is entered, what is left, what is recorded, what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bot_kit import CALM, CRASH, FIVE_MS, FLAT, RALLY, SAG, SOL, UP, D, Rig, Row, count_commits, lines, rig

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.order import OrderType
from tradectl.domain.position import Protection, coverage
from tradectl.domain.signal import Decision
from tradectl.domain.system_state import LatchName
from tradectl.errors import VenueUnreachable
from tradectl.sim.faults import DropRequest, LoseAnswer, Refuse
from tradectl.sim.ops import CancelOrder
from tradectl.store import cycles, decisions, halt, journal, latches, ledger, risk, session, views

TURN: list[Row] = [SAG] * 20


def only(desk: Rig, **how: bool) -> Decision:
    (decision,) = desk.cycle(**how).decisions
    return decision


def test_a_cross_enters_with_stop_and_target_attached(tmp_path):
    with rig(tmp_path, [FLAT, UP]) as desk:
        assert only(desk).outcome == "no_signal"
        report = desk.cycle()
        (decision,) = report.decisions
        assert decision.outcome == "entered" and report.signals == 1
        (intent,) = desk.intents()
        assert intent.state is IntentState.CONFIRMED and intent.purpose is Purpose.ENTRY
        (position,) = report.snapshot.positions
        assert position.qty == intent.qty and position.leverage == desk.config.perps.leverage
        stop, target = report.snapshot.orders
        assert (stop.type, target.type) == (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)
        assert (stop.trigger_price, target.trigger_price) == (intent.stop.trigger_price, intent.target.trigger_price)
        assert stop.trigger_price == D("99.52"), "1% below the ask of 100.52, rounded to the smaller loss"
        assert coverage(position, report.snapshot.orders).protection is Protection.COVERED
        assert desk.read(ledger.open_trades)[SOL].naked_ms == 0


def test_a_signal_passes_every_gate_and_each_verdict_is_kept(tmp_path):
    with rig(tmp_path, [UP]) as desk:
        desk.cycle()
        (stored,) = desk.read(decisions.last, SOL, 1)
        gates = [verdict.gate for verdict in stored.decision.verdicts]
        assert gates[:7] == [
            "enabled", "latches", "circuit_breaker", "daily_loss", "drawdown", "session_trades", "session_runtime",
        ]  # fmt: skip
        assert gates[7:15] == [
            "history", "fresh", "new_candle", "confidence", "cooldown", "volatility", "spread", "occupied",
        ]  # fmt: skip
        assert {"equity", "margin_ratio", "sizing", "min_notional", "precision", "exit_plan"} <= set(gates[15:])
        assert all(verdict.passed for verdict in stored.decision.verdicts)
        assert dict(stored.decision.facts)["stop"] == "99.52"


def test_a_stop_out_is_booked_as_one_losing_trade(tmp_path):
    with rig(tmp_path, [UP, CRASH, FLAT]) as desk:
        desk.cycle()
        desk.cycle()
        (trade,) = desk.read(ledger.trades, 5)
        assert trade.exit_reason == "stop" and trade.net < 0 and desk.snapshot().positions == ()
        assert desk.snapshot().orders == (), "the target went with the position"
        counters = desk.read(risk.load)
        assert counters.streak == 1 and counters.realised_today == trade.net
        loss = trade.risk_amount + trade.fees
        assert abs(-trade.net - loss) < loss * D("0.05"), "about the risk that was taken"
        assert trade.r_multiple is not None and trade.r_multiple < -1
        assert desk.snapshot().equity == 10_000 + trade.net


def test_a_target_is_booked_as_a_win(tmp_path):
    with rig(tmp_path, [UP, RALLY, FLAT]) as desk:
        desk.cycle()
        desk.cycle()
        (trade,) = desk.read(ledger.trades, 5)
        assert trade.exit_reason == "target" and trade.net > 0 and desk.read(risk.load).streak == 0
        assert trade.entry_equity == 10_000


def test_an_entry_on_generated_prices_is_protected_and_agrees_with_the_books(tmp_path):
    knobs: dict[str, object] = {"perps.fast_period": 2, "perps.slow_period": 4}
    with rig(tmp_path, None, knobs) as desk:
        for _ in range(150):
            report = desk.cycle()
            for position in report.snapshot.positions:
                assert coverage(position, report.snapshot.orders).protection is Protection.COVERED
        trades = desk.read(ledger.trades, 100)
        totals = desk.read(ledger.totals)
        assert len(trades) >= 2
        assert desk.snapshot().account.wallet_balance == 10_000 + totals.net


def test_a_candle_is_decided_upon_once(tmp_path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.cycle()
        again = only(desk, step=False)
        assert (again.outcome, again.code) == ("waiting", "new_candle")
        assert len(desk.intents()) == 1


# What blocks an entry, and what it does not block.


@pytest.mark.parametrize(("how", "code"), [("pause", "latches"), ("kill switch", "latches"), ("halt file", "latches")])
def test_a_latch_set_from_outside_blocks_the_very_next_entry(tmp_path, how, code):
    with rig(tmp_path, [FLAT, UP]) as desk:
        desk.cycle()
        if how == "halt file":
            halt.write(str(desk.db.path), "by ann: fire")
        else:
            desk.latch(LatchName.PAUSE if how == "pause" else LatchName.KILL_SWITCH, reason="fire")
        decision = only(desk)
        assert (decision.outcome, decision.code) == ("refused", code) and "fire" in decision.sentence
        assert desk.intents() == []


def test_a_latch_set_between_the_gates_and_the_commit_is_a_recorded_refusal(tmp_path):
    with rig(tmp_path, [UP]) as desk:
        desk.plan.on_before = lambda call: desk.latch() if call.name == "set_leverage" else None
        decision = only(desk)
        assert (decision.outcome, decision.code) == ("refused", "pause") and desk.intents() == []
        last = decision.verdicts[-1]
        assert last.gate == "intent" and not last.passed
        (stored,) = desk.read(decisions.last, SOL, 1)
        assert stored.decision == decision
        (refusal,) = desk.read(journal.page, 0, 100, "refusal")
        assert refusal.subject == "pause" and refusal.body["side"] == "long"


def test_a_refusal_of_a_real_signal_is_recorded_with_all_its_verdicts_and_journalled(tmp_path):
    with rig(tmp_path, [UP], {"risk.confidence.floor": D("0.9")}) as desk:
        decision = only(desk)
        assert (decision.outcome, decision.code) == ("refused", "confidence") and decision.signal is not None
        (stored,) = desk.read(decisions.last, SOL, 1)
        assert [verdict.passed for verdict in stored.decision.verdicts] == [True] * 10 + [False]
        (refusal,) = desk.read(journal.page, 0, 100, "refusal")
        assert refusal.body["value"] == "0.7" and refusal.body["limit"] == "0.9"


@pytest.mark.parametrize("how", ["pause", "kill switch", "disabled"])
def test_protection_and_ingestion_go_on_where_entries_are_refused(tmp_path, how):
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        (stop, _) = desk.snapshot().orders
        host = desk.embedded.host
        now = host.state.server_ms
        host.execute(CancelOrder(SOL, stop.order_id, now, now + 5000))
        if how == "disabled":
            perps = desk.config.perps.model_copy(update={"enabled": False})
            desk.bot = replace(desk.bot, config=desk.bot.config.model_copy(update={"perps": perps}))
        else:
            desk.latch(LatchName.PAUSE if how == "pause" else LatchName.KILL_SWITCH)
        report = desk.cycle()
        (position,) = report.snapshot.positions
        assert coverage(position, report.snapshot.orders).protection is Protection.COVERED
        assert report.decisions[0].outcome == "refused"
        swept = [Purpose.CANCEL] if how == "kill switch" else []  # its take-profit
        assert [one.purpose for one in desk.intents()] == [Purpose.ENTRY, Purpose.STOP, *swept]


def test_a_stop_out_is_taken_in_while_halted(tmp_path):
    with rig(tmp_path, [UP, CRASH]) as desk:
        desk.cycle()
        desk.latch(LatchName.KILL_SWITCH)
        report = desk.cycle()
        assert report.system_state == "HALTED" and len(desk.read(ledger.trades, 5)) == 1


def test_books_that_disagree_block_the_symbol_and_nothing_is_closed(tmp_path):
    with rig(tmp_path, [FLAT, UP, CALM]) as desk:
        desk.cycle()
        trade_missing = {"symbol": SOL}
        with desk.db.transaction() as conn:
            conn.execute(
                "INSERT INTO open_trades (number, symbol, side, opened_ms, lot_qty, lot_cost, entry_qty, entry_cost,"
                " exit_qty, exit_proceeds, gross, fees, funding, max_qty, naked_ms)"
                " VALUES (9, :symbol, 'long', 1, '3', '300', '3', '300', '0', '0', '0', '0', '0', '3', 0)",
                trade_missing,
            )
        decision = only(desk)
        assert (decision.outcome, decision.code) == ("refused", "latches")
        assert "the books hold 3, the venue lists nothing, and no fill closes it" in decision.sentence
        assert desk.intents() == [] and SOL in desk.read(ledger.open_trades)


def test_an_unknown_entry_blocks_its_symbol_until_it_is_found_and_then_counts_as_the_position(tmp_path):
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.plan.after_faults["place"] = [LoseAnswer()]
        decision = only(desk)
        assert decision.outcome == "unknown" and desk.read(latches.get, LatchName.UNKNOWN_ORDER, SOL) is not None
        desk.cycle()
        assert desk.intents()[0].state is IntentState.CONFIRMED and len(desk.intents()) == 1
        assert desk.read(latches.active) == () and desk.read(ledger.open_trades)[SOL].stop_price is not None


def test_an_entry_whose_outcome_could_not_be_recorded_is_asked_about_in_the_next_cycle(tmp_path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.db.conn.execute(
            "CREATE TEMP TRIGGER cut BEFORE UPDATE OF state ON main.intents BEGIN SELECT RAISE(ABORT, 'cut'); END"
        )
        with pytest.raises(Exception, match="cut"):
            desk.cycle()
        desk.db.conn.execute("DROP TRIGGER cut")
        desk.cycle(step=False)
        (intent,) = desk.intents()
        assert intent.state is IntentState.CONFIRMED and desk.read(latches.active) == ()
        assert len(desk.plan.names("place")) == 1


def test_a_rejected_entry_is_a_recorded_decision_and_blocks_nothing(tmp_path):
    with rig(tmp_path, [UP, CALM]) as desk:
        desk.plan.before_faults["place"] = [Refuse("insufficient_margin", "no")]
        decision = only(desk)
        assert decision.outcome == "not_sent" and "insufficient_margin" in decision.sentence
        assert desk.read(latches.active) == ()


@pytest.mark.parametrize("fault", [Refuse("busy", "later"), DropRequest()])
def test_without_its_leverage_confirmed_an_entry_is_not_sent(tmp_path, fault):
    with rig(tmp_path, [UP]) as desk:
        desk.plan.before_faults["set_leverage"] = [fault]
        decision = only(desk)
        assert (decision.outcome, decision.code) == ("not_sent", "leverage") and desk.intents() == []


def test_an_unreadable_account_ends_the_cycle_and_leaves_no_decision(tmp_path):
    with rig(tmp_path, [UP]) as desk:
        desk.plan.before_faults["snapshot"] = [DropRequest()] * 4
        desk.step()
        with pytest.raises(VenueUnreachable):
            desk.cycle(step=False)
        assert desk.read(cycles.progress).cycle == 0 and desk.read(decisions.last, SOL, 5) == []
        assert only(desk, step=False).outcome == "entered", "the same instant, tried again"


# Several symbols.

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


# Early exit.


@pytest.mark.parametrize("wanted", [True, False])
def test_the_reverse_cross_ends_the_position_only_where_early_exits_are_wanted(tmp_path, wanted):
    with rig(tmp_path, [UP, *TURN], {"perps.early_exit_on_cross": wanted}) as desk:
        outcomes = [only(desk).outcome for _ in range(20)]
        exits = [one for one in desk.intents() if one.purpose is Purpose.EXIT]
        if wanted:
            assert outcomes.count("exit") == 1 and len(exits) == 1 and exits[0].reduce_only
            (trade,) = desk.read(ledger.trades, 5)
            assert trade.exit_reason == "market" and desk.snapshot().orders == ()
        else:
            assert "exit" not in outcomes and len(desk.snapshot().positions) == 1


def test_an_early_exit_is_managing_it_goes_on_while_paused_and_not_while_halted(tmp_path):
    for latch, expected in ((LatchName.PAUSE, "exit"), (LatchName.KILL_SWITCH, "refused")):
        folder = tmp_path / latch.value
        folder.mkdir()
        with rig(folder, [UP, *TURN], {"perps.early_exit_on_cross": True}) as desk:
            desk.cycle()
            desk.latch(latch)
            outcomes = [only(desk) for _ in range(19)]
            exits = [one for one in desk.intents() if one.purpose is Purpose.EXIT]
            assert bool(exits) is (expected == "exit")
            if expected == "refused":
                assert "halted" in {one.code for one in outcomes} and len(desk.snapshot().positions) == 1


# What a cycle costs and leaves.


def test_an_idle_cycle_is_one_commit(tmp_path):
    with rig(tmp_path, [FLAT] * 6) as desk:
        desk.cycle()
        commits = count_commits(desk.db)
        before = desk.read(journal.head)
        for _ in range(4):
            commits.clear()
            desk.cycle()
            assert len(commits) == 1
        assert desk.read(journal.head) == before, "and no journal row"


def test_a_cycle_that_holds_a_covered_position_is_one_commit_too(tmp_path):
    with rig(tmp_path, [UP, CALM, CALM, CALM]) as desk:
        desk.cycle()
        desk.cycle()
        commits = count_commits(desk.db)
        desk.cycle()
        assert len(commits) == 1


def test_the_account_is_read_once_in_an_idle_cycle(tmp_path):
    with rig(tmp_path, [UP, CALM, CALM]) as desk:
        desk.cycle()
        desk.cycle()
        desk.plan.calls.clear()
        desk.cycle()
        names = [call.name for call in desk.plan.calls]
        assert names.count("snapshot") == 1 and sorted(set(names) - {"account_events"}) == [
            "candles", "snapshot", "ticker",
        ]  # fmt: skip


def test_a_cycle_leaves_progress_counters_account_and_processed_candle(tmp_path):
    with rig(tmp_path, [UP]) as desk:
        desk.wall.at_ms += 5
        report = desk.cycle()
        progress = desk.read(cycles.progress)
        assert (progress.cycle, progress.venue_ms, progress.wall_ms) == (1, report.snapshot.at_ms, desk.wall.at_ms)
        assert desk.read(views.load_account) == report.snapshot
        assert desk.read(cycles.processed) == {SOL: report.decisions[0].candle_open_ms}
        assert desk.read(risk.load).last_equity == report.snapshot.equity
        assert desk.read(session.current).entries == 1


def test_a_paused_candle_may_still_be_entered_after_the_pause(tmp_path):
    with rig(tmp_path, [UP]) as desk:
        desk.latch()
        assert only(desk).outcome == "refused"
        with desk.elsewhere() as other, other.transaction() as conn:
            latches.clear(conn, LatchName.PAUSE, "", by="ann", reason="done", at_ms=1)
        assert only(desk, step=False).outcome == "entered"


def test_a_stop_that_was_never_attached_is_placed_within_the_cycle_of_the_entry(tmp_path):
    """A venue that drops the bracket: the stop is the very next thing the bot does."""
    with rig(tmp_path, [UP, CALM]) as desk:
        host = desk.embedded.host
        taken: list[str] = []

        def strip(call):
            if call.name == "snapshot" and not taken:
                stops = [order for order in host.state.orders.values() if order.fact.protective]
                for order in stops:
                    taken.append(order.fact.order_id)
                    host.execute(CancelOrder(SOL, order.fact.order_id, call.at_ms, call.at_ms + 5000))

        desk.plan.on_before = strip
        desk.cycle()
        assert taken and [one.purpose for one in desk.intents()] == [Purpose.ENTRY, Purpose.STOP]
        snapshot = desk.snapshot()
        assert coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED
        desk.cycle()
        assert desk.read(ledger.open_trades)[SOL].naked_since_ms is None
        assert FIVE_MS >= desk.read(ledger.open_trades)[SOL].naked_ms > 0


# Orders larger than the venue takes at once.

SMALL: dict[str, object] = {f"sim.instruments.{SOL}": {"max_market_qty": 20}}


def test_a_large_entry_is_split_and_each_part_has_its_own_stop(tmp_path):
    with rig(tmp_path, [UP, CRASH, FLAT], SMALL) as desk:
        report = desk.cycle()
        (position,) = report.snapshot.positions
        entries = [one.qty for one in desk.intents()]
        assert len(entries) == 3 and max(entries) <= 20 and sum(entries) == position.qty
        assert coverage(position, report.snapshot.orders).protection is Protection.COVERED
        assert desk.read(session.current).entries == 1, "one entry, whatever the number of its orders"
        desk.cycle()
        (trade,) = desk.read(ledger.trades, 5)
        assert trade.max_qty == position.qty and desk.snapshot().orders == ()


def test_the_part_that_fails_ends_the_entry_and_what_filled_keeps_its_stop(tmp_path):
    with rig(tmp_path, [UP, CALM], SMALL) as desk:
        desk.plan.before_faults["place"] = [None, Refuse("busy", "later")]
        report = desk.cycle()
        assert report.decisions[0].outcome == "entered"
        assert [one.state for one in desk.intents()] == [IntentState.CONFIRMED, IntentState.REJECTED]
        (position,) = report.snapshot.positions
        assert position.qty == desk.intents()[0].qty
        assert coverage(position, report.snapshot.orders).protection is Protection.COVERED


def test_a_fence_between_two_parts_cuts_the_entry_short(tmp_path):
    with rig(tmp_path, [UP, CALM], SMALL) as desk:

        def latch(call):
            if call.name == "place" and len(desk.plan.names("place")) == 1:
                desk.latch(LatchName.KILL_SWITCH, reason="fire")

        desk.plan.on_before = latch
        report = desk.cycle()
        (decision,) = report.decisions
        assert (decision.outcome, decision.code) == ("entered", "kill_switch") and len(desk.intents()) == 1
        assert coverage(report.snapshot.positions[0], report.snapshot.orders).protection is Protection.COVERED


def test_protection_and_early_exit_are_split_as_well(tmp_path):
    knobs = {**SMALL, "perps.early_exit_on_cross": True}
    with rig(tmp_path, [UP, CALM, *TURN], knobs) as desk:
        desk.cycle()
        host = desk.embedded.host
        for order in [order for order in desk.snapshot().orders if order.protective]:
            now = host.state.server_ms
            host.execute(CancelOrder(SOL, order.order_id, now, now + 5000))
        report = desk.cycle()
        stops = [one.qty for one in desk.intents() if one.purpose is Purpose.STOP]
        assert len(stops) == 3 and coverage(report.snapshot.positions[0], report.snapshot.orders).covered_qty == sum(
            stops
        )
        outcomes = [only(desk).outcome for _ in range(20)]
        exits = [one.qty for one in desk.intents() if one.purpose is Purpose.EXIT]
        assert outcomes.count("exit") == 1 and sum(exits) == sum(stops) and len(exits) == 3
        assert desk.snapshot().positions == () and desk.snapshot().orders == ()
