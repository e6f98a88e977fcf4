"""`stops move` beside stops that are not ours: what stands is said only where it stands (promises 5 and 6)."""

from __future__ import annotations

from decimal import Decimal

from desk import LAST, Account, hold_lock, let_go, tick

from tradectl.domain.order import BracketLeg, OrderFact
from tradectl.domain.position import Protection, coverage

D = Decimal


def stops(acct: Account) -> list[OrderFact]:
    return [order for order in acct.snapshot().orders if order.protective]


def standing(acct: Account) -> set[tuple[str, Decimal | None]]:
    return {(order.order_id, order.trigger_price) for order in stops(acct)}


def level(acct: Account, share: str) -> str:
    return str(tick(acct.price() * D(share)))


def guarded_at(acct: Account) -> Decimal | None:
    """The loosest price at which all of the position is covered."""
    snapshot = acct.snapshot()
    cover = coverage(snapshot.positions[0], snapshot.orders)
    assert cover.protection is Protection.COVERED
    return cover.loosest_price


def test_tighter_than_somebody_elses_stop_is_placed_beside_it(acct: Account) -> None:
    acct.long(bracket=False)
    other = acct.stop()
    to = level(acct, "0.95")
    ran = acct.tradectl("stops", "move", "btc", to, "--yes", "--json")
    assert ran.code == 0, ran.all
    assert ran.json["stands"] is True and ran.json["sent"]
    assert (other.order_id, other.trigger_price) in standing(acct) and len(stops(acct)) == 2
    assert guarded_at(acct) == D(to)
    again = acct.tradectl("stops", "move", "btc", to, "--yes")
    assert again.code == 0 and "nothing was sent" in again.out and len(stops(acct)) == 2


def test_looser_than_somebody_elses_stop_is_refused_by_name(acct: Account) -> None:
    acct.long(bracket=False)
    other = acct.stop()
    before = standing(acct)
    ran = acct.tradectl("stops", "move", "btc", level(acct, "0.85"), "--yes", "--override", "--reason", "room")
    assert ran.code == 2, ran.all
    assert other.order_id in ran.err and "not ours" in ran.err
    assert f"tradectl orders cancel {other.order_id} --override --reason TEXT --state {acct.store}" in ran.err
    assert standing(acct) == before


def test_at_the_level_of_somebody_elses_stop_it_says_whose_stands(acct: Account) -> None:
    acct.long(bracket=False)
    other = acct.stop()
    ran = acct.tradectl("stops", "move", "btc", str(other.trigger_price), "--yes")
    assert ran.code == 0 and "nothing was sent" in ran.out and f"{other.order_id} is not ours" in ran.out


def test_what_others_cover_looser_is_covered_at_the_level_too(acct: Account) -> None:
    acct.long(bracket=False)
    acct.stop(qty="0.004")
    acct.stop(qty="0.006", client_id="tdc.abc123.st.900")
    to = level(acct, "0.95")
    assert acct.tradectl("stops", "move", "btc", to, "--yes").code == 0
    assert guarded_at(acct) == D(to)


def test_a_looser_one_of_ours_needs_its_override_beside_a_looser_one_of_others(acct: Account) -> None:
    acct.long(bracket=False)
    acct.stop(qty="0.004", trigger_price=D(level(acct, "0.85")))
    acct.stop(qty="0.006", client_id="tdc.abc123.st.900", trigger_price=D(level(acct, "0.95")))
    before = standing(acct)
    ran = acct.tradectl("stops", "move", "btc", level(acct, "0.9"), "--yes")
    assert ran.code == 2 and "looser" in ran.err and f"--state {acct.store}" in ran.err
    assert standing(acct) == before


def test_an_adopted_positions_attached_stop_stays_and_ours_goes_beside_it(acct: Account) -> None:
    acct.long(qty="0.010", stop=BracketLeg(D(level(acct, "0.9")), LAST), bracket=False)
    (attached,) = stops(acct)
    acct.tradectl("reconcile", "--apply", "--yes", "--adopt", "btc", "--reason", "mine")
    looser = acct.tradectl("stops", "move", "btc", level(acct, "0.85"), "--yes", "--override", "--reason", "room")
    assert looser.code == 2 and attached.order_id in looser.err
    to = level(acct, "0.95")
    ran = acct.tradectl("stops", "move", "btc", to, "--yes")
    assert ran.code == 0, ran.all
    assert attached.order_id in {order.order_id for order in stops(acct)} and guarded_at(acct) == D(to)


def test_with_a_store_that_cannot_be_read_nothing_is_said_to_stand_that_does_not(acct: Account) -> None:
    acct.entered()
    (old,) = stops(acct)
    holder = hold_lock(acct.store, "BEGIN EXCLUSIVE")
    try:
        looser = acct.tradectl("stops", "move", "btc", level(acct, "0.85"), "--yes")
        assert looser.code == 2 and old.order_id in looser.err and "cannot be told" in looser.err
        to = level(acct, "0.95")
        ran = acct.tradectl("stops", "move", "btc", to, "--yes")
    finally:
        let_go(holder)
    assert ran.code == 1, ran.all
    assert guarded_at(acct) == D(to)
