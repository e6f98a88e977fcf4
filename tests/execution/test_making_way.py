"""Real fills in the place of what stood in for them: the books are as if they had come in time (promise 7)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_kit import D, X, entry, read, store, write

from tradectl.domain import risk_state
from tradectl.domain.fill import Fill, FillKind
from tradectl.domain.intent import IntentState
from tradectl.domain.order import OrderFact, OrderSide, OrderStatus, OrderType
from tradectl.execution.booking import Booking
from tradectl.store import intents, invented, ledger, positions, risk
from tradectl.store.database import Database
from tradectl.store.verify import verify

AT = 1_760_000_000_000
ENTRY = "tdc.abc123.en.1"


def fill(seq: int, signed: str, price: str = "100", client_id: str | None = ENTRY) -> Fill:
    qty = D(signed)
    side = OrderSide.BUY if qty > 0 else OrderSide.SELL
    return Fill(f"x{seq}", seq, f"o{client_id}", client_id, None, X, side, abs(qty), D(price), D("0.07"), AT, False,
                reason="market")  # fmt: skip


def stand_in(number: int, one: Fill, price: str) -> Fill:
    return replace(
        one, execution_id=f"synthetic:{number}", seq=-number, order_id=str(one.client_id), price=D(price), fee=D(0),
        kind=FillKind.SYNTHETIC,
    )  # fmt: skip


def adjustment(number: int, signed: str, price: str, event_seq: int) -> Fill:
    return replace(
        fill(-number, signed, price, None), execution_id=f"adjustment:{number}", fee=D(0), kind=FillKind.ADJUSTMENT,
        order_id=invented.adjustment_id(event_seq),
    )  # fmt: skip


def books(folder: Path, fills: Sequence[Fill]) -> Database:
    """One entry of ours on record, and these fills booked one by one in this order."""
    db = store(folder)
    with db.transaction() as conn:
        risk.save(conn, risk_state.first_state(D(10_000), AT - 1))
        intents.record(conn, entry(qty=D(1000)), created_ms=AT - 5, expires_ms=AT, epoch=0, actor="bot")
        intents.advance(conn, 1, IntentState.SENT, at_ms=AT)
        intents.advance(conn, 1, IntentState.CONFIRMED, at_ms=AT)
    assert read(db, intents.get, 1).client_id == ENTRY
    for one in fills:
        with db.transaction() as conn:
            booking = Booking(conn, "USDT")
            booking.take(one)
            booking.finish(max(one.seq, 0))
    return db


def comes_to(db: Database) -> dict[str, object]:
    with db.read() as conn:
        counters = risk.load(conn)
        assert counters is not None
        rows = conn.execute("SELECT execution_id, side, qty, price, fee, realised FROM fills WHERE qty <> '0'")
        held = {symbol: replace(trade, opener=None) for symbol, trade in ledger.open_trades(conn).items()}
        ours = positions.of(conn, X)
        return {
            "fills": sorted(tuple(row) for row in rows.fetchall()),
            "open": {symbol: replace(trade, risk_amount=None) for symbol, trade in held.items()},
            "closed": [replace(trade, risk_amount=None) for trade in ledger.trades(conn, 10)],
            "totals": ledger.totals(conn),
            "today": counters.realised_today,
            "streak": counters.streak,
            "position": ours and (ours.state, ours.entry_qty, ours.trade_number),
        }


def same(folder: Path, in_time: Sequence[Fill], late: Sequence[Fill]) -> None:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    with closing(books(folder / "a", in_time)) as one, closing(books(folder / "b", late)) as other:
        assert comes_to(other) == comes_to(one)


@pytest.mark.parametrize("price", ["100", "100.37"])
@pytest.mark.parametrize("out", ["-4", "-10"], ids=["reduced", "closed"])
def test_a_real_fill_after_its_stand_in_was_reduced_or_closed(tmp_path: Path, out: str, price: str) -> None:
    real, exit_ = fill(1, "10"), fill(2, out, "103", None)
    same(tmp_path, [real, exit_], [stand_in(1, real, price), exit_, real])


def test_real_fills_one_after_another_in_the_place_of_one_that_stood_in(tmp_path: Path) -> None:
    parts, exit_ = [fill(1, "3", "99"), fill(2, "5", "101"), fill(3, "2", "100")], fill(4, "-10", "103", None)
    same(tmp_path, [*parts, exit_], [stand_in(1, fill(9, "10"), "100.1"), exit_, *parts])


def test_a_real_fill_whose_trade_is_over_leaves_the_next_one_alone(tmp_path: Path) -> None:
    real, exit_ = fill(1, "10"), fill(2, "-10", "103", None)
    again = [fill(3, "5", "104", "tdc.abc123.en.2"), fill(4, "-2", "105", None)]
    same(tmp_path, [real, exit_, *again], [stand_in(1, real, "100.5"), exit_, *again, real])


def test_a_gain_that_its_fee_turns_into_a_loss_counts_as_one(tmp_path: Path) -> None:
    real, exit_ = replace(fill(1, "10"), fee=D("0.5")), replace(fill(2, "-10", "100.03", None), fee=D(0))
    same(tmp_path, [real, exit_], [stand_in(1, real, "100"), exit_, real])


def test_a_loss_that_turns_out_to_be_none_is_taken_off_the_streak(tmp_path: Path) -> None:
    real, exit_ = fill(1, "10", "99"), fill(2, "-10", "100", None)
    same(tmp_path, [real, exit_], [stand_in(1, real, "101"), exit_, real])


def test_more_than_stood_in_is_brought_in_once(tmp_path: Path) -> None:
    real = fill(1, "10")
    same(tmp_path, [real], [stand_in(1, fill(1, "4"), "100"), real])
    with closing(books(tmp_path, [stand_in(1, fill(1, "4"), "100"), fill(2, "-4", "103", None), real])) as db:
        assert read(db, ledger.open_trades)[X].lot.qty == 6
        assert read(db, ledger.totals).fees == D("0.14") and not read(db, invented.stand_ins)


def ends(db: Database, filled: str) -> None:
    """Its order is over, with so much filled."""
    done = OrderFact(
        "o1", ENTRY, X, OrderSide.BUY, OrderType.MARKET, OrderStatus.EXPIRED, D(1000), D(filled), None, 1, 1
    )
    write(db, lambda conn: conn.execute("UPDATE intents SET order_id = 'o1' WHERE number = 1"))
    write(db, intents.note_order, done, AT)
    with db.transaction() as conn:
        Booking(conn, "USDT").finish(0)


@pytest.mark.parametrize("price", ["100", "101"])
def test_what_stands_in_is_no_more_than_its_order_has_filled(tmp_path: Path, price: str) -> None:
    real = fill(1, "6")
    with closing(books(tmp_path, [stand_in(1, fill(1, "10"), price), fill(2, "-4", "103", None)])) as db:
        ends(db, "6")
        (left,) = read(db, invented.stand_ins)
        trade, ours = read(db, ledger.open_trades)[X], read(db, positions.of, X)
        assert (left.qty, trade.lot.qty, trade.entry_qty, trade.max_qty) == (6, 2, 6, 6)
        assert ours is not None and ours.entry_qty == 6
        with db.transaction() as conn:
            booking = Booking(conn, "USDT")
            booking.take(real)
            booking.finish(2)
        (tmp_path / "in time").mkdir()
        with closing(books(tmp_path / "in time", [real, fill(2, "-4", "103", None)])) as other:
            assert comes_to(db) == comes_to(other)


def test_what_stood_in_for_an_order_that_filled_nothing_never_was(tmp_path: Path) -> None:
    with closing(books(tmp_path, [stand_in(1, fill(1, "10"), "100")])) as db:
        ends(db, "0")
        assert not read(db, ledger.open_trades) and not read(db, ledger.trades, 5) and not read(db, invented.stand_ins)
        assert read(db, positions.of, X) is None


def test_what_was_reduced_to_nothing_but_a_surplus_is_closed(tmp_path: Path) -> None:
    with closing(books(tmp_path, [stand_in(1, fill(1, "10"), "100"), fill(2, "-6", "103", None)])) as db:
        ends(db, "6")
        (trade,) = read(db, ledger.trades, 5)
        assert (trade.gross, trade.max_qty, trade.exit_reason) == (18, 6, "stand_in")
        assert not read(db, ledger.open_trades) and read(db, positions.of, X) is None


def test_an_order_that_may_still_fill_keeps_all_that_stands_in_for_it(tmp_path: Path) -> None:
    with closing(books(tmp_path, [stand_in(1, fill(1, "10"), "100"), fill(2, "3", "103", None)])) as db:
        assert read(db, ledger.open_trades)[X].lot.qty == 13 and read(db, invented.waiting)


ADOPTED = {
    "what had come in": (
        [fill(1, "10"), fill(2, "4", "104")],
        [fill(1, "10"), adjustment(1, "4", "101", 3), fill(2, "4", "104")],
    ),
    "what had gone out": (
        [fill(1, "10"), fill(2, "-4", "104", None)],
        [fill(1, "10"), adjustment(1, "-4", "101", 3), fill(2, "-4", "104", None)],
    ),
    "a whole position, and another since": (
        [fill(1, "10"), fill(2, "-10", "104", None), fill(4, "5", "105"), fill(5, "-1", "106", None)],
        [
            fill(1, "10"), adjustment(1, "-10", "101", 3), fill(4, "5", "105"), fill(5, "-1", "106", None),
            fill(2, "-10", "104", None),
        ],
    ),
    "more both ways than what was left of it": (
        [fill(1, "10"), fill(2, "15", "104"), fill(3, "-5", "106", None)],
        [fill(1, "10"), adjustment(1, "10", "101", 3), fill(3, "-5", "106", None), fill(2, "15", "104")],
    ),
    "what came after it is no part of it": (
        [fill(1, "10"), fill(2, "4", "104"), fill(4, "4", "105")],
        [fill(1, "10"), adjustment(1, "4", "101", 3), fill(4, "4", "105"), fill(2, "4", "104")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ADOPTED)
def test_what_an_operator_s_adjustment_had_taken_over_is_not_brought_in_again(tmp_path: Path, what: str) -> None:
    in_time, late = ADOPTED[what]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with closing(books(tmp_path / "a", in_time)) as one, closing(books(tmp_path / "b", late)) as other:
        expected, found = comes_to(one), comes_to(other)
        del expected["position"], found["position"]  # an adjustment is nobody's entry
        assert found == expected


@pytest.mark.parametrize("order_id", ["adjustment", invented.adjustment_id(1)])
def test_an_adjustment_that_had_not_seen_a_fill_makes_no_way_for_it(tmp_path: Path, order_id: str) -> None:
    """Nor does one of an older store, which does not say what it had seen."""
    taken = replace(adjustment(1, "4", "101", 1), order_id=order_id)
    with closing(books(tmp_path, [fill(1, "10"), taken, fill(2, "4", "104")])) as db:
        assert read(db, ledger.open_trades)[X].lot.qty == 18


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Fill], list[Fill]]:
    """A trade as it was, and as it came: some of its entries late, each with another in its place until then."""
    in_time: list[Fill] = []
    came: list[Fill] = []
    late: list[Fill] = []
    held = Decimal(0)
    for seq in range(1, draw(st.integers(2, 8))):
        grow = held == 0 or draw(st.booleans())
        if held == 0 and in_time:
            break
        signed = draw(st.integers(1, 9)) if grow else -min(draw(st.integers(1, 12)), int(held))
        one = fill(seq, str(signed), str(draw(st.integers(90, 110))), f"tdc.abc123.en.{seq}" if grow else None)
        held += signed
        in_time.append(one)
        if grow and draw(st.booleans()):
            came.append(stand_in(seq, one, str(draw(st.integers(90, 110)))))
            late.append(one)
        else:
            came.append(one)
    return in_time, came + draw(st.permutations(late))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lives())
def test_however_late_the_books_are_what_they_would_have_been(story: tuple[list[Fill], list[Fill]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        same(Path(folder), *story)


def test_a_store_with_fills_of_our_own_making_is_whole(tmp_path: Path) -> None:
    real = fill(1, "10")
    came = [stand_in(1, real, "101"), fill(2, "-4", "103", None), adjustment(2, "3", "102", 9), real]
    came.append(fill(5, "1", "99"))
    for count in range(1, len(came) + 1):
        (tmp_path / str(count)).mkdir()
        books(tmp_path / str(count), came[:count]).close()
        assert not [one for one in verify(tmp_path / str(count) / "store.db").failed if one.name == "ledger totals"]
