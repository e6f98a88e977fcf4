"""One cycle, end to end, on hand-made candles: what is entered, what is left, what is recorded, what it costs."""

from __future__ import annotations

from bot_kit import CALM, CRASH, FIVE_MS, FLAT, RALLY, SOL, UP, D, count_commits, rig
from cycle_kit import only

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.order import OrderType
from tradectl.domain.position import Protection, coverage
from tradectl.sim.ops import CancelOrder
from tradectl.store import cycles, decisions, journal, ledger, risk, session, views


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
