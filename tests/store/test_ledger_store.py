"""The stored ledger: each fill once, totals that equal the sum of the rows, money exact (promise 7)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import create

from tradectl.domain.fill import Fill, FillKind, Funding
from tradectl.domain.ledger import OpenTrade, book_fill
from tradectl.domain.money import ZERO
from tradectl.domain.order import OrderSide
from tradectl.domain.position import Lot, Side
from tradectl.store import ledger
from tradectl.store.database import Database
from tradectl.store.verify import verify

MONEY = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=18)


def fill(seq: int, side: OrderSide, qty: str, price: str, at_ms: int = 0) -> Fill:
    return Fill(
        f"e{seq}", seq, f"o{seq}", None, "p", "BTCUSDT", side, Decimal(qty), Decimal(price), Decimal("0.03"), at_ms,
        False, FillKind.TRADE, "market",
    )  # fmt: skip


def book(db: Database, one: Fill) -> bool:
    with db.transaction() as conn:
        before = ledger.open_trades(conn).get(one.symbol)
        number = before.number if before else ledger.next_trade_number(conn)
        booked = book_fill(before, one, ledger.next_trade_number(conn))
        fresh = ledger.add_fill(conn, one, booked.realised, number)
        if fresh:
            if booked.closed is not None:
                ledger.close_trade(conn, booked.closed)
            if booked.open is not None:
                ledger.save_open_trade(conn, booked.open)
            ledger.set_cursor(conn, one.seq)
        return fresh


def test_a_fill_enters_once_whatever_is_delivered(db: Database) -> None:
    one = fill(1, OrderSide.BUY, "0.1", "60000")
    assert book(db, one)
    assert not book(db, replace(one, seq=2))
    assert ledger.totals(db.conn) == ledger.LedgerTotals(ZERO, Decimal("0.03"), ZERO, 1, 0)
    assert ledger.cursor(db.conn) == 1


def test_trades_open_turn_over_and_close(db: Database) -> None:
    book(db, fill(1, OrderSide.BUY, "1", "100", 10))
    book(db, fill(2, OrderSide.SELL, "3", "110", 20))
    (open_one,) = ledger.open_trades(db.conn).values()
    assert (open_one.number, open_one.side, open_one.lot) == (2, Side.SHORT, Lot(Decimal(-2), Decimal(-220)))
    book(db, fill(3, OrderSide.BUY, "2", "105", 30))
    assert ledger.open_trades(db.conn) == {}
    newest, oldest = ledger.trades(db.conn, 10)
    assert (oldest.number, oldest.gross, newest.number, newest.gross) == (1, Decimal(10), 2, Decimal(10))
    assert (oldest.opened_ms, oldest.closed_ms, oldest.exit_reason) == (10, 20, "market")
    assert ledger.trades(db.conn, 1) == [newest]
    assert ledger.trades(db.conn, 10, "ETHUSDT") == []
    assert ledger.next_trade_number(db.conn) == 3
    totals = ledger.totals(db.conn)
    assert (totals.gross, totals.trades, totals.net) == (Decimal(20), 2, Decimal("19.91"))
    assert sum(trade.net for trade in (oldest, newest)) == totals.net


def test_funding_once_and_realised_since_counts_all_three(db: Database) -> None:
    book(db, fill(1, OrderSide.BUY, "1", "100", 10))
    book(db, fill(2, OrderSide.SELL, "1", "90", 20))
    payment = Funding("f1", 3, "BTCUSDT", Decimal("0.0001"), Decimal("-0.5"), 30)
    with db.transaction() as conn:
        assert ledger.add_funding(conn, payment, 1)
        assert not ledger.add_funding(conn, payment, 1)
        assert ledger.add_funding(conn, replace(payment, funding_id="f2", seq=4, at_ms=40), None)
    assert ledger.realised_since(db.conn, 20) == Decimal("-10") - Decimal("0.03") - Decimal("1.0")
    assert ledger.realised_since(db.conn, 40) == Decimal("-0.5")
    assert ledger.realised_since(db.conn, 41) == ZERO
    assert ledger.totals(db.conn).funding == Decimal("-1.0")
    assert verify(db.path).ok


def test_partial_closes_are_the_fills_that_made_a_position_smaller_and_left_some_of_it(db: Database) -> None:
    book(db, fill(1, OrderSide.BUY, "3", "100", 10))
    book(db, fill(2, OrderSide.BUY, "1", "100", 15))
    assert ledger.partial_closes(db.conn, 0) == {}
    book(db, fill(3, OrderSide.SELL, "1", "110", 20))
    book(db, fill(4, OrderSide.SELL, "1", "110", 25))
    assert ledger.partial_closes(db.conn, 0) == {"BTCUSDT": 25}
    assert ledger.partial_closes(db.conn, 25) == {"BTCUSDT": 25} and ledger.partial_closes(db.conn, 26) == {}
    book(db, fill(5, OrderSide.SELL, "5", "120", 30))
    assert ledger.partial_closes(db.conn, 0) == {"BTCUSDT": 25}, "what turned it round has closed it"
    book(db, fill(6, OrderSide.BUY, "1", "120", 40))
    assert ledger.partial_closes(db.conn, 0) == {"BTCUSDT": 40}, "a short is made smaller by buying"


def test_an_order_that_closes_a_position_in_several_fills_has_not_partially_closed_it(db: Database) -> None:
    book(db, fill(1, OrderSide.BUY, "3", "100", 10))
    book(db, replace(fill(2, OrderSide.SELL, "1", "95", 20), order_id="stop"))
    assert ledger.partial_closes(db.conn, 0) == {"BTCUSDT": 20}, "what becomes of it is not known yet"
    book(db, replace(fill(3, OrderSide.SELL, "2", "95", 21), order_id="stop"))
    assert ledger.partial_closes(db.conn, 0) == {}


def test_totals_that_do_not_equal_the_rows_show_in_verify(db: Database) -> None:
    book(db, fill(1, OrderSide.BUY, "1", "100", 10))
    db.conn.execute("UPDATE ledger SET fees = '1'")
    assert [check.name for check in verify(db.path).failed] == ["ledger totals"]


@settings(max_examples=60, deadline=None)
@given(st.lists(MONEY, min_size=12, max_size=12), st.booleans())
def test_money_comes_back_to_the_last_digit(values: list[Decimal], planned: bool) -> None:
    plan = values[8:12] if planned else [None] * 4
    trade = OpenTrade(1, "X", Side.LONG, 5, Lot(values[0], values[1]), *values[:8], *plan, None, 7)  # type: ignore[arg-type,call-arg]
    with TemporaryDirectory() as folder, create(Path(folder)) as db:
        with db.transaction() as conn:
            ledger.save_open_trade(conn, trade)
        assert ledger.open_trades(db.conn) == {"X": trade}
        changed = replace(trade, gross=values[11], naked_since_ms=9)
        with db.transaction() as conn:
            ledger.save_open_trade(conn, changed)
        assert ledger.open_trades(db.conn) == {"X": changed}
