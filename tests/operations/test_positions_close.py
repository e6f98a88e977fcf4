"""`positions close`: reduce-only, planned, verified, its stop cancelled last (promises 1, 5, 6, 7)."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

from desk import Account, hold_lock, let_go

from tradectl.domain.fill import Fill
from tradectl.domain.money import ZERO
from tradectl.sim.events import Executed, Updated
from tradectl.store import emergency, intents, journal, ledger

CLOSE = ("positions", "close", "btc", "--reason", "news")


def venue_result(acct: Account) -> tuple[Decimal, Decimal]:
    """(cash from trading before fees, fees) as the exchange booked them, over all fills."""
    fills = [event for event in acct.embedded.host.account_events(0, 1000) if isinstance(event, Fill)]
    cash = sum((-fill.signed_qty * fill.price for fill in fills), ZERO)
    return cash, sum((fill.fee for fill in fills), ZERO)


def ended_after_the_close(acct: Account) -> set[str]:
    """Orders that ended after the fill that closed the position, in the exchange's own order of events."""
    events = acct.embedded.host.events_after(0, 1000)
    closing = max(event.seq for event in events if isinstance(event, Executed))
    ended = [event for event in events if isinstance(event, Updated) and not event.order.status.open]
    return {event.order.order_id for event in ended if event.seq > closing}


def test_closes_all_verifies_and_cancels_its_stop_after(acct: Account) -> None:
    acct.long()
    own_stop = acct.stop(client_id="tdc.abc123.st.900")
    ran = acct.tradectl(*CLOSE, "--yes")
    assert ran.code == 0, ran.all
    assert acct.snapshot().positions == () and acct.orders() == {}
    assert "CLOSED BTCUSDT long 0.01 → 0" in ran.out
    with acct.db() as db, db.read() as conn:
        recorded = list(reversed(intents.latest(conn, None, 10)))
        trade = ledger.trades(conn, 5)[0]
        act = journal.latest(conn, 1, kind="operator")[0]
    assert recorded[0].purpose.value == "close"
    assert own_stop.order_id in ended_after_the_close(acct)
    cash, fees = venue_result(acct)
    assert (trade.gross, trade.fees) == (cash, fees)
    assert (act.subject, act.actor, act.body["reason"], act.body["after"]) == ("positions close", "ann", "news", "0")


def test_the_printed_result_is_the_venues(acct: Account) -> None:
    acct.long(bracket=False)
    _, before = venue_result(acct)
    body = acct.tradectl(*CLOSE, "--yes", "--json").json
    cash, fees = venue_result(acct)
    assert Decimal(body["realised"]) == cash
    assert Decimal(body["fees"]) == fees - before
    assert Decimal(body["net"]) == Decimal(body["realised"]) - Decimal(body["fees"])


def test_a_fraction_leaves_the_rest_and_its_stop(acct: Account) -> None:
    acct.long()
    ran = acct.tradectl(*CLOSE, "--fraction", "0.5", "--yes")
    assert ran.code == 0, ran.all
    assert acct.snapshot().positions[0].qty == Decimal("0.005")
    assert any(order.protective for order in acct.orders().values())
    assert "REDUCED" in ran.out


def test_without_a_terminal_or_yes_it_shows_the_plan_and_does_nothing(acct: Account) -> None:
    acct.long()
    ran = acct.tradectl(*CLOSE)
    assert ran.code == 2
    assert "close 0.01 (all of it)" in ran.out
    assert acct.snapshot().positions[0].qty == Decimal("0.010")
    with acct.db() as db, db.read() as conn:
        assert intents.latest(conn, None, 5) == []


def test_works_while_paused_and_killed(acct: Account) -> None:
    acct.long()
    acct.tradectl("pause")
    acct.tradectl("killswitch", "activate")
    assert acct.tradectl(*CLOSE, "--yes").code == 0
    assert acct.snapshot().positions == ()


def test_works_while_another_process_holds_the_store(acct: Account) -> None:
    acct.long()
    holder = hold_lock(acct.store)
    try:
        ran = acct.tradectl(*CLOSE, "--yes")
        assert acct.snapshot().positions == ()
        assert [one["body"]["action"] for one in emergency.waiting(acct.store)][:2] == ["close", "close"]
    finally:
        let_go(holder)
    assert ran.code == 1, ran.all
    assert "emergency journal" in ran.out


def test_a_damaged_emergency_journal_is_told_of_and_stops_nothing(acct: Account) -> None:
    acct.long()
    emergency.record(acct.store, at_ms=1, kind="emergency", actor="ann", body={"step": "whole"})
    with emergency.path_of(acct.store).open("r+b") as file:
        file.write(b"not a header")
        file.seek(emergency.SIZE_BYTES - 100)
        file.write(b"garbage")
    ran = acct.tradectl(*CLOSE, "--yes")
    assert ran.code == 0, ran.all
    assert acct.snapshot().positions == ()
    assert "holds something unreadable, which is skipped: the header, record place" in ran.out
    with acct.db() as db, db.read() as conn:
        assert [row.body["step"] for row in journal.page(conn, kind="emergency")] == ["whole", "damaged"]
    assert emergency.look(acct.store).troubles == ()


def test_an_emergency_journal_that_cannot_be_read_is_told_of_and_stops_nothing(acct: Account) -> None:
    acct.long()
    emergency.path_of(acct.store).mkdir()
    ran = acct.tradectl(*CLOSE, "--yes")
    assert ran.code == 0, ran.all
    assert acct.snapshot().positions == ()
    assert "cannot be read: Is a directory" in ran.out


def test_others_stops_are_never_cancelled_by_us_and_said(acct: Account) -> None:
    acct.long(bracket=False)
    foreign = acct.stop()
    ran = acct.tradectl(*CLOSE, "--yes")
    assert ran.code == 0
    assert "is not ours: we leave it to the venue" in ran.out
    with acct.db() as db, db.read() as conn:
        assert foreign.order_id not in {one.cancels_order_id for one in intents.latest(conn, None, 10)}


def test_two_operators_at_once_never_turn_the_position_over(acct: Account) -> None:
    acct.long()
    argv = [sys.executable, "-m", "tradectl", *CLOSE, "--yes", "--state", str(acct.store)]
    running = [
        subprocess.Popen(argv, cwd=acct.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=60)[0] for one in running]
    assert acct.snapshot().positions == (), said
    assert 0 in {one.returncode for one in running}, said
    assert {one.returncode for one in running} <= {0, 2}, said


def test_what_cannot_be_closed_is_refused_with_its_reason(acct: Account) -> None:
    assert acct.tradectl(*CLOSE, "--yes").code == 2
    acct.long()
    assert acct.tradectl("positions", "close", "ETHUSDT", "--reason", "x", "--yes").code in (2, 3)
    assert acct.tradectl(*CLOSE, "--fraction", "1.5", "--yes").code == 3
    assert acct.tradectl(*CLOSE, "--fraction", "0.00001", "--yes").code == 2
    assert acct.tradectl("positions", "close", "btc", "--reason", " ", "--yes").code == 3
    assert acct.snapshot().positions[0].qty == Decimal("0.010")
