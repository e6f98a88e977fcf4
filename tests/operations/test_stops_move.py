"""`stops move`: place, confirm, then cancel; looser only on the record (promise 5)."""

from __future__ import annotations

from decimal import Decimal

import faulty
import pytest
from desk import LAST, Account, hold_lock, let_go, tick
from faulty import Rule

from tradectl.domain.order import OrderFact, OrderSide, OrderType
from tradectl.domain.position import Protection, Side, coverage
from tradectl.sim.events import Accepted, Updated
from tradectl.store import intents, journal, positions

D = Decimal
REASON = ("--override", "--reason", "room for the news")


def stops(acct: Account) -> list[OrderFact]:
    return [order for order in acct.snapshot().orders if order.protective]


def levels(acct: Account) -> list[Decimal]:
    return sorted(order.trigger_price for order in stops(acct) if order.trigger_price is not None)


def covered(acct: Account) -> bool:
    snapshot = acct.snapshot()
    return coverage(snapshot.positions[0], snapshot.orders).protection is Protection.COVERED


def level(acct: Account, share: str) -> str:
    return str(tick(acct.price() * D(share)))


def stored(acct: Account) -> Decimal | None:
    with acct.db() as db, db.read() as conn:
        found = positions.of(conn, "BTCUSDT")
    return found.stop_price if found is not None else None


def test_tighter_is_placed_before_the_old_one_goes(acct: Account) -> None:
    acct.entered(qty="0.010")
    (old,) = stops(acct)
    to = level(acct, "0.95")
    ran = acct.tradectl("stops", "move", "btc", to, "--yes", "--reason", "less risk")
    assert ran.code == 0, ran.all
    (new,) = stops(acct)
    assert new.trigger_price == D(to) and new.qty == D("0.010") and covered(acct)
    assert stored(acct) == D(to)
    events = acct.embedded.host.events_after(0, 1000)
    placed = next(e.seq for e in events if isinstance(e, Accepted) and e.order.order_id == new.order_id)
    ended = next(e.seq for e in events if isinstance(e, Updated) and e.order.order_id == old.order_id)
    assert placed < ended
    with acct.db() as db, db.read() as conn:
        act = journal.latest(conn, 1, kind="operator")[0]
    assert (act.subject, act.body["before"], act.body["after"]) == ("stops move", str(old.trigger_price), to)


def test_looser_is_refused_without_an_override_and_nothing_changes(acct: Account) -> None:
    acct.entered()
    before, kept = levels(acct), stored(acct)
    ran = acct.tradectl("stops", "move", "btc", level(acct, "0.85"), "--yes")
    assert ran.code == 2 and "looser" in ran.err and "--override" in ran.err
    assert levels(acct) == before and stored(acct) == kept


def test_looser_with_an_override_is_done_and_on_the_record(acct: Account) -> None:
    acct.entered()
    to = level(acct, "0.85")
    ran = acct.tradectl("stops", "move", "btc", to, "--yes", *REASON)
    assert ran.code == 0, ran.all
    assert levels(acct) == [D(to)] and covered(acct) and stored(acct) == D(to)
    assert "OVERRIDDEN" in ran.out
    with acct.db() as db, db.read() as conn:
        act = journal.latest(conn, 1, kind="operator")[0]
    assert act.body["loosened"] is True and act.body["reason"] == "room for the news"


def test_an_override_takes_a_reason(acct: Account) -> None:
    acct.entered()
    assert acct.tradectl("stops", "move", "btc", level(acct, "0.85"), "--yes", "--override").code == 3


@pytest.mark.parametrize("side", [Side.LONG, Side.SHORT])
def test_one_that_would_fire_at_once_is_refused_with_the_way_out(acct: Account, side: Side) -> None:
    acct.entered(side=side)
    before = levels(acct)
    to = level(acct, "1.01" if side is Side.LONG else "0.99")
    ran = acct.tradectl("stops", "move", "btc", to, "--yes")
    assert ran.code == 2 and "would fire at once" in ran.err and "positions close" in ran.err
    assert levels(acct) == before


def test_one_beyond_liquidation_is_refused_override_or_not(acct: Account) -> None:
    acct.entered(side=Side.SHORT)
    liquidation = acct.snapshot().positions[0].liquidation_price
    assert liquidation is not None
    ran = acct.tradectl("stops", "move", "btc", str(tick(liquidation * D("1.1"))), "--yes", *REASON)
    assert ran.code == 2 and "would never fire" in ran.err


def test_a_price_between_ticks_goes_to_the_smaller_loss(acct: Account) -> None:
    acct.entered()
    to = D(level(acct, "0.95"))
    ran = acct.tradectl("stops", "move", "btc", f"{to}.0000001", "--yes", "--json")
    assert ran.code == 0, ran.all
    instrument = acct.embedded.instruments["BTCUSDT"]
    assert levels(acct) == [to + instrument.tick_size]


def test_where_it_stands_already_nothing_is_sent(acct: Account) -> None:
    acct.entered()
    (old,) = stops(acct)
    ran = acct.tradectl("stops", "move", "btc", str(old.trigger_price), "--yes")
    assert ran.code == 0 and "nothing was sent" in ran.out
    assert [order.order_id for order in stops(acct)] == [old.order_id]


