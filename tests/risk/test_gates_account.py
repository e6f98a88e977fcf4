"""Gates before market data: what each says, its wording, and the knob that moves it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradectl.domain.system_state import Latch, LatchName
from tradectl.domain.tags import Tag
from tradectl.risk import pipeline
from tradectl.risk.gates import (
    circuit_breaker,
    daily_loss,
    drawdown,
    enabled,
    latches,
    session_runtime,
    session_trades,
)

D = Decimal
HOUR = 3_600_000


def test_disabled_perps_trading_refuses_entries(world):
    assert enabled.check(world.account(), world.symbol).passed
    verdict = enabled.check(world.account({"perps.enabled": False}), world.symbol)
    assert not verdict.passed and "perps trading is disabled" in verdict.sentence


def latch(name, scope="", reason="because"):
    return Latch(name, scope, "ann", 1, reason)


def test_a_halt_file_wins_over_everything_and_shows_its_text(world):
    account = world.account(halt_reason="by ann: fire", latches=(latch(LatchName.PAUSE),), recovered=False)
    verdict = latches.check(account, world.symbol)
    assert not verdict.passed and "by ann: fire" in verdict.sentence and verdict.tag is Tag.SAFETY_HALT


def test_the_strictest_latch_speaks_and_names_what_clears_it(world):
    account = world.account(latches=(latch(LatchName.PAUSE), latch(LatchName.KILL_SWITCH, reason="fire")))
    verdict = latches.check(account, world.symbol)
    assert not verdict.passed and verdict.sentence.startswith("kill_switch set by ann: fire")
    assert "tradectl killswitch clear" in verdict.sentence


def test_a_pause_refuses_every_symbol(world):
    verdict = latches.check(world.account(latches=(latch(LatchName.PAUSE),)), world.symbol)
    assert not verdict.passed and verdict.tag is Tag.SAFETY_PAUSED


def test_an_unknown_order_blocks_its_own_symbol_only(world):
    account = world.account(latches=(latch(LatchName.UNKNOWN_ORDER, scope="BTCUSDT"),))
    assert latches.check(account, world.symbol).passed
    assert not latches.check(account, "BTCUSDT").passed


def test_entries_wait_until_start_up_has_recovered(world):
    verdict = latches.check(world.account(recovered=False, recovery_reason="fills not read"), world.symbol)
    assert not verdict.passed and "fills not read" in verdict.sentence


def test_books_that_disagree_block_that_symbol_only(world):
    account = world.account(disagreements={"BTCUSDT": "venue 1, store 0"})
    assert latches.check(account, world.symbol).passed
    verdict = latches.check(account, "BTCUSDT")
    assert not verdict.passed and "venue 1, store 0" in verdict.sentence


def test_the_circuit_breaker_keeps_the_background_wording(world):
    account = world.account({"perps.consecutive_loss_limit": 3}, risk=world.risk(streak=3, streak_at_ms=world.now))
    verdict = circuit_breaker.check(account, world.symbol)
    assert not verdict.passed and verdict.tag is Tag.SAFETY_CIRCUIT_BREAKER
    assert verdict.sentence == "3 consecutive losses (limit=3)"
    assert (verdict.value, verdict.limit, verdict.headroom) == (D(3), D(3), D(0))


@pytest.mark.parametrize(("limit", "passed"), [(None, True), (4, True), (3, False), (2, False)])
def test_the_loss_limit_knob_moves_the_circuit_breaker(world, limit, passed):
    account = world.account({"perps.consecutive_loss_limit": limit}, risk=world.risk(streak=3, streak_at_ms=0))
    assert circuit_breaker.check(account, world.symbol).passed is passed


@pytest.mark.parametrize(("hours", "passed"), [(None, False), ("2", False), ("1", True), ("0.5", True)])
def test_after_its_cooldown_a_streak_no_longer_blocks(world, hours, passed):
    knobs = {"perps.consecutive_loss_limit": 3, "perps.consecutive_loss_cooldown_hours": hours and D(hours)}
    account = world.account(knobs, risk=world.risk(streak=3, streak_at_ms=world.now - HOUR))
    assert circuit_breaker.check(account, world.symbol).passed is passed


def test_the_daily_loss_keeps_the_background_wording(world):
    account = world.account(risk=world.risk(realised_today=D(-620)))
    verdict = daily_loss.check(account, world.symbol)
    assert not verdict.passed and verdict.tag is Tag.SAFETY_DAILY_LOSS
    assert verdict.sentence == "Daily loss limit exceeded: 6.20% (limit=5.00%)"
    assert verdict.alert == "Daily loss 6.20% exceeded limit 5.00%"
    assert (verdict.value, verdict.limit, verdict.headroom) == (D("0.062"), D("0.05"), D("-0.012"))


@pytest.mark.parametrize(
    ("lost", "passed", "tag"),
    [
        (349, True, None),
        (350, True, Tag.SAFETY_DAILY_LOSS_WARNING),
        (500, True, Tag.SAFETY_DAILY_LOSS_WARNING),
        ("500.01", False, Tag.SAFETY_DAILY_LOSS),
    ],
)
def test_the_daily_loss_warns_from_seventy_percent_and_refuses_beyond_the_limit(world, lost, passed, tag):
    verdict = daily_loss.check(world.account(risk=world.risk(realised_today=-D(lost))), world.symbol)
    assert (verdict.passed, verdict.tag) == (passed, tag)


def test_the_daily_limit_knob_moves_the_gate(world):
    risk = world.risk(realised_today=D(-620))
    assert daily_loss.check(world.account({"trading.max_daily_risk": D("0.10")}, risk=risk), world.symbol).passed
    assert not daily_loss.check(world.account({"trading.max_daily_risk": D("0.06")}, risk=risk), world.symbol).passed


def test_an_open_loss_counts_as_daily_loss_too(world):
    account = world.account(snapshot=world.snapshot(equity=D(9_400)))
    assert daily_loss.check(account, world.symbol).value == D("0.06")


def test_the_drawdown_keeps_the_background_wording(world):
    account = world.account(snapshot=world.snapshot(equity=D(8_800)))
    verdict = drawdown.check(account, world.symbol)
    assert not verdict.passed and verdict.tag is Tag.SAFETY_DRAWDOWN
    assert verdict.sentence == "Drawdown limit exceeded: 12.00% (limit=10.00%)"


def test_the_drawdown_refuses_at_its_threshold_and_the_knob_moves_it(world):
    account = world.account(snapshot=world.snapshot(equity=D(9_000)))
    assert not drawdown.check(account, world.symbol).passed
    knob = {"risk_management.crisis_mode.drawdown_threshold": D("0.11")}
    verdict = drawdown.check(world.account(knob, snapshot=world.snapshot(equity=D(9_000))), world.symbol)
    assert verdict.passed and verdict.headroom == D("0.01")


def test_session_trades_keep_the_background_wording_and_follow_their_knob(world):
    verdict = session_trades.check(world.account({"perps.session_max_trades": 10}, session_entries=10), world.symbol)
    assert verdict.sentence == "Session trades=10 reached limit=10; halting new entries for this run."
    assert not verdict.passed and verdict.tag is Tag.SAFETY_SESSION_TRADES
    assert session_trades.check(
        world.account({"perps.session_max_trades": 11}, session_entries=10), world.symbol
    ).passed
    assert session_trades.check(world.account(session_entries=10), world.symbol).passed


def test_session_runtime_keeps_the_background_wording_and_follows_its_knob(world):
    started = {"session_started_ms": world.now - int(130.4 * 60_000)}
    key = "perps.session_max_runtime_minutes"
    verdict = session_runtime.check(world.account({key: D(120)}, **started), world.symbol)
    assert verdict.sentence == "Session runtime 130.4 minutes exceeded limit=120; halting new entries for this run."
    assert not verdict.passed and verdict.tag is Tag.SAFETY_SESSION_RUNTIME
    assert session_runtime.check(world.account({key: D(131)}, **started), world.symbol).passed
    assert session_runtime.check(world.account(**started), world.symbol).passed


def test_every_passing_verdict_of_a_limit_carries_value_limit_and_headroom(world):
    knobs = {
        "perps.consecutive_loss_limit": 3,
        "perps.session_max_trades": 5,
        "perps.session_max_runtime_minutes": D(600),
    }
    for verdict in pipeline.before_data(world.account(knobs), world.symbol)[2:]:
        assert verdict.passed and verdict.unit and verdict.sentence
        assert verdict.limit is not None and verdict.value is not None
        assert verdict.headroom == verdict.limit - verdict.value


def test_what_cannot_be_told_refuses(world):
    """An account that began with nothing and owes something has no share of anything."""
    broke = world.account(
        snapshot=world.snapshot(D(-5)), risk=world.risk(peak_equity=D(0), day_start_equity=D(0), realised_today=D(-5))
    )
    for gate, tag in ((drawdown, Tag.SAFETY_DRAWDOWN), (daily_loss, Tag.SAFETY_DAILY_LOSS)):
        verdict = gate.check(broke, world.symbol)
        assert not verdict.passed and verdict.tag is tag and "cannot be told" in verdict.sentence
