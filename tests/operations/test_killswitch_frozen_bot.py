"""The kill switch against a bot that is stopped with an entry on its way, and one that died with it (promise 2)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Account

from tradectl.domain.intent import IntentState
from tradectl.store import halt, intents

CLEAR = ("killswitch", "clear", "--approver", "bea", "--reason", "looked at it", "--yes")


class Frozen:
    def __init__(self, acct: Account, where: str) -> None:
        script = Path(__file__).with_name("frozen_bot.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(acct.store), str(acct.exchange), where],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline().strip()
        assert first == "stopping", self.process.communicate()
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def thaw(self) -> str:
        self.process.send_signal(signal.SIGCONT)
        out, err = self.process.communicate(timeout=30)
        return (out + err).strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def frozen(acct: Account) -> Iterator[list[Frozen]]:
    made: list[Frozen] = []
    yield made
    for one in made:
        if one.process.poll() is None:
            one.kill()


def in_doubt(acct: Account) -> tuple[str, ...]:
    with acct.db() as db, db.read() as conn:
        return tuple(one.state.value for one in intents.in_doubt(conn))


def test_an_entry_frozen_before_sending_never_reaches_the_market(acct: Account, frozen: list[Frozen]) -> None:
    bot = Frozen(acct, "sending")
    frozen.append(bot)
    ran = acct.tradectl("killswitch", "activate")
    assert ran.code == 0, ran.all
    assert "DRAINED in 7.0 s of the venue's time" in ran.out
    assert "it has expired and the venue does not have it" in ran.out
    assert bot.thaw().startswith("rejected")
    assert acct.snapshot().positions == () and acct.orders() == {}


def test_a_thawed_bots_late_commit_is_expired_after_a_halt_file_fence(acct: Account, frozen: list[Frozen]) -> None:
    bot = Frozen(acct, "committing")
    frozen.append(bot)
    ran = acct.tradectl("killswitch", "activate")
    assert halt.read(str(acct.store)) is not None
    assert ran.code == 0, ran.all
    assert bot.thaw().startswith("not_placed")
    assert acct.snapshot().positions == () and acct.orders() == {}


def test_a_dead_bots_entry_is_settled_in_the_store(acct: Account, frozen: list[Frozen]) -> None:
    bot = Frozen(acct, "sending")
    frozen.append(bot)
    bot.kill()
    ran = acct.tradectl("killswitch", "activate")
    assert ran.code == 0, ran.all
    assert in_doubt(acct) == ()
    with acct.db() as db, db.read() as conn:
        entry = next(one for one in intents.latest(conn, None, 5) if one.purpose.value == "entry")
    assert entry.state is IntentState.NOT_PLACED


def test_a_stopped_bots_entry_is_left_to_it_and_keeps_the_switch_set(acct: Account, frozen: list[Frozen]) -> None:
    bot = Frozen(acct, "sending")
    frozen.append(bot)
    acct.tradectl("killswitch", "activate")
    assert in_doubt(acct) == ("recorded",)
    refused = acct.tradectl(*CLEAR)
    assert refused.code == 2 and "is in doubt" in refused.err
    bot.kill()
    cleared = acct.tradectl(*CLEAR)
    assert cleared.code == 0, cleared.all
    assert in_doubt(acct) == ()
