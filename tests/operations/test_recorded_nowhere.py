"""Where nothing can be recorded, nothing leaves: the words say just that, and what to do by hand (promise 1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from desk import Account, hold_lock, let_go

from tradectl.store import emergency


@pytest.fixture
def mute(acct: Account) -> Iterator[Account]:
    """A position whose store is locked, and whose emergency journal cannot be written either."""
    acct.entered()
    emergency.path_of(acct.store).mkdir()
    holder = hold_lock(acct.store)
    yield acct
    let_go(holder)


@pytest.mark.parametrize("verb", [("positions", "close", "btc"), ("flatten",)], ids=["close", "flatten"])
def test_a_close_that_may_not_leave_says_what_to_sell_by_hand(mute: Account, verb: tuple[str, ...]) -> None:
    ran = mute.tradectl(*verb, "--reason", "out", "--yes")
    assert ran.code == 2, ran.all
    assert "it could be recorded nowhere" in ran.out
    assert "by hand, at the venue's own page: BTCUSDT sell market 0.01, reduce-only" in ran.out
    assert "nothing is recorded" in ran.out
    assert "recorded in the" not in ran.out and "fills are not in the ledger" not in ran.out
    assert "what was done is recorded nowhere" not in ran.out
    assert len(mute.snapshot().positions) == 1


def test_a_cancel_that_may_not_leave_is_no_override(mute: Account) -> None:
    stop = next(one for one in mute.orders().values() if one.protective)
    ran = mute.tradectl("orders", "cancel", stop.order_id, "--override", "--reason", "x", "--yes")
    assert ran.code == 2, ran.all
    assert f"nothing was cancelled; by hand, at the venue's own page: cancel {stop.order_id}" in ran.out
    assert "OVERRIDDEN" not in ran.out and "recorded in: nowhere" not in ran.out
    assert stop.order_id in mute.orders()


def test_a_stop_that_may_not_leave_is_told_in_full(mute: Account) -> None:
    (stop,) = [one for one in mute.orders().values() if one.protective]
    level = str((stop.trigger_price or 0) + 100)
    ran = mute.tradectl("stops", "move", "btc", level, "--yes")
    assert ran.code == 2, ran.all
    wanted = (
        f"by hand, at the venue's own page: BTCUSDT sell stop market 0.01, trigger {level} by LastPrice, reduce-only"
    )
    assert wanted in ran.out and "NOT MOVED" in ran.out
