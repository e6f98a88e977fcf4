"""The emergency stop and the policy by hand, through the real executable: every change has a name and a reason."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import page_kit
import pytest
from desk import Account, account

from tradectl.domain.emergency_stop import Emergency, EssState
from tradectl.domain.system_state import Latch, LatchName
from tradectl.store import journal, latches, outbox, policy, safety, settings
from tradectl.store.database import Database

D = Decimal
RESET = ("ess", "reset", "--approver", "bea", "--reason", "looked at it")


@pytest.fixture
def acct(tmp_path: Path) -> Account:
    return account(tmp_path)


def now(acct: Account) -> tuple[Emergency, list[str]]:
    with acct.db() as db, db.read() as conn:
        return safety.ess(conn), [latch.title for latch in latches.active(conn)]


def cooling(acct: Account, cooled_ms: int) -> None:
    """As a bot leaves it that has swept."""
    with acct.db() as db, db.transaction() as conn:
        safety.save_ess(conn, Emergency(EssState.COOLING_DOWN, "open_loss", "11%", 1, "bot", cooled_ms=cooled_ms))
        latches.set_latch(conn, Latch(LatchName.ESS_COOLING, "", "bot", 1, "open_loss: 11%"))


def rows(db: Database, kind: str) -> list[tuple[str, str, object]]:
    with db.read() as conn:
        return [(row.actor, row.subject, row.body.get("reason")) for row in journal.page(conn, kind=kind)]


def test_armed_and_quiet_is_exit_0(acct: Account) -> None:
    ran = acct.tradectl("ess", "status")
    assert ran.code == 0 and "Emergency stop ARMED" in ran.out and "errors in a row  0; trips at 5" in ran.out
    assert acct.tradectl("ess", "status", "--json").json["state"] == "ARMED"


def test_each_evaluator_says_where_it_stands_and_where_it_trips(acct: Account) -> None:
    assert "loss of the day  not known before the first cycle" in acct.tradectl("ess", "status").out
    seen = page_kit.snapshot((replace(page_kit.position(), unrealised=D(-120)),))
    with acct.db() as db:
        page_kit.one_cycle(db, seen=seen, state=replace(page_kit.counters(), day_start_equity=seen.equity / D("0.96")))
        with db.transaction() as conn:
            settings.put(conn, "ess.max_daily_drawdown_pct", "0.08")
    ran = acct.tradectl("ess", "status")
    assert "loss of the day  4.00% of equity; trips above 8.00% (50% of it)" in ran.out
    assert "trips above 10.00%" in ran.out and "the last cycle by the venue's clock" in ran.out
    day, loss = acct.tradectl("ess", "status", "--json").json["readings"]
    assert (day["evaluator"], D(day["value"]), D(day["limit"])) == ("daily_drawdown", D("0.04"), D("0.08"))
    open_loss = -sum(min(one.unrealised, D(0)) for one in seen.positions) / seen.equity
    assert loss["evaluator"] == "open_loss" and abs(D(loss["value"]) - open_loss) < D("1e-9") and open_loss > 0


def test_tripping_halts_at_once_and_twice_is_once(acct: Account) -> None:
    ran = acct.tradectl("ess", "trip", "--reason", "feed is wrong")
    assert ran.code == 0 and "TRIPPED (was ARMED)" in ran.out and "system state: HALTED" in ran.out
    ess, standing = now(acct)
    assert (ess.state, ess.by, ess.evidence) == (EssState.TRIPPED, "ann", "feed is wrong")
    assert standing == ["ess_tripped"]
    assert "TRIPPED already" in acct.tradectl("ess", "trip", "--reason", "again").out
    assert acct.tradectl("ess", "status").code == 1
    assert "HALTED since" in acct.tradectl("state", "show").out
    with acct.db() as db:
        assert ("ann", "ess", "feed is wrong") in rows(db, "state")
        with db.read() as conn:
            assert "safety_ess_tripped" in [row.type for row in outbox.pending(conn, 10)]


def test_what_is_tripped_cannot_be_re_armed_before_its_sweep_nor_disabled(acct: Account) -> None:
    acct.tradectl("ess", "trip", "--reason", "x")
    for argv in (RESET, (*RESET, "--override"), ("ess", "disable", "--approver", "bea", "--reason", "x")):
        ran = acct.tradectl(*argv)
        assert ran.code == 2, ran.all
    assert now(acct)[0].state is EssState.TRIPPED


def test_a_reset_is_refused_while_it_cools_down_and_overridden_only_on_the_record(acct: Account) -> None:
    cooling(acct, 5 * 60_000)
    ran = acct.tradectl(*RESET)
    assert ran.code == 2 and "10.0 min of its cooldown are left" in ran.err
    assert now(acct)[1] == ["ess_cooling"]
    ran = acct.tradectl(*RESET, "--override")
    assert ran.code == 0 and "overridden, on the record" in ran.out
    ess, standing = now(acct)
    assert (ess.state, ess.by) == (EssState.ARMED, "bea") and standing == []
    with acct.db() as db:
        (row,) = [row for row in rows(db, "state") if row[1] == "ess"]
        assert row[0] == "bea" and "overridden: 10.0 min" in str(row[2])


def test_after_its_cooldown_it_is_re_armed(acct: Account) -> None:
    cooling(acct, 15 * 60_000)
    ran = acct.tradectl(*RESET)
    assert ran.code == 0 and "RE-ARMED (was COOLING_DOWN)" in ran.out
    assert now(acct) == (replace(now(acct)[0], state=EssState.ARMED), [])
    assert "RE-ARMED already" in acct.tradectl(*RESET).out


def test_without_a_manual_reset_the_configuration_decides(acct: Account) -> None:
    """ess.allow_manual_reset: false, as the bot that ran last wrote it down."""
    cooling(acct, 15 * 60_000)
    with acct.db() as db, db.transaction() as conn:
        settings.put(conn, "ess.allow_manual_reset", "False")
    ran = acct.tradectl(*RESET)
    assert ran.code == 2 and "allow_manual_reset is false" in ran.err


def test_disabling_is_visible_until_it_is_armed_again(acct: Account) -> None:
    ran = acct.tradectl("ess", "disable", "--approver", "bea", "--reason", "venue test")
    assert ran.code == 0 and "DISABLED (was ARMED)" in ran.out
    assert acct.tradectl("ess", "status").code == 1
    assert acct.tradectl(*RESET).code == 0 and now(acct)[0].state is EssState.ARMED


@pytest.mark.parametrize("argv", [("ess", "trip", "--reason", " "), ("ess", "reset", "--approver", "b", "--reason", ""),
                                  ("policy", "set", "NORMAL", "--reason", " "),
                                  ("policy", "set", "WILD", "--reason", "x"),
                                  ("ess", "trip"), ("policy", "set", "NORMAL")])  # fmt: skip
def test_without_a_reason_or_with_nonsense_nothing_changes(acct: Account, argv: tuple[str, ...]) -> None:
    ran = acct.tradectl(*argv)
    assert ran.code == 3 and "Traceback" not in ran.all, ran.all
    assert now(acct)[0] == Emergency()


def test_neither_is_cleared_as_a_latch(acct: Account) -> None:
    cooling(acct, 15 * 60_000)
    ran = acct.tradectl("state", "reset", "--scope", "latch:ess_cooling", "--reason", "x", "--yes")
    assert ran.code == 2 and "tradectl ess reset" in ran.err
    assert now(acct)[1] == ["ess_cooling"]


def test_a_policy_is_set_shown_and_kept(acct: Account) -> None:
    assert "no policy was set" in acct.tradectl("policy", "show").out
    ran = acct.tradectl("policy", "set", "defensive", "--reason", "FOMC")
    assert ran.code == 0 and "SET DEFENSIVE (version 1)" in ran.out and "1.00%" in ran.out
    assert "was set already: DEFENSIVE (version 1)" in acct.tradectl("policy", "set", "DEFENSIVE", "--reason", "x").out
    acct.tradectl("policy", "set", "NORMAL", "--reason", "over")
    lines = acct.tradectl("policy", "history").out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["NORMAL", "DEFENSIVE"]
    with acct.db() as db:
        assert rows(db, "operator") == [("ann", "policy set", "FOMC"), ("ann", "policy set", "over")]
        with db.read() as conn:
            found = policy.current(conn)
    assert found is not None and (found.version, found.profile.name, found.by) == (2, "NORMAL", "ann")


def test_a_policy_says_what_it_makes_of_the_limits(acct: Account) -> None:
    before = acct.tradectl("policy", "set", "AGGRESSIVE", "--reason", "calm").out
    assert "the bot's own is not known yet" in before and "no limit stricter" not in before
    own = {"risk_per_trade": "0.005", "daily_loss": "0.05", "leverage": "30", "confidence_floor": "0.45"}
    with acct.db() as db, db.transaction() as conn:
        for name, value in own.items():
            settings.put(conn, f"policy.without.{name}", value)
    strict = acct.tradectl("policy", "set", "DEFENSIVE", "--reason", "FOMC").out
    assert "risk of a trade  0.50%, as without it (1.00% in it)" in strict and "no limit stricter" not in strict
    assert "loss of a day    3.00%, the policy's (5.00% without it)" in strict
    assert "leverage         10x, the policy's (30x without it)" in strict
    assert "confidence from  0.6, the policy's (0.45 without it)" in strict
    ran = acct.tradectl("policy", "set", "AGGRESSIVE", "--reason", "calm", "--json").json
    assert not any(one["binds"] for one in ran["effects"])
    assert {one["limit"]: one["in_force"] for one in ran["effects"]} == own
    assert "it makes no limit stricter" in acct.tradectl("policy", "set", "AGGRESSIVE", "--reason", "calm").out


def test_an_emergency_stop_out_of_service_is_said_on_the_one_page_until_it_is_back(acct: Account) -> None:
    """Each of these changes loosens what holds: none of their alerts may be held back behind the one before."""
    assert "DISABLED" not in acct.tradectl("state", "show").out
    for reason in ("venue test", "another test"):
        acct.tradectl("ess", "disable", "--approver", "bea", "--reason", reason, "--yes")
        page = acct.tradectl("state", "show").out
        assert "! the emergency stop is DISABLED" in page and reason in page and "tradectl ess reset" in page
        acct.tradectl(*RESET)
    assert "DISABLED" not in acct.tradectl("state", "show").out
    with acct.db() as db, db.read() as conn:
        said = [row for row in outbox.pending(conn, 10) if row.type == "safety_ess_rearmed"]
    assert len(said) == 4 and all(row.urgent for row in said)


def test_clearing_a_kill_switch_that_is_not_set_says_that_something_else_halts(acct: Account) -> None:
    clear = ("killswitch", "clear", "--approver", "bea", "--reason", "over", "--yes")
    assert acct.tradectl(*clear).code == 0
    acct.tradectl("ess", "trip", "--reason", "feed is wrong")
    ran = acct.tradectl(*clear)
    assert ran.code == 1 and "something else halts it" in ran.out and "tradectl state show" in ran.out
    assert now(acct)[0].state is EssState.TRIPPED
