"""`state reset`: what still holds stays, unless somebody names themselves (promises 9 and 11)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_kit import (
    VENUE_MS,
    counters,
    create,
    hold_lease,
    limit_rows,
    locked,
    on_terminal,
    one_cycle,
    position,
    snapshot,
    tradectl,
    wall_ms,
)

from tradectl.domain.intent import stop_draft
from tradectl.domain.order import TriggerBy
from tradectl.domain.position import Side
from tradectl.domain.system_state import Latch, LatchName
from tradectl.errors import Refused, UsageError
from tradectl.operations import reset_changes, state_reset, state_show
from tradectl.operations.reset_changes import World
from tradectl.operations.state_reset import Request
from tradectl.store import halt, intents, journal, latches, limits, risk, session
from tradectl.store.database import Database
from tradectl.store.verify import verify

BREACHED = counters(realised_today=Decimal(-700), last_equity=Decimal(9300), streak=0)


def _ask(scope: str, *, override: bool = False) -> Request:
    return Request(scope, "ada", "looked at it", override)


def _latch(db: Database, name: LatchName, scope: str = "") -> None:
    with db.transaction() as conn:
        latches.set_latch(conn, Latch(name, scope, "bot", 5, "because"))


def _doubt(db: Database, symbol: str = "BTCUSDT") -> str:
    draft = stop_draft(symbol, Side.LONG, Decimal("0.5"), Decimal(59_000), TriggerBy.MARK, "missing stop")
    with db.transaction() as conn:
        return intents.record(conn, draft, created_ms=1, expires_ms=5_001, epoch=0, actor="bot").client_id


def test_a_streak_needs_no_override_and_is_journalled_backed_up_and_shown(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db)
    ran = tradectl(
        "state", "reset", "--scope", "streak", "--reason", "market was closed", "--yes", "--state", db.path,
        env={"SUDO_USER": "grace"},
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "Reset streak: 2 consecutive losses → 0 consecutive losses" in ran.out
    assert "It closes no position and cancels no order." in ran.out
    with Database.open(db.path, expect=None) as after:
        state = risk.load(after.conn)
        assert state is not None and (state.streak, state.streak_at_ms) == (0, None)
        act = journal.latest(after.conn, 1)[0]
        assert (act.kind, act.actor, act.subject) == ("operator", "grace", "state reset streak")
        assert act.body["reason"] == "market was closed"
        assert act.body["before"] == {"streak": "2 consecutive losses"}
        assert act.body["override"] is False
        losses = next(row for row in limits.load(after.conn) if row.name == "consecutive_losses")
        assert (losses.value, losses.headroom) == (Decimal(0), Decimal(3))
    copies = list((tmp_path / "backups").iterdir())
    assert len(copies) == 1 and str(copies[0]) in ran.out
    assert verify(copies[0]).ok
    with Database.open(copies[0], expect=None) as before:
        kept = risk.load(before.conn)
        assert kept is not None and kept.streak == 2


def test_a_daily_loss_that_still_holds_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db, state=BREACHED)
    before = db.path.read_bytes()
    ran = tradectl("state", "reset", "--scope", "daily", "--reason", "x", "--yes", "--state", db.path)
    assert ran.code == 2
    assert "the day has lost 7.00% (limit=5.00%)" in ran.err
    assert "--override --approver NAME --reason TEXT" in ran.err
    assert db.path.read_bytes() == before
    assert not (tmp_path / "backups").exists()


def test_an_override_is_recorded_and_stays_visible(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        hold_lease(db)
        one_cycle(db, state=BREACHED)
        planned = state_reset.plan(db, _ask("daily", override=True))
        done = state_reset.apply(db, planned, wall_ms())
        page = state_show.read(db, wall_ms())
        state = risk.load(db.conn)
    assert done.plan.overridden[0].holds == "the day has lost 7.00% (limit=5.00%)"
    assert state is not None
    assert (state.day_start_equity, state.realised_today, state.daily_warned) == (Decimal(9300), Decimal(0), False)
    assert [(act.by, act.what, act.reason) for act in page.overrides] == [("ada", "state reset daily", "looked at it")]
    assert next(line for line in page.limits if line.name == "daily_loss").headroom == Decimal(465)


def test_an_override_without_a_name_is_bad_usage(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    ran = tradectl("state", "reset", "--scope", "daily", "--reason", "x", "--override", "--yes", "--state", db.path)
    assert ran.code == 3
    assert "--approver NAME" in ran.err


def test_a_drawdown_at_its_threshold_holds_and_below_it_is_cleared(tmp_path: Path) -> None:
    at_limit = counters(peak_equity=Decimal(10_000), last_equity=Decimal(9_000))
    with create(tmp_path) as db:
        one_cycle(db, state=at_limit)
        with pytest.raises(Refused, match=r"10\.00% below its peak"):
            state_reset.plan(db, _ask("peak"))
        one_cycle(db, state=replace(at_limit, last_equity=Decimal(9_001)))
        state_reset.apply(db, state_reset.plan(db, _ask("peak")), wall_ms())
        state = risk.load(db.conn)
    assert state is not None and state.peak_equity == Decimal(9_001)


def test_a_session_starts_its_counts_anew_under_the_same_number(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
        state_reset.apply(db, state_reset.plan(db, _ask("session")), wall_ms())
        current = session.current(db.conn)
        rows = {row.name: row.value for row in limits.load(db.conn)}
    assert current is not None
    assert (current.number, current.entries, current.started_ms) == (1, 0, VENUE_MS)
    assert (rows["session_trades"], rows["session_runtime"]) == (Decimal(0), Decimal(0))


def test_a_kill_switch_with_its_halt_file_is_not_cleared_even_with_an_override(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
        _latch(db, LatchName.KILL_SWITCH)
        halt.write(str(db.path), "stopped by hand")
        with pytest.raises(Refused, match="halt file") as refused:
            state_reset.plan(db, _ask("latch:kill_switch", override=True))
        assert "killswitch clear" in refused.value.hint
        assert len(latches.active(db.conn)) == 1


def test_a_kill_switch_holds_while_an_order_is_in_doubt_or_a_position_is_naked(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
        _latch(db, LatchName.KILL_SWITCH)
        client_id = _doubt(db)
        with pytest.raises(Refused, match=client_id):
            state_reset.plan(db, _ask("latch:kill_switch"))
        one_cycle(db, seen=snapshot((position("ETHUSDT", "2"),)))
        with pytest.raises(Refused, match="not fully covered by stops when last seen: ETHUSDT"):
            state_reset.plan(db, _ask("latch:kill_switch"))
        state_reset.apply(db, state_reset.plan(db, _ask("latch:kill_switch", override=True)), wall_ms())
        assert latches.active(db.conn) == ()


def test_an_unknown_order_latch_is_judged_by_the_orders_of_its_own_symbol(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
        _latch(db, LatchName.UNKNOWN_ORDER, "BTCUSDT")
        _latch(db, LatchName.UNKNOWN_ORDER, "ETHUSDT")
        _doubt(db, "BTCUSDT")
        with pytest.raises(Refused, match="BTCUSDT"):
            state_reset.plan(db, _ask("latch:unknown_order"))
        state_reset.apply(db, state_reset.plan(db, _ask("latch:unknown_order:ethusdt")), wall_ms())
        assert [latch.scope for latch in latches.active(db.conn)] == ["BTCUSDT"]


def test_all_is_all_or_nothing(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db, state=BREACHED)
        _latch(db, LatchName.PAUSE)
        with pytest.raises(Refused, match="daily"):
            state_reset.plan(db, _ask("all"))
        assert len(latches.active(db.conn)) == 1
        done = state_reset.apply(db, state_reset.plan(db, _ask("all", override=True)), wall_ms())
        assert latches.active(db.conn) == ()
        changed = {change.target for change in done.plan.changes if not change.nothing}
    assert changed == {"daily", "peak", "session", "latch:pause"}


def test_a_cause_that_comes_up_after_the_plan_stops_it(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
        planned = state_reset.plan(db, _ask("daily"))
        one_cycle(db, state=BREACHED)  # the bot went on meanwhile
        rows = journal.head(db.conn)[0]
        with pytest.raises(Refused):
            state_reset.apply(db, planned, wall_ms())
        assert risk.load(db.conn) == BREACHED
        assert journal.head(db.conn)[0] == rows


def test_nothing_to_clear_leaves_no_trace(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    ran = tradectl("state", "reset", "--scope", "latch:pause", "--reason", "x", "--state", db.path)
    assert ran.code == 0, ran.err
    assert "Nothing to clear: nothing was changed" in ran.out
    assert not (tmp_path / "backups").exists()


def test_unconfirmed_changes_nothing_where_nobody_can_be_asked_or_no_is_typed(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    asked = ("--state", db.path, "state", "reset", "--scope", "streak", "--reason", "x")
    assert tradectl(*asked).code == 2
    ran = on_terminal(*asked, typed="n\n")
    assert ran.code == 2
    assert "nothing was changed" in ran.out
    with Database.open(db.path, expect=None) as after:
        assert risk.load(after.conn) == counters()
    assert on_terminal(*asked, typed="y\n").code == 0
    with Database.open(db.path, expect=None) as after:
        state = risk.load(after.conn)
        assert state is not None and state.streak == 0


def test_a_locked_store_ends_in_75_with_nothing_changed(tmp_path: Path) -> None:
    with create(tmp_path) as db:
        one_cycle(db)
    with locked(db.path, "BEGIN IMMEDIATE"):
        ran = tradectl("state", "reset", "--scope", "streak", "--reason", "x", "--yes", "--state", db.path)
    assert ran.code == 75
    with Database.open(db.path, expect=None) as after:
        assert risk.load(after.conn) == counters()


@pytest.mark.parametrize(
    ("scope", "code", "said"),
    [
        ("cooldowns", 78, "not part of this build"),
        ("weekly", 3, "there is no scope 'weekly'"),
        ("latch:mood", 3, "kill_switch, halt, ess_tripped"),
    ],
)
def test_a_scope_that_is_none_says_which_there_are(tmp_path: Path, scope: str, code: int, said: str) -> None:
    with create(tmp_path) as db:
        pass
    ran = tradectl("state", "reset", "--scope", scope, "--reason", "x", "--yes", "--state", db.path)
    assert ran.code == code
    assert said in ran.err


def test_a_reason_of_blanks_is_no_reason(tmp_path: Path) -> None:
    with create(tmp_path) as db, pytest.raises(UsageError, match="reason"):
        state_reset.plan(db, Request("streak", "ada", "  ", False))


@given(st.decimals(-2000, 2000, places=2), st.decimals("0.01", 20_000, places=2), st.decimals("0.01", 20_000, places=2))
def test_a_reset_counter_is_never_in_breach_and_a_breach_is_never_cleared_silently(
    realised: Decimal, equity: Decimal, peak: Decimal
) -> None:
    state = counters(realised_today=realised, last_equity=equity, peak_equity=max(peak, equity))
    world = World("USDT", state, limit_rows(state), None, (), (), None, VENUE_MS, None, "")
    daily, fall = next(reset_changes.changes(world, "daily")), next(reset_changes.changes(world, "peak"))
    assert bool(daily.holds) is (state.daily_loss(equity) > Decimal("0.05"))
    assert bool(fall.holds) is (state.drawdown(equity) >= Decimal("0.10"))
    after = reset_changes.RESETS["peak"](reset_changes.RESETS["daily"](state))
    assert (after.daily_loss(equity), after.drawdown(equity)) == (0, 0)


def test_an_unknown_limit_counts_as_breached() -> None:
    state = counters()
    world = World("USDT", state, [], None, (), (), None, VENUE_MS, None, "")
    for change in [*reset_changes.changes(world, "daily"), *reset_changes.changes(world, "peak")]:
        assert "not known" in change.holds
