"""Bookkeeping from flat to flat: over any sequence of fills, realised P&L is exactly proceeds less cost."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain.fill import Fill, Funding
from tradectl.domain.ledger import ClosedTrade, OpenTrade, book_fill, book_funding
from tradectl.domain.order import OrderSide
from tradectl.domain.position import Lot, Side, apply_fill

QTY = st.integers(1, 5_000).map(lambda n: Decimal(n) / 1000)
PRICE = st.integers(1, 9_999_999).map(lambda n: Decimal(n) / 100)
FEE = st.integers(0, 100_000).map(lambda n: Decimal(n) / 100_000)
MOVES = st.lists(st.tuples(st.sampled_from(list(OrderSide)), QTY, PRICE, FEE), min_size=1, max_size=30)


def fill(seq: int, side: OrderSide, qty: Decimal, price: Decimal, fee: Decimal) -> Fill:
    return Fill(
        f"x{seq}", seq, f"o{seq}", None, None, "BTCUSDT", side, qty, price, fee, seq * 1000, False, reason="market"
    )


@given(MOVES)
def test_over_any_fills_cash_less_what_is_still_held_is_what_was_realised(
    moves: list[tuple[OrderSide, Decimal, Decimal, Decimal]],
) -> None:
    lot, realised, cash = Lot(), Decimal(0), Decimal(0)
    for side, qty, price, _ in moves:
        signed = qty * side.sign
        lot, gained = apply_fill(lot, signed, price)
        realised += gained
        cash -= signed * price
        assert (lot.qty == 0) == (lot.cost == 0)
        assert lot.qty * lot.cost >= 0
    assert realised == cash + lot.cost
    assert lot.qty == sum((qty * side.sign for side, qty, _, _ in moves), Decimal(0))


@given(MOVES)
def test_trades_account_for_every_fill_and_every_fee(
    moves: list[tuple[OrderSide, Decimal, Decimal, Decimal]],
) -> None:
    trade: OpenTrade | None = None
    closed: list[ClosedTrade] = []
    realised = Decimal(0)
    for seq, move in enumerate(moves, 1):
        booked = book_fill(trade, fill(seq, *move), seq)
        trade = booked.open
        realised += booked.realised
        closed += [booked.closed] if booked.closed else []
    still = trade or OpenTrade(0, "BTCUSDT", Side.LONG, 0, Lot())
    assert sum((one.fees for one in closed), still.fees) == sum((fee for *_, fee in moves), Decimal(0))
    assert sum((one.gross for one in closed), still.gross) == realised
    assert all(one.net == one.gross - one.fees + one.funding for one in closed)
    assert len({one.number for one in closed}) == len(closed)


def test_a_fill_past_flat_closes_one_trade_and_opens_the_other_side() -> None:
    opened = book_fill(None, fill(1, OrderSide.BUY, Decimal(2), Decimal(100), Decimal("0.2")), 1).open
    turned = book_fill(opened, fill(2, OrderSide.SELL, Decimal(3), Decimal(110), Decimal("0.3")), 2)
    assert turned.closed is not None and turned.open is not None
    assert (turned.closed.gross, turned.closed.fees) == (Decimal(20), Decimal("0.4"))
    assert (turned.open.side, turned.open.lot.qty, turned.open.number) == (Side.SHORT, Decimal(-1), 2)


def test_funding_is_in_the_net_and_apart_from_fees() -> None:
    opened = book_fill(None, fill(1, OrderSide.SELL, Decimal(1), Decimal(50), Decimal("0.1")), 7).open
    assert opened is not None
    paid = book_funding(opened, Funding("f1", 2, "BTCUSDT", Decimal("0.0001"), Decimal("0.005"), 2000))
    done = book_fill(paid, fill(3, OrderSide.BUY, Decimal(1), Decimal(40), Decimal("0.1")), 8).closed
    assert done is not None
    assert (done.gross, done.fees, done.funding, done.net) == (
        Decimal(10), Decimal("0.2"), Decimal("0.005"), Decimal("9.805"),
    )  # fmt: skip
    assert done.r_multiple is None
    assert replace(done, risk_amount=Decimal("9.805")).r_multiple == 1
