"""What keeps a cycle from entering, how it is recorded, and what goes on all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bot_kit import CALM, CRASH, FLAT, SOL, UP, D, rig
from cycle_kit import only

from tradectl.domain.intent import IntentState, Purpose
from tradectl.domain.position import Protection, coverage
from tradectl.domain.system_state import LatchName
from tradectl.errors import VenueUnreachable
from tradectl.sim.faults import DropRequest, LoseAnswer, Refuse
from tradectl.sim.ops import CancelOrder
from tradectl.store import cycles, decisions, halt, journal, latches, ledger


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


def test_a_paused_candle_may_still_be_entered_after_the_pause(tmp_path):
    with rig(tmp_path, [UP]) as desk:
        desk.latch()
        assert only(desk).outcome == "refused"
        with desk.elsewhere() as other, other.transaction() as conn:
            latches.clear(conn, LatchName.PAUSE, "", by="ann", reason="done", at_ms=1)
        assert only(desk, step=False).outcome == "entered"
