"""`flatten` where something fails: one that cannot be closed keeps no other open, and silence is never called flat."""

from __future__ import annotations

from pathlib import Path

import faulty
import pytest
from desk import Account, account, tradectl
from faulty import Rule
from flatten_kit import FLATTEN, open_symbols, sent, two

from tradectl.domain.order import OrderSide, OrderType
from tradectl.operations import flatten


@pytest.mark.parametrize("refused", ["BTCUSDT", "ETHUSDT"])
def test_one_that_the_venue_refuses_keeps_no_other_open(acct: Account, refused: str) -> None:
    two(acct)
    ran = faulty.tradectl(acct, *FLATTEN, "--yes", rules=(Rule("place", "refuse", refused),))
    assert ran.code == 2, ran.all
    assert open_symbols(acct) == [refused]
    assert f"NOT CLOSED: {refused}" in ran.out and "engine_busy" in ran.out
    assert f"NOT FLAT:\n  {refused} long" in ran.out
    assert any(order.protective and order.symbol == refused for order in acct.orders().values())
    assert f"tradectl flatten --reason TEXT --state {acct.store}" in ran.out
    assert acct.tradectl(*FLATTEN, "--yes").code == 0


def test_one_of_unknown_outcome_keeps_no_other_open_and_is_not_asked_for_twice(acct: Account) -> None:
    two(acct)
    ran = faulty.tradectl(acct, *FLATTEN, "--yes", rules=(Rule("place", "drop", "BTCUSDT"),))
    assert ran.code == 2, ran.all
    assert open_symbols(acct) == ["BTCUSDT"]
    assert "outcome unknown" in ran.out
    assert sent(acct).count(("close", "BTCUSDT")) == 1


def test_a_venue_silent_for_one_of_them_is_told_and_the_rest_closed(acct: Account) -> None:
    two(acct)
    once = Rule("snapshot", "drop", nth=2, times=1)  # the first look for the larger one, before anything leaves
    ran = faulty.tradectl(acct, *FLATTEN, "--yes", "--json", rules=(once,))
    assert ran.code == 2, ran.all
    first, second = ran.json["positions"]
    assert (first["symbol"], first["closed"], second["closed"]) == ("BTCUSDT", False, True)
    assert "nothing was sent, the venue could not be read" in first["problem"]
    assert open_symbols(acct) == ["BTCUSDT"]


def test_a_venue_silent_from_the_plan_on_is_75_and_nothing_leaves(acct: Account) -> None:
    two(acct)
    ran = faulty.tradectl(acct, *FLATTEN, "--yes", rules=(Rule("snapshot", "drop", nth=2),))
    assert ran.code == 75, ran.all
    assert len(open_symbols(acct)) == 2 and sent(acct) == []


def test_a_venue_silent_at_the_end_is_not_called_flat(acct: Account) -> None:
    acct.long(bracket=False)
    looks = 4  # plan, before the order, after it, what is left behind
    ran = faulty.tradectl(acct, *FLATTEN, "--yes", rules=(Rule("snapshot", "drop", nth=looks + 1),))
    assert ran.code == 1, ran.all
    assert "FLAT: the venue" not in ran.out and "could not be read at the end" in ran.out


def test_fills_that_cannot_be_read_keep_nobody_from_getting_out(acct: Account) -> None:
    two(acct)
    ran = faulty.tradectl(acct, *FLATTEN, "--yes", rules=(Rule("account_events", "drop"),))
    assert ran.code == 1, ran.all
    assert open_symbols(acct) == [] and "the fills could not be read" in ran.out


def test_a_fault_of_our_own_in_one_close_keeps_no_other_open(acct: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from tradectl.operations import position_exit
    from tradectl.operations.killswitch_venue import Books
    from tradectl.operations.opening import StoreRef, open_venue

    two(acct)
    carry_out = position_exit.carry_out

    async def broken(own, books, desk, planned, **rest):
        if planned.line.symbol == "BTCUSDT":
            raise ZeroDivisionError("no such luck")
        return await carry_out(own, books, desk, planned, **rest)

    monkeypatch.setattr(position_exit, "carry_out", broken)
    books = Books.must_open(StoreRef(acct.store, "named"))
    kept: list[Exception] = []

    def keep(error: Exception) -> str:
        kept.append(error)
        return "traceback in a file"

    async def run() -> flatten.Flattened:
        desk = open_venue(books.path, books.identity(), books.db)
        planned = await flatten.plan(books, desk, ())
        return await flatten.apply(
            books, desk, planned, reason="x", actor="ann", on_done=lambda one: None,
            on_fault=keep,
        )  # fmt: skip

    done = asyncio.run(run())
    books.close()
    assert (done.exit_code, open_symbols(acct), len(kept)) == (2, ["BTCUSDT"], 1)
    assert "the tool failed here (ZeroDivisionError: no such luck); traceback in a file" in done.exits[0].problem


def test_an_empty_list_is_not_believed(acct: Account) -> None:
    """The account carries the margin of a position that the venue's list leaves out (promise 4)."""
    acct.long()
    program = faulty.PROGRAM.replace("else DropRequest()", "else Distort(empty=frozenset([POSITIONS]))").replace(
        "import DropRequest, LoseAnswer, Refuse", "import POSITIONS, Distort, LoseAnswer, Refuse"
    )
    before, faulty.PROGRAM = faulty.PROGRAM, program
    try:
        ran = faulty.tradectl(acct, *FLATTEN, "--yes", rules=(Rule("snapshot", "empty"),))
    finally:
        faulty.PROGRAM = before
    assert ran.code == 75, ran.all
    assert "nothing is open" not in ran.out and "cannot be believed" in ran.err


def test_dust_that_the_venue_refuses_is_said_and_the_rest_closed(tmp_path: Path) -> None:
    config = """
[sim.instruments.DUSTUSDT]
tick_size = "0.01"
qty_step = "0.1"
min_qty = "1"
min_notional = "1"
max_market_qty = "1000"
"""
    acct = account(tmp_path, symbols=("DUSTUSDT", "BTCUSDT"), config=config)
    acct.place("DUSTUSDT", OrderSide.BUY, OrderType.MARKET, "1.5")
    acct.place("DUSTUSDT", OrderSide.SELL, OrderType.MARKET, "1", reduce_only=True)
    acct.long("BTCUSDT", bracket=False)
    ran = acct.tradectl(*FLATTEN, "--yes")
    assert ran.code == 2, ran.all
    assert "DUSTUSDT: below the venue's smallest order (1): the venue may refuse it as dust" in ran.out
    assert "NOT CLOSED: DUSTUSDT" in ran.out and "min_qty" in ran.out
    assert open_symbols(acct) == ["DUSTUSDT"]
    acct.embedded.host.close()


def test_a_missing_store_or_exchange(acct: Account, tmp_path: Path) -> None:
    none = tradectl(*FLATTEN, "--yes", "--state", str(tmp_path / "none.db"), home=tmp_path)
    assert none.code == 2 and list(tmp_path.glob("none*")) == []
    acct.embedded.host.close()
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    ran = acct.tradectl(*FLATTEN, "--yes")
    assert ran.code == 75 and "nothing is open" not in ran.all
