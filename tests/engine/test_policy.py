"""A policy set under a running bot restricts from its next cycle on; it never widens what the configuration allows."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from bot_kit import CALM, FLAT, SOL, UP, D, Rig, rig
from hypothesis import given
from hypothesis import strategies as st

from tradectl.config.in_force import in_force
from tradectl.config.schema import Config
from tradectl.domain.policy import PROFILES, Policy
from tradectl.store import journal, limits, policy, settings


def set_profile(desk: Rig, name: str) -> None:
    desk.write(policy.put, PROFILES[name], by="ann", reason="news", at_ms=1)


def limit(desk: Rig, name: str) -> limits.LimitRow:
    return next(row for row in desk.read(limits.load) if row.name == name)


def test_the_running_bot_goes_by_a_new_version_from_its_next_cycle_on(tmp_path: Path) -> None:
    with rig(tmp_path, [FLAT] * 6, {"trading.max_daily_risk": "0.05"}) as desk:
        desk.cycle()
        assert limit(desk, "daily_loss").limit == D("0.05") and limit(desk, "daily_loss").source == ""
        set_profile(desk, "DEFENSIVE")
        desk.cycle()
        row = limit(desk, "daily_loss")
        assert row.limit == D("0.03") and row.source == "policy DEFENSIVE v1"
        assert "daily_loss: policy DEFENSIVE v1" in desk.read(settings.load)["policy.bound"]
        set_profile(desk, "AGGRESSIVE")
        desk.cycle()
        assert limit(desk, "daily_loss").limit == D("0.05"), "the configuration is the stricter one"
        acts = [
            row for row in desk.read(lambda conn: journal.page(conn, kind="operator")) if row.subject == "policy set"
        ]
        assert [(row.actor, row.body["before"], row.body["after"]) for row in acts] == [
            ("ann", "the configuration's", "DEFENSIVE"),
            ("ann", "DEFENSIVE v1", "AGGRESSIVE"),
        ]


def test_the_row_is_read_again_when_it_is_old_whatever_its_version(tmp_path: Path) -> None:
    """Somebody has restored another store's rows: the version is the same, and the profile is not."""
    with rig(tmp_path, [FLAT] * 8, {"policy.refresh_seconds": 600, "policy.profile": "AGGRESSIVE"}) as desk:
        set_profile(desk, "AGGRESSIVE")
        desk.cycle()
        desk.write(lambda conn: conn.execute("UPDATE policies SET daily_loss = '0.01'"))
        desk.cycle()
        assert limit(desk, "daily_loss").limit == D("0.05"), "read 300 s ago"
        desk.cycle()
        assert limit(desk, "daily_loss").limit == D("0.01")


def test_a_profile_sizes_the_next_entry(tmp_path: Path) -> None:
    found: dict[str, Decimal] = {}
    for name in ("DEFENSIVE", "AGGRESSIVE"):
        folder = tmp_path / name
        folder.mkdir()
        with rig(folder, [UP, CALM], {"perps.risk_pct": "0.02", "perps.cash_deploy_cap": "4"}) as desk:
            set_profile(desk, name)
            desk.cycle()
            found[name] = desk.snapshot().positions[0].qty
    assert found["DEFENSIVE"] * D("1.2") < found["AGGRESSIVE"], "until another cap binds"


def test_the_floor_of_a_profile_refuses_what_is_not_sure_enough(tmp_path: Path) -> None:
    with rig(tmp_path, [UP, CALM]) as desk:
        sure = desk.cycle().decisions
        assert sure[0].symbol == SOL
    config = Config.model_validate({})
    assert in_force(config, Policy(1, PROFILES["DEFENSIVE"]))[0].risk.confidence.floor == D("0.60")


shares = st.decimals("0.001", "0.2", places=3)


@given(st.sampled_from(sorted(PROFILES)), st.sampled_from(sorted(PROFILES)), shares, shares, st.integers(1, 125))
def test_the_strictest_of_all_is_in_force_and_named(
    configured: str, chosen: str, risk: Decimal, daily: Decimal, most: int
) -> None:
    config = Config.model_validate(
        {
            "policy": {"profile": configured},
            "perps": {"risk_pct": str(risk)},
            "trading": {"max_daily_risk": str(daily)},
            "risk": {"max_leverage": most},
        }
    )
    made, bound = in_force(config, Policy(3, PROFILES[chosen]))
    both = (PROFILES[configured], PROFILES[chosen])
    assert made.perps.risk_pct == min(risk, *(one.max_risk_per_trade for one in both))
    assert made.trading.max_daily_risk == min(daily, *(one.max_daily_loss for one in both))
    assert made.risk.max_leverage == min(D(most), *(one.max_leverage for one in both))
    assert made.risk.confidence.floor == max(config.risk.confidence.floor, *(one.confidence_floor for one in both))
    assert ("daily_loss" in bound) is (made.trading.max_daily_risk < daily)
    assert in_force(config, Policy(0, PROFILES[configured]))[0].perps.risk_pct <= risk


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_in_order(name: str) -> None:
    order = list(PROFILES.values())
    for stricter, looser in pairwise(order):
        assert stricter.max_risk_per_trade < looser.max_risk_per_trade
        assert stricter.max_daily_loss < looser.max_daily_loss and stricter.max_leverage < looser.max_leverage
    assert PROFILES[name].name == name
