"""`flatten`: one plan, every position closed the way `positions close` does it, and told (promises 1, 4, 5, 6)."""

from __future__ import annotations

from pathlib import Path

import page_kit
import pytest
from desk import START_MS, Account, account, hold_lock, let_go
from flatten_kit import FLATTEN, D, open_symbols, sent, two

from tradectl.domain.fill import Fill
from tradectl.domain.money import ZERO
from tradectl.domain.system_state import Latch, LatchName
from tradectl.sim.events import Executed, Updated
from tradectl.store import intents, journal, latches, ledger


def test_closes_all_the_largest_first_and_reads_again(acct: Account) -> None:
    two(acct)
    ran = acct.tradectl(*FLATTEN, "--yes")
    assert ran.code == 0, ran.all
    assert open_symbols(acct) == [] and acct.orders() == {}
    assert [one for one in sent(acct) if one[0] == "close"] == [("close", "BTCUSDT"), ("close", "ETHUSDT")]
    lines = ran.out.splitlines()
    assert "flatten closes 2 positions at the market, reduce-only" in lines[0]
    assert any(line.startswith("in all: notional ") for line in lines)
    assert "CLOSED BTCUSDT long 0.1 → 0" in ran.out and "CLOSED ETHUSDT long 0.5 → 0" in ran.out
    assert "FLAT: the venue shows nothing open any more" in ran.out


def test_results_are_the_venues_and_journalled_for_each_and_in_all(acct: Account) -> None:
    two(acct)
    body = acct.tradectl(*FLATTEN, "--yes", "--json").json
    fills = [event for event in acct.embedded.host.account_events(0, 1000) if isinstance(event, Fill)]
    closing = fills[2:]
    assert D(body["realised"]) == sum((-fill.signed_qty * fill.price for fill in fills), ZERO)
    assert D(body["fees"]) == sum((fill.fee for fill in closing), ZERO)
    assert D(body["net"]) == D(body["realised"]) - D(body["fees"]) == sum(D(one["net"]) for one in body["positions"])
    with acct.db() as db, db.read() as conn:
        acts = list(reversed(journal.latest(conn, 3, kind="operator")))
        trades = ledger.trades(conn, 5)
    assert [(act.subject, act.symbol) for act in acts] == [
        ("flatten", "BTCUSDT"),
        ("flatten", "ETHUSDT"),
        ("flatten", ""),
    ]
    assert {act.actor for act in acts} == {"ann"} and {act.body["reason"] for act in acts} == {"news"}
    whole = acts[2].body
    assert whole["before"] == {"BTCUSDT": "long 0.1", "ETHUSDT": "long 0.5"} and whole["net"] == body["net"]
    assert sum((trade.gross for trade in trades), ZERO) == D(body["realised"])


def test_the_fee_is_estimated_from_the_last_taker_fills_or_left_out(acct: Account) -> None:
    acct.long(qty="0.100", bracket=False)
    body = acct.tradectl(*FLATTEN, "--json", "--yes").json
    assert abs(D(body["plan"]["fees"]) / D(body["plan"]["notional"]) - D("0.00055")) < D("1e-9")
    acct.long(qty="0.100", bracket=False)
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        ran = acct.tradectl(*FLATTEN)
    finally:
        let_go(holder)
    assert ran.code == 2 and "fees" not in ran.out and "fee about" not in ran.out


def test_stops_go_only_after_their_position(acct: Account) -> None:
    acct.long("BTCUSDT", "0.100", bracket=False)
    stop = acct.stop(qty="0.100", client_id="tdc.abc123.st.900")
    assert acct.tradectl(*FLATTEN, "--yes").code == 0
    events = acct.embedded.host.events_after(0, 1000)
    closed = max(event.seq for event in events if isinstance(event, Executed))
    ended = next(
        event.seq for event in events
        if isinstance(event, Updated) and event.order.order_id == stop.order_id and not event.order.status.open
    )  # fmt: skip
    assert ended > closed


