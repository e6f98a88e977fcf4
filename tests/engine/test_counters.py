"""Day, peak and streak across midnight, downtime and an operator's reset; the session's limits (promise 9)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bot_kit import CALM, CRASH, DAY_MS, FIVE_MS, FLAT, RALLY, SOL, START_MS, UP, D, Row, lines, rig

from tradectl.domain.candle import MINUTE_MS, day_of
from tradectl.domain.risk_state import first_state
from tradectl.domain.system_state import LatchName
from tradectl.engine.recover import restore
from tradectl.store import journal, latches, ledger, limits, risk, session

QUIET = [FLAT] * 6
BEFORE_MIDNIGHT = START_MS + DAY_MS - 42 * FIVE_MS  # forty flat candles later it is 23:50 UTC


def spoil(desk, **changes: Any) -> None:
    """Changes the stored counters as an operator's command does, through another connection."""
    with desk.elsewhere() as other, other.transaction() as conn:
        stored = risk.load(conn)
        assert stored is not None
        risk.save(conn, replace(stored, **changes))


def test_an_account_is_counted_from_before_its_first_order(tmp_path):
    """The fee of an entry in the very first cycle is a loss of that day."""
    with rig(tmp_path, [UP, CRASH, FLAT]) as desk:
        counters = desk.read(risk.load)
        assert (counters.day_start_equity, counters.peak_equity) == (10_000, 10_000)
        desk.cycle()
        fee = desk.read(ledger.open_trades)[SOL].fees
        assert fee > 0 and desk.read(risk.load).realised_today == -fee
        desk.cycle()
        (trade,) = desk.read(ledger.trades, 5)
        counters = desk.read(risk.load)
        assert counters.realised_today == trade.net and counters.day_start_equity == 10_000
        assert counters.daily_loss(desk.snapshot().equity) == -trade.net / 10_000


def test_the_day_rolls_at_utc_midnight_with_the_equity_of_that_moment(tmp_path):
    with rig(tmp_path, [UP, CALM, CALM], start_ms=BEFORE_MIDNIGHT) as desk:
        first = desk.cycle().snapshot
        assert day_of(first.at_ms) == day_of(START_MS) and desk.read(risk.load).realised_today < 0
        midnight = desk.cycle().snapshot
        assert midnight.at_ms % DAY_MS < FIVE_MS
        counters = desk.read(risk.load)
        assert counters.day == day_of(START_MS + DAY_MS)
        assert counters.day_start_equity == midnight.equity and not counters.day_start_estimated
        assert counters.realised_today == 0 and not counters.daily_warned


def test_a_day_that_began_while_the_bot_was_down_takes_the_stricter_start_and_says_estimated(tmp_path):
    with rig(tmp_path, [UP, CALM, CALM, CALM, CRASH, FLAT, FLAT], start_ms=BEFORE_MIDNIGHT) as desk:
        before = desk.cycle().snapshot.equity
        desk.step(4)  # over midnight, and through the stop, without the bot
        with lines(desk, tmp_path) as log:
            report = desk.cycle()
            said = [line for line in log() if "SAFETY_DAILY_LOSS: daily loss tracking starts" in line]
        counters = desk.read(risk.load)
        (trade,) = desk.read(ledger.trades, 5)
        assert counters.day_start_estimated and len(said) == 1 and "(estimated:" in said[0] and " INFO " in said[0]
        lost_since = trade.net + desk.read(ledger.totals).fees / 2
        assert counters.realised_today < 0 and counters.realised_today > trade.net, "the entry's fee was yesterday's"
        assert abs(counters.realised_today - lost_since) < 1
        assert counters.day_start_equity == max(before, report.snapshot.equity - counters.realised_today)


def test_the_peak_rises_with_equity_and_never_falls(tmp_path):
    with rig(tmp_path, [UP, RALLY, FLAT, UP, CRASH, FLAT]) as desk:
        peaks = []
        for _ in range(6):
            equity = desk.cycle().snapshot.equity
            peaks.append(desk.read(risk.load).peak_equity)
            assert peaks[-1] >= equity
        assert peaks == sorted(peaks) and peaks[-1] > 10_000


def test_an_operators_reset_under_a_running_bot_stands(tmp_path):
    with rig(tmp_path, QUIET) as desk:
        desk.cycle()
        spoil(desk, streak=3, streak_at_ms=1, peak_equity=D(20_000))
        desk.cycle()
        assert desk.read(risk.load).streak == 3 and desk.read(risk.load).peak_equity == 20_000
        spoil(desk, streak=0, streak_at_ms=None, peak_equity=D(10_000))
        desk.cycle()
        assert desk.read(risk.load).streak == 0 and desk.read(risk.load).peak_equity == 10_000


