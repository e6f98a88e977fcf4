"""What the kill switch can load holds nothing that decides or trades: a fault there must not keep it from working."""

from __future__ import annotations

from pathlib import Path

import house
import pytest

NEVER = ("engine", "strategy", "risk", "market", "safety", "validation", "scenarios")
STARTS = [
    *house.PACKAGE.glob("operations/killswitch*.py"),
    *house.PACKAGE.glob("execution/sweep*.py"),
    *house.PACKAGE.glob("store/fence*.py"),
    *house.PACKAGE.glob("cli/commands/killswitch*.py"),
]


@pytest.mark.parametrize("start", STARTS, ids=house.dotted)
def test_kill_switch_cannot_load_what_decides(start: Path) -> None:
    reached = house.closure(start)
    assert {name: by for name, by in reached.items() if name.count(".") and name.split(".")[1] in NEVER} == {}


def test_the_fence_exists_and_its_closure_is_followed() -> None:
    reached = house.closure(house.PACKAGE / "store" / "fence.py")
    assert "tradectl.store.halt" in reached
    assert all(name == "tradectl" or name.startswith("tradectl.store") for name in reached)
