"""`flatten`: one plan, one question, every position closed the way `positions close` does it (promises 1, 4, 5, 6)."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import faulty
import page_kit
import pytest
from desk import START_MS, Account, account, hold_lock, let_go, tradectl
from faulty import Rule

from tradectl.domain.fill import Fill
from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderSide, OrderType
from tradectl.domain.system_state import Latch, LatchName
from tradectl.operations import flatten
from tradectl.sim.events import Executed, Updated
from tradectl.store import emergency, intents, journal, latches, ledger

D = Decimal
FLATTEN = ("flatten", "--reason", "news")


def two(acct: Account) -> None:
    """Two positions, BTC the larger one, each covered."""
    acct.entered("BTCUSDT", "0.100")
    acct.entered("ETHUSDT", "0.50")


def open_symbols(acct: Account) -> list[str]:
    return [position.symbol for position in acct.snapshot().positions]


def sent(acct: Account) -> list[tuple[str, str]]:
    """(purpose, symbol) of what an operator sent, oldest first."""
    with acct.db() as db, db.read() as conn:
        return [
            (one.purpose.value, one.symbol) for one in reversed(intents.latest(conn, None, 50)) if one.actor == "ann"
        ]


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


def test_without_a_terminal_and_without_yes_it_shows_the_plan_and_does_nothing(acct: Account) -> None:
    two(acct)
    ran = acct.tradectl(*FLATTEN, stdin="flatten\n")
    assert ran.code == 2 and "nobody can be asked" in ran.err
    assert "BTCUSDT" in ran.out and "ETHUSDT" in ran.out and "in all" in ran.out
    assert len(open_symbols(acct)) == 2 and sent(acct) == []


@pytest.mark.parametrize(
    ("typed", "code"), [("flatten\n", 0), ("y\n", 2), ("FLATTEN\n", 2), ("\n", 2), ("\x04", 2), ("flatten all\n", 2)]
)
def test_on_a_terminal_only_the_exact_word_closes(acct: Account, typed: str, code: int) -> None:
    two(acct)
    ran = page_kit.on_terminal(*FLATTEN, "--state", acct.store, typed=typed)
    assert ran.code == code, ran.out
    assert "Close all 2 positions now? Type flatten to go on:" in ran.out
    assert len(open_symbols(acct)) == (0 if code == 0 else 2)


def test_with_json_on_a_terminal_the_plan_comes_before_the_question(acct: Account) -> None:
    two(acct)
    ran = page_kit.on_terminal(*FLATTEN, "--json", "--state", acct.store, typed="no\n")
    assert ran.code == 2
    assert ran.out.index("in all: notional") < ran.out.index("Type flatten to go on")


def test_ctrl_c_at_the_question_closes_nothing(acct: Account) -> None:
    two(acct)
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "tradectl", *FLATTEN, "--state", str(acct.store)]
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"to go on:" not in shown:
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(20) == 130
    finally:
        process.kill()
    os.close(ours)
    assert len(open_symbols(acct)) == 2 and sent(acct) == []


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


def test_a_reason_is_needed(acct: Account) -> None:
    two(acct)
    assert acct.tradectl("flatten", "--yes").code == 3
    assert acct.tradectl("flatten", "--reason", " ", "--yes").code == 3
    assert len(open_symbols(acct)) == 2


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


def test_a_missing_store_or_exchange(acct: Account, tmp_path: Path) -> None:
    none = tradectl(*FLATTEN, "--yes", "--state", str(tmp_path / "none.db"), home=tmp_path)
    assert none.code == 2 and list(tmp_path.glob("none*")) == []
    acct.embedded.host.close()
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    ran = acct.tradectl(*FLATTEN, "--yes")
    assert ran.code == 75 and "nothing is open" not in ran.all


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
