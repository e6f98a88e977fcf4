"""`killswitch activate` where the configuration is broken: a bot that is known here is fenced all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import Account

from tradectl.domain.system_state import LatchName
from tradectl.store import latches, pointers


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text("perps:\n  enabled: true\n bad: [1,\n")
    return path


def test_a_broken_configuration_does_not_keep_a_running_bot_from_its_fence(
    acct: Account, broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    pointers.write(account="main", venue="sim", environment="paper", path=str(acct.store))
    ran = acct.tradectl("--config", str(broken), "killswitch", "activate", "--reason", "x", state=False)
    assert ran.code == 0, ran.all
    assert "the configuration cannot be used" in ran.err and "broken.yaml:3:2" in ran.err
    assert ran.out.startswith("FENCED main · sim · paper")
    with acct.db() as db, db.read() as conn:
        assert [latch.name for latch in latches.active(conn)] == [LatchName.KILL_SWITCH]


@pytest.mark.parametrize("config", [True, False])
def test_where_no_store_can_be_found_it_says_not_fenced_and_what_to_do_by_hand(
    acct: Account, broken: Path, config: bool
) -> None:
    named = ("--config", str(broken)) if config else ()
    ran = acct.tradectl(*named, "killswitch", "activate", state=False)
    assert ran.code == (78 if config else 2)
    assert ran.err.startswith("NOT FENCED: ")
    assert "--state FILE" in ran.err and "disable its API key" in ran.err


def test_a_store_that_lies_near_is_named_and_never_taken_unasked(acct: Account) -> None:
    (acct.folder / "data").mkdir()
    acct.store.rename(acct.folder / "data" / "demo-paper.db")
    ran = acct.tradectl("pause", state=False)
    assert ran.code == 2 and "--state data/demo-paper.db" in ran.err
