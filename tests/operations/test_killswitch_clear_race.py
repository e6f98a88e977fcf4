"""A second operator's fence while the first one is being asked: what was not shown is not cleared (promise 9)."""

from __future__ import annotations

import asyncio

import pytest
from desk import Account

from tradectl.errors import Refused
from tradectl.operations import killswitch_clear
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import StoreRef
from tradectl.store import halt, latches


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
