"""`flatten` while others act: a position that ends or opens meanwhile, a locked store, a second operator."""

from __future__ import annotations

import subprocess
import sys

import faulty
import pytest
from desk import Account, hold_lock, let_go
from faulty import Rule
from flatten_kit import FLATTEN, open_symbols, sent, two

from tradectl.store import emergency


def test_one_that_ends_between_plan_and_apply_gets_no_order(acct: Account) -> None:
    two(acct)
    stopped = Rule("snapshot", nth=2, times=1, closes="ETHUSDT")
    ran = faulty.tradectl(acct, *FLATTEN, "--yes", rules=(stopped,))
    assert ran.code == 0, ran.all
    assert open_symbols(acct) == []
    assert [one for one in sent(acct) if one[0] == "close"] == [("close", "BTCUSDT")]
    assert "ETHUSDT long 0.5 was gone already: nothing was sent" in ran.out


def test_what_opens_meanwhile_is_not_called_flat(acct: Account) -> None:
    acct.entered("BTCUSDT", "0.100")
    planned_only = ("flatten", "--reason", "news", "--yes")
    program = faulty.PROGRAM.replace(
        'if rule["cancels"]:',
        'if rule["closes"] == "OPEN":\n'
        "            from decimal import Decimal\n"
        "            from tradectl.domain.order import OrderSide\n"
        '            await venue.place(OrderRequest("else-2", "ETHUSDT", OrderSide.BUY, OrderType.MARKET,'
        ' Decimal("0.1"), now, now + 5000))\n'
        '            rule["closes"] = ""\n'
        '        if rule["cancels"]:',
    )
    before, faulty.PROGRAM = faulty.PROGRAM, program
    try:
        ran = faulty.tradectl(acct, *planned_only, rules=(Rule("snapshot", nth=2, times=1, closes="OPEN"),))
    finally:
        faulty.PROGRAM = before
    assert ran.code == 1, ran.all
    assert "ETHUSDT long 0.1 was opened since the plan" in ran.out and "FLAT: the venue" not in ran.out


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_works_while_another_process_holds_the_store(acct: Account, lock: str) -> None:
    two(acct)
    with acct.db() as db:
        emergency.prepare(db.path, emergency.Facts(db.identity, 5_000, 1_000))
    holder = hold_lock(acct.store, lock)
    try:
        ran = acct.tradectl(*FLATTEN, "--yes")
        left = open_symbols(acct)
        steps = [one["body"].get("action") for one in emergency.waiting(acct.store)]
    finally:
        let_go(holder)
    assert left == [] and ran.code == 1, ran.all
    assert steps.count("close") == 4 and steps[-1] == "flatten"
    assert "recorded in the emergency journal" in ran.out


def test_two_operators_at_once_never_turn_a_position_over(acct: Account) -> None:
    two(acct)
    argv = [sys.executable, "-m", "tradectl", *FLATTEN, "--yes", "--state", str(acct.store)]
    running = [
        subprocess.Popen(argv, cwd=acct.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=60)[0] for one in running]
    assert open_symbols(acct) == [], said
    assert 0 in {one.returncode for one in running}, said