def test_another_persons_stop_stays(acct: Account) -> None:
    acct.long(bracket=False)
    other = acct.stop(qty="0.004")
    acct.stop(qty="0.006", client_id="tdc.abc123.st.900")
    to = level(acct, "0.95")
    ran = acct.tradectl("stops", "move", "btc", to, "--yes")
    assert ran.code == 0, ran.all
    assert {order.order_id for order in stops(acct)} > {other.order_id}
    assert levels(acct) == sorted([other.trigger_price or D(0), D(to)]) and covered(acct)
    assert "is not ours: it stays" in ran.out


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("btc", "cheap"), 3, "not a price"),
        (("btc", "-1"), 3, ""),
        (("eth", "100"), 2, "no position in ETHUSDT"),
        (("dogex", "1"), 3, "not a symbol"),
    ],
)
def test_bad_input_says_what_is_wrong(acct: Account, args: tuple[str, ...], code: int, said: str) -> None:
    acct.entered()
    ran = acct.tradectl("stops", "move", *args, "--yes")
    assert ran.code == code and said in ran.err and "Traceback" not in ran.all


def test_in_a_pipe_nothing_happens_without_a_yes(acct: Account) -> None:
    acct.entered()
    before = levels(acct)
    ran = acct.tradectl("stops", "move", "btc", level(acct, "0.95"))
    assert ran.code == 2 and levels(acct) == before


def test_a_refused_stop_leaves_the_old_one(acct: Account) -> None:
    acct.entered()
    (old,) = stops(acct)
    ran = faulty.tradectl(acct, "stops", "move", "btc", level(acct, "0.95"), "--yes", rules=(Rule("place", "refuse"),))
    assert ran.code == 2 and [order.order_id for order in stops(acct)] == [old.order_id]
    assert "NOT MOVED" in ran.out and covered(acct)


def test_a_lost_answer_leaves_both_and_the_next_call_finishes(acct: Account) -> None:
    acct.entered()
    to = level(acct, "0.95")
    ran = faulty.tradectl(acct, "stops", "move", "btc", to, "--yes", rules=(Rule("place", "lose", times=1),))
    assert ran.code == 2 and len(stops(acct)) == 2 and covered(acct)
    again = acct.tradectl("stops", "move", "btc", to, "--yes")
    assert again.code == 0, again.all
    assert levels(acct) == [D(to)]


def test_an_old_stop_that_is_gone_just_before_its_cancel_is_no_failure(acct: Account) -> None:
    """Incident 07: the new one stands whatever the cancel of the old one answers."""
    acct.entered()
    (old,) = stops(acct)
    to = level(acct, "0.95")
    rules = (Rule("cancel", cancels=old.order_id, times=1),)
    ran = faulty.tradectl(acct, "stops", "move", "btc", to, "--yes", rules=rules)
    assert ran.code == 0, ran.all
    assert levels(acct) == [D(to)] and covered(acct)


def test_with_the_store_locked_it_tightens_and_says_what_is_left(acct: Account) -> None:
    acct.entered()
    holder = hold_lock(acct.store)
    try:
        to = level(acct, "0.95")
        ran = acct.tradectl("stops", "move", "btc", to, "--yes")
        looser = acct.tradectl("stops", "move", "btc", level(acct, "0.85"), "--yes", *REASON)
    finally:
        let_go(holder)
    assert ran.code == 1, ran.all
    assert "the store still has the old level" in ran.out and D(to) in levels(acct) and covered(acct)
    assert looser.code == 75 and "nothing was changed" in looser.err


def test_where_the_venue_takes_no_more_stops_it_is_moved_in_place(acct: Account) -> None:
    acct.entered()
    (old,) = stops(acct)
    to = level(acct, "0.95")
    rules = (Rule("place", "refuse:too_many_conditional"),)
    ran = faulty.tradectl(acct, "stops", "move", "btc", to, "--yes", rules=rules)
    assert ran.code == 0, ran.all
    assert [(order.order_id, order.trigger_price) for order in stops(acct)] == [(old.order_id, D(to))]
    assert "moved in place" in ran.out and covered(acct)
    with acct.db() as db, db.read() as conn:
        assert "amend" in {one.purpose.value for one in intents.latest(conn, None, 10)}


def test_a_venue_that_is_gone_is_75(acct: Account) -> None:
    acct.entered()
    to = level(acct, "0.95")
    acct.exchange.rename(acct.exchange.with_suffix(".away"))
    assert acct.tradectl("stops", "move", "btc", to, "--yes").code == 75


def test_a_close_position_stop_is_replaced_by_one_of_the_whole_size(acct: Account) -> None:
    acct.long(bracket=False)
    acct.place(
        "BTCUSDT", OrderSide.SELL, OrderType.STOP_MARKET, None, client_id="tdc.abc123.st.901",
        trigger_price=D(level(acct, "0.9")), trigger_by=LAST, close_position=True,
    )  # fmt: skip
    to = level(acct, "0.95")
    assert acct.tradectl("stops", "move", "btc", to, "--yes").code == 0
    assert levels(acct) == [D(to)] and covered(acct)