def test_only_the_named_ones_in_any_spelling(acct: Account) -> None:
    two(acct)
    ran = acct.tradectl(*FLATTEN, "--symbol", "eth/usdt", "--yes")
    assert ran.code == 0, ran.all
    assert open_symbols(acct) == ["BTCUSDT"]
    ran = acct.tradectl(*FLATTEN, "--symbol", "eth", "--symbol", "BTCUSDT", "--yes")
    assert ran.code == 0, ran.all
    assert "ETHUSDT: nothing is open there" in ran.out
    assert "nothing open in BTCUSDT, ETHUSDT any more" in ran.out
    assert open_symbols(acct) == []


def test_a_symbol_that_is_not_listed_closes_nothing(acct: Account) -> None:
    two(acct)
    ran = acct.tradectl(*FLATTEN, "--symbol", "btc", "--symbol", "nothere", "--yes")
    assert ran.code == 3 and len(open_symbols(acct)) == 2


def test_nothing_open_is_said_and_asks_nothing(acct: Account) -> None:
    ran = acct.tradectl(*FLATTEN)
    assert (ran.code, ran.err) == (0, "")
    assert "nothing is open at the venue: nothing to close" in ran.out
    with acct.db() as db, db.read() as conn:
        assert journal.latest(conn, 5) == []
    assert acct.tradectl(*FLATTEN, "--symbol", "btc").code == 0


def test_says_that_entries_are_still_allowed_and_what_stops_them(acct: Account) -> None:
    acct.long()
    ran = acct.tradectl(*FLATTEN, "--yes")
    assert "ENTRIES ARE STILL ALLOWED" in ran.out
    assert f"tradectl pause --reason TEXT --state {acct.store}" in ran.out
    assert f"tradectl killswitch activate --state {acct.store}" in ran.out


@pytest.mark.parametrize(("latch", "word"), [(LatchName.PAUSE, "PAUSED"), (LatchName.KILL_SWITCH, "HALTED")])
def test_says_so_where_they_are_not(acct: Account, latch: LatchName, word: str) -> None:
    acct.long()
    with acct.db() as db, db.transaction() as conn:
        latches.set_latch(conn, Latch(latch, "", "ann", START_MS, "x"))
    ran = acct.tradectl(*FLATTEN, "--yes")
    assert ran.code == 0, ran.all
    assert f"entries are not allowed ({word})" in ran.out and "STILL ALLOWED" not in ran.out


def test_orders_that_could_open_again_are_left_alone_and_named(acct: Account) -> None:
    acct.long()
    entry = acct.resting()
    ran = acct.tradectl(*FLATTEN, "--yes")
    assert ran.code == 0, ran.all
    assert f"1 order still rests and could open again: {entry.order_id}" in ran.out
    assert entry.order_id in acct.orders()


def test_others_stops_are_left_to_the_venue_and_named(acct: Account) -> None:
    acct.long(bracket=False)
    foreign = acct.stop()
    ran = acct.tradectl(*FLATTEN, "--yes")
    assert ran.code == 0 and "is not ours: we leave it to the venue" in ran.out
    with acct.db() as db, db.read() as conn:
        assert foreign.order_id not in {one.cancels_order_id for one in intents.latest(conn, None, 20)}


def test_json_has_one_schema(acct: Account) -> None:
    two(acct)
    body = acct.tradectl(*FLATTEN, "--yes", "--json").json
    assert body["schema"] == "tradectl/flatten/1" and body["flat"] is True and body["exit_code"] == 0
    assert set(body) == {
        "schema", "flat", "store", "account", "currency", "named", "nothing_in", "plan", "positions", "realised",
        "fees", "net", "left", "resting_that_could_add", "state", "entries_allowed", "guard", "next", "recorded_in",
        "exit_code",
    }  # fmt: skip
    assert (body["state"], body["entries_allowed"], body["recorded_in"]) == ("NORMAL", True, "store")
    empty = acct.tradectl(*FLATTEN, "--json").json
    assert (empty["positions"], empty["flat"], empty["recorded_in"]) == ([], True, None)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, columns: int) -> None:
    acct = account(tmp_path)
    two(acct)
    acct.resting()
    ran = page_kit.on_terminal(*FLATTEN, "--yes", "--state", acct.store, columns=columns)
    assert ran.code == 0, ran.out
    assert [line for line in ran.out.splitlines() if len(line) > columns and str(tmp_path) not in line] == []
    acct.embedded.host.close()