def test_a_reset_made_during_a_cycle_is_not_written_over_by_it(tmp_path):
    with rig(tmp_path, QUIET) as desk:
        desk.cycle()
        spoil(desk, streak=3, streak_at_ms=1)
        done: list[bool] = []

        def reset(call):
            if call.name == "ticker" and not done:  # after the cycle has read its counters
                done.append(True)
                spoil(desk, streak=0, streak_at_ms=None)

        desk.plan.on_before = reset
        desk.cycle()
        assert done and desk.read(risk.load).streak == 0


def test_counters_survive_a_restart_and_are_said(tmp_path):
    with rig(tmp_path, QUIET) as desk:
        desk.cycle()
        spoil(desk, streak=2, streak_at_ms=5, peak_equity=D(12_500))
    with rig(tmp_path, QUIET, ready=False) as again, lines(again, tmp_path) as log:
        restore(again.bot)
        text = "Restored risk state peak_equity=$12500.00 consecutive_losses=2"
        assert any(f"INFO tradectl.engine.recover SAFETY_STATE_LOAD: {text}" in line for line in log())


# The limits that these counters feed, in a running bot.


def test_the_circuit_breaker_refuses_the_next_entry_after_the_streak_and_an_operator_ends_it(tmp_path):
    rows: list[Row] = [UP, CRASH, FLAT, *[FLAT] * 20, UP, CALM]
    with rig(tmp_path, rows, {"perps.consecutive_loss_limit": 1}) as desk, lines(desk, tmp_path) as log:
        for _ in range(len(rows) - 2):
            desk.cycle()
        refused = desk.cycle().decisions[0]
        assert (refused.outcome, refused.code) == ("refused", "circuit_breaker")
        said = [line for line in log() if "SAFETY_CIRCUIT_BREAKER: 1 consecutive losses (limit=1)" in line]
        alerts = [
            line for line in log() if "ALERT[safety_circuit_breaker]: 1 consecutive losses reached limit 1" in line
        ]
        assert said and len(said) == len(alerts) <= 3, "at its beginning, and once an hour"
        spoil(desk, streak=0, streak_at_ms=None)
        assert desk.cycle(step=False).decisions[0].outcome == "entered"


def test_the_days_loss_refuses_until_the_day_ends(tmp_path):
    with rig(tmp_path, [UP, CALM], {"trading.max_daily_risk": D("0.004")}, start_ms=BEFORE_MIDNIGHT) as desk:
        spoil(desk, realised_today=D(-41))
        decision = desk.cycle().decisions[0]
        assert (decision.outcome, decision.code) == ("refused", "daily_loss")
        assert decision.sentence == "Daily loss limit exceeded: 0.41% (limit=0.40%)"
        passed = {verdict.gate: verdict.passed for verdict in desk.cycle().decisions[0].verdicts}
        assert passed["daily_loss"], "a new UTC day"


def test_a_drawdown_refuses_entries_until_the_peak_is_reset(tmp_path):
    with rig(tmp_path, [FLAT, UP]) as desk:
        desk.cycle()
        spoil(desk, peak_equity=D(12_000))
        assert desk.cycle().decisions[0].code == "drawdown"
        spoil(desk, peak_equity=D(10_000))
        assert desk.cycle(step=False).decisions[0].outcome == "entered"


def test_the_daily_warning_is_given_once_a_day_and_again_the_next(tmp_path):
    with rig(tmp_path, [FLAT] * 12, start_ms=BEFORE_MIDNIGHT) as desk, lines(desk, tmp_path) as log:

        def warned() -> tuple[int, int]:
            text = log()
            return (
                sum("WARNING tradectl.engine.cycle SAFETY_DAILY_LOSS_WARNING: Daily loss" in line for line in text),
                sum("ALERT[safety_daily_loss_warning]" in line for line in text),
            )

        desk.cycle()
        spoil(desk, realised_today=D(-400))  # 80% of the limit
        desk.cycle(step=False)
        desk.cycle(step=False)
        assert warned() == (1, 1) and desk.read(risk.load).daily_warned
        for _ in range(3):
            desk.cycle()
        assert desk.read(risk.load).day == day_of(START_MS + DAY_MS) and not desk.read(risk.load).daily_warned
        spoil(desk, realised_today=D(-400))
        desk.cycle()
        assert warned()[0] == 2, "a new day is warned of anew, less than an hour after the old day's warning"


