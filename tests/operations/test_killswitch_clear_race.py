"""A second operator's fence while the first one is being asked: what was not shown is not cleared (promise 9)."""

from __future__ import annotations

import asyncio

import pytest
from desk import Account

from tradectl.errors import ExitCode, Refused
from tradectl.operations import killswitch_activate, killswitch_clear
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk, StoreRef
from tradectl.store import fence, halt, latches


@pytest.mark.parametrize("how", ["activate", "halt file"])
def test_a_fence_set_since_the_plan_is_not_cleared_by_it(acct: Account, how: str) -> None:
    acct.tradectl("killswitch", "activate", "--reason", "drill")
    books = Books.must_open(StoreRef(acct.store, "named"))
    try:
        planned = asyncio.run(killswitch_clear.plan(books, actor="bea"))
        if how == "activate":
            acct.tradectl("killswitch", "activate", "--reason", "now for real")
        else:
            halt.write(str(acct.store), "kill switch: now for real")
        with pytest.raises(Refused, match="since"):
            killswitch_clear.apply(books, planned, approver="bea", reason="all well", override=True)
        assert books.db is not None
        with books.db.read() as conn:
            assert latches.active(conn) != ()
        again = asyncio.run(killswitch_clear.plan(books, actor="bea"))
        killswitch_clear.apply(books, again, approver="bea", reason="all well", override=False)
        assert halt.read(str(acct.store)) is None
    finally:
        books.close()


@pytest.mark.parametrize("how", ["latch", "halt_file"])
def test_a_fence_cleared_during_the_sweep_is_not_called_verified(
    acct: Account, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Bea clears it while Ann's activation reads the venue for the last time: Ann is told, and exits with 2."""
    read_last = killswitch_activate._Run._verify

    async def cleared_meanwhile(run: killswitch_activate._Run, desk: Desk) -> None:
        await read_last(run, desk)
        done = acct.tradectl(
            "killswitch", "clear", "--approver", "bea", "--reason", "mine was over", "--override", "--yes"
        )
        assert done.code in (0, 1), done.all

    if how == "latch":
        fenced = fence.fence(acct.store, by="ann", reason="stop it")
    else:
        fenced = fence.by_halt_file(acct.store, by="ann", reason="stop it", why="the store was locked")
    monkeypatch.setattr(killswitch_activate._Run, "_verify", cleared_meanwhile)
    done = asyncio.run(killswitch_activate.apply(fenced, flatten=False, ask_flatten=bool, actor="ann"))
    assert done.lifted and not done.verified
    assert done.exit_code is ExitCode.REFUSED
    assert halt.read(str(acct.store)) is None and "ACTIVE since" not in acct.tradectl("killswitch", "status").out
    assert "cleared by somebody else" in done.left[0]
    last = acct.tradectl("events", "--json")
    assert "cleared by somebody else" in last.out


def test_a_fence_that_stands_is_verified(acct: Account) -> None:
    fenced = fence.fence(acct.store, by="ann", reason="stop it")
    done = asyncio.run(killswitch_activate.apply(fenced, flatten=False, ask_flatten=bool, actor="ann"))
    assert not done.lifted and done.exit_code is ExitCode.OK
