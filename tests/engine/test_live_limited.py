"""Mode live_limited, on the simulated exchange: its limits at the door below everything else, and its preflight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.bot_kit import CALM, CRASH, FLAT, SOL, UP, WALL_MS, Rig, lines, rig
from tradectl.domain.intent import entry_drafts
from tradectl.domain.limited import LIVE_LIMITED, PREFLIGHT_VALID_MS, Preflight
from tradectl.domain.order import TriggerBy
from tradectl.domain.system_state import LatchName, SystemState
from tradectl.errors import EntryRefused, Refused
from tradectl.sim.ops import Transfer
from tradectl.store import latches, limits, outbox, preflights, session

D = Decimal
GREEN = Preflight(WALL_MS, "", "green")


def checked(folder: Path, rows: list[tuple[str, str, str, str]], done: Preflight | None = GREEN) -> None:
    """A paper session of the account, ended, with a preflight on record."""
    with rig(folder, rows) as desk:
        if done is not None:
            desk.write(preflights.put, done, by="ann")
        desk.write(session.end, at_ms=desk.bot.clock.now_ms(), reason="done")


@contextmanager
def limited(
    folder: Path, rows: list[tuple[str, str, str, str]], knobs: dict[str, object] | None = None
) -> Iterator[Rig]:
    checked(folder, rows)
    with rig(folder, rows, knobs, mode=LIVE_LIMITED) as desk:
        yield desk


def seen(desk: Rig) -> None:
    """The door has the account as the bot last saw it."""
    assert desk.bot.door.limited is not None
    desk.bot.door.limited.observe(desk.snapshot())


def current(desk: Rig) -> int:
    running = desk.read(session.current)
    assert running is not None
    return running.number


def refusal(desk: Rig, **changed: object) -> str:
    sized = replace(desk.sized(qty=str(changed.pop("qty", "2"))), **changed)  # type: ignore[arg-type]
    seen(desk)
    with pytest.raises(EntryRefused) as caught:
        desk.run(desk.bot.door.submit(entry_drafts(sized, TriggerBy.LAST)[0]))
    assert caught.value.code == LIVE_LIMITED and desk.intents() == []
    return caught.value.what


def test_an_entry_is_sized_to_five_per_cent_of_equity_and_says_that_the_mode_binds(tmp_path):
    with limited(tmp_path, [UP, CALM, CALM]) as desk:
        with lines(desk, tmp_path) as log:
            report = desk.cycle()
            said = [line for line in log() if "SAFETY_SIZE_CAPPED" in line and "limit=5.00%" in line]
        assert [one.outcome for one in report.decisions] == ["entered"] and said, said
        (position,) = report.snapshot.positions
        share = abs(position.qty) * position.entry_price / report.snapshot.equity
        assert D("0.049") < share <= D("0.05")
        rows = {row.name: row for row in desk.read(limits.load)}
    assert rows["position_notional"].limit == D("0.05") and rows["position_notional"].source == "mode live_limited"
    assert rows["daily_loss"].limit == D("0.02") and rows["daily_loss"].source == "mode live_limited"
    assert rows["positions"].limit == 3 and rows["positions"].source == "mode live_limited"


def test_the_door_refuses_what_gates_would_have_let_through(tmp_path):
    with limited(tmp_path, [FLAT] * 3) as desk:
        assert "a position of 600.00 is 6.00% of equity (limit 5.00%)" in refusal(desk, qty="6", notional=D(600))
        assert "is 6.00% of equity" in refusal(desk, qty="1", notional=D(600)), "the whole entry before its first slice"
        assert "has no stop" in refusal(desk, stop_price=D(0))
        assert "has no stop" in refusal(desk, stop_price=D(101)), "on the wrong side"
        assert "loss at the stop 300.00 does not fit" in refusal(desk, risk_amount=D(300))


def test_a_smaller_share_makes_smaller_positions(tmp_path):
    with limited(tmp_path, [UP, CALM, CALM], {"live_limited.max_position_pct": D("0.01")}) as desk:
        (position,) = desk.cycle().snapshot.positions
        assert D("0.009") < abs(position.qty) * position.entry_price / D(10_000) <= D("0.01")


def test_an_entry_without_its_attached_stop_is_refused(tmp_path):
    with limited(tmp_path, [FLAT] * 3) as desk:
        bare = replace(desk.entry(), stop=None)
        seen(desk)
        with pytest.raises(EntryRefused, match="has no stop"):
            desk.run(desk.bot.door.submit(bare))
        assert desk.intents() == []


def test_the_limit_grows_and_shrinks_with_the_balance(tmp_path):
    with limited(tmp_path, [FLAT] * 3) as desk:
        assert "limit 5.00%" in refusal(desk, qty="6", notional=D(600))
        desk.embedded.host.execute(Transfer(D(5000), desk.bot.clock.now_ms()))
        seen(desk)
        assert desk.run(desk.bot.door.submit(desk.entry(qty="6"))).confirmed, "600 is 4% of 15 000"


def test_a_shrunken_balance_is_measured_anew_between_two_orders(tmp_path):
    with limited(tmp_path, [FLAT] * 3) as desk:
        desk.embedded.host.execute(Transfer(D(-7000), desk.bot.clock.now_ms()))
        assert "a position of 200.00 is 6.67% of equity" in refusal(desk, qty="2")


def test_the_fourth_position_is_refused_whoever_holds_the_others(tmp_path):
    with limited(tmp_path, [FLAT] * 3, {"live_limited.max_positions": 1}) as desk:
        seen(desk)
        assert desk.run(desk.bot.door.submit(desk.entry(qty="2"))).confirmed
        seen(desk)
        other = replace(desk.sized(), admitted=replace(
            desk.sized().admitted, signal=replace(desk.sized().admitted.signal, symbol="BTCUSDT")
        ))  # fmt: skip
        with pytest.raises(EntryRefused, match="2 positions with this one"):
            desk.run(desk.bot.door.submit(entry_drafts(other, TriggerBy.LAST)[0]))


def test_two_per_cent_of_the_day_end_the_day(tmp_path):
    with limited(tmp_path, [UP, CRASH, FLAT, FLAT], {"live_limited.max_daily_loss_pct": D("0.00005")}) as desk:
        seen(desk)
        draft = replace(desk.entry(qty="4", stop="99.9"), sized=replace(desk.sized(qty="4"), risk_amount=D("0.4")))
        desk.run(desk.bot.door.submit(draft))
        for _ in range(3):
            desk.cycle()
        seen(desk)
        sized = desk.sized(qty="1")
        later = replace(sized.admitted.signal, candle_open_ms=sized.admitted.signal.candle_open_ms + 1)
        sized = replace(sized, admitted=replace(sized.admitted, signal=later))
        with pytest.raises(EntryRefused, match="the day has lost"):
            desk.run(desk.bot.door.submit(entry_drafts(sized, TriggerBy.LAST)[0]))


def test_before_the_account_was_seen_nothing_enters(tmp_path):
    with limited(tmp_path, [FLAT] * 3) as desk:
        assert desk.bot.door.limited is not None
        desk.bot.door.limited.last = None
        with pytest.raises(EntryRefused, match="equity is not known"):
            desk.run(desk.bot.door.submit(desk.entry()))


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (None, "no preflight is on record"),
        (replace(GREEN, result="red", sentence="2 red"), "the last preflight is red: 2 red"),
        (replace(GREEN, result="amber"), "the last preflight is amber"),
        (replace(GREEN, config_digest="other"), "another configuration"),
        (replace(GREEN, at_ms=WALL_MS - PREFLIGHT_VALID_MS - 1), "24 h old"),
        (replace(GREEN, at_ms=WALL_MS + 1), "dated in the future"),
    ],
)
def test_a_new_session_needs_a_green_preflight(tmp_path, done, why):
    checked(tmp_path, [FLAT] * 3, done)
    wanted = pytest.raises(Refused, match="a new live_limited session needs a green preflight")
    with wanted as caught, rig(tmp_path, [FLAT] * 3, mode=LIVE_LIMITED):
        pass
    assert why in caught.value.what
    with rig(tmp_path, [FLAT] * 3) as desk:  # what was refused has changed nothing
        assert (
            (ended := desk.read(session.last)) is not None and ended.mode == "paper" and desk.read(latches.active) == ()
        )


def test_an_unattended_restart_goes_on(tmp_path):
    rows = [FLAT, FLAT, UP, CALM, CALM]
    with limited(tmp_path, rows) as desk:
        desk.cycle()
        number = current(desk)
    with rig(tmp_path, rows, mode=LIVE_LIMITED) as desk:
        assert current(desk) == number and desk.read(latches.active) == ()


def test_a_restart_on_a_stale_preflight_only_protects_until_there_is_a_new_one(tmp_path):
    rows = [FLAT, FLAT, UP, CALM, CALM, CALM]
    with limited(tmp_path, rows) as desk:
        desk.cycle()
        number = current(desk)
        desk.write(preflights.put, replace(GREEN, result="red", sentence="the stop drill failed"), by="ann")
    for _ in range(2):  # a second restart sets and says nothing twice
        with rig(tmp_path, rows, mode=LIVE_LIMITED) as desk:
            (latch,) = desk.read(latches.active)
            alerts = [one.text for one in desk.read(outbox.pending, 50) if one.type == "safety_limited_refused"]
            assert len(alerts) == 1 and "the stop drill failed" in alerts[0]
    assert latch.name is LatchName.PREFLIGHT and latch.rule.state is SystemState.DEGRADED
    with rig(tmp_path, rows, mode=LIVE_LIMITED) as desk:
        assert current(desk) == number
        report = desk.cycle()
        assert report.system_state == "DEGRADED"
        with pytest.raises(EntryRefused, match="the latch preflight forbids entries"):
            desk.run(desk.bot.door.submit(desk.entry(qty="2")))
        desk.write(preflights.put, GREEN, by="ann")
        report = desk.cycle()
        assert report.system_state == "NORMAL" and desk.read(latches.active) == ()
        assert [one.outcome for one in report.decisions] == ["entered"], "the crossing was not decided upon before"


def test_nothing_of_it_binds_in_paper(tmp_path):
    with rig(tmp_path, [UP, CALM]) as desk:
        report = desk.cycle()
        (position,) = report.snapshot.positions
        assert abs(position.qty) * position.entry_price > report.snapshot.equity * D("0.05")
        assert {row.name for row in desk.read(limits.load)}.isdisjoint({"position_notional"})
        assert position.symbol == SOL