def test_a_days_warning_is_not_repeated_after_a_restart(tmp_path):
    for again in (False, True):
        with rig(tmp_path, [FLAT] * 6) as desk, lines(desk, tmp_path) as log:
            desk.cycle()
            spoil(desk, realised_today=D(-400))
            desk.cycle()
            assert sum("SAFETY_DAILY_LOSS_WARNING" in line for line in log()) == 1, again


def test_the_sessions_trade_limit_refuses_and_its_reset_permits(tmp_path):
    rows: list[Row] = [UP, CRASH, FLAT, *[FLAT] * 20, UP]
    with rig(tmp_path, rows, {"perps.session_max_trades": 1}) as desk:
        for _ in range(len(rows) - 1):
            desk.cycle()
        refused = desk.cycle().decisions[0]
        assert refused.code == "session_trades"
        assert refused.sentence == "Session trades=1 reached limit=1; halting new entries for this run."
        with desk.elsewhere() as other, other.transaction() as conn:
            session.reset_entries(conn)
        assert desk.cycle(step=False).decisions[0].outcome == "entered"


def test_the_sessions_running_time_is_venue_time_and_survives_a_crash(tmp_path):
    knobs: dict[str, object] = {"perps.session_max_runtime_minutes": D(12)}
    with rig(tmp_path, [FLAT] * 3 + [UP], knobs, warm=40) as desk:
        with desk.db.transaction() as conn:
            session.restart_clock(conn, started_ms=desk.bot.clock.now_ms(), started_wall_ms=desk.wall.at_ms)
        for _ in range(2):
            assert desk.cycle().decisions[0].outcome == "no_signal"
        desk.wall.at_ms += 600 * MINUTE_MS  # the wall clock says nothing about it
        started = desk.read(session.current)
    with rig(tmp_path, [FLAT] * 3 + [UP], knobs) as desk:
        assert desk.read(session.current) == started, "resumed, not begun anew"
        desk.step()
        assert desk.cycle().decisions[0].code == "session_runtime"


def test_each_limit_is_left_with_value_limit_and_headroom_in_money(tmp_path):
    with rig(tmp_path, [UP, CRASH, FLAT], {"perps.consecutive_loss_limit": 3}) as desk:
        desk.cycle()
        desk.cycle()
        rows = {row.name: row for row in desk.read(limits.load)}
        (trade,) = desk.read(ledger.trades, 5)
        assert rows["daily_loss"].headroom == 500 + trade.net
        assert rows["drawdown"].value == -trade.net / 10_000 and rows["drawdown"].headroom == 1000 + trade.net
        assert (rows["consecutive_losses"].value, rows["consecutive_losses"].headroom) == (1, 2)
        assert "state reset --scope streak" in rows["consecutive_losses"].clears


def test_funding_is_in_the_day_and_in_the_trade(tmp_path):
    """00:00 UTC is a funding time: a long held over it pays."""
    with rig(tmp_path, [UP, CALM, CALM], {"sim.funding_rate": D("0.001")}, start_ms=BEFORE_MIDNIGHT) as desk:
        desk.cycle()
        desk.cycle()
        desk.cycle()
        trade = desk.read(ledger.open_trades)[SOL]
        (paid,) = desk.read(journal.page, 0, 100, "funding")
        assert trade.funding == D(str(paid.body["amount"])) < 0
        assert desk.read(risk.load).realised_today == trade.funding, "the entry's fee was yesterday's"


def test_first_state_of_an_account_is_estimated_unless_it_is_midnight():
    assert first_state(D(1), START_MS).day_start_estimated is False
    assert first_state(D(1), START_MS + 1).day_start_estimated is True


def test_a_persisted_halt_is_said_at_start_up_with_what_clears_it(tmp_path: Path):
    with rig(tmp_path, QUIET) as desk:
        desk.latch(LatchName.KILL_SWITCH, reason="fire")
    with rig(tmp_path, QUIET, ready=False) as again, lines(again, tmp_path) as log:
        restore(again.bot)
        (line,) = [line for line in log() if "kill_switch holds since" in line]
        assert "SAFETY_KILL_SWITCH:" in line and "fire" in line and "tradectl killswitch clear" in line
        assert [latch.name for latch in again.read(latches.active)] == [LatchName.KILL_SWITCH]
