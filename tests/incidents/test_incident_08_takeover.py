"""Incident 08: the takeover path referred to a state that does not exist, and failed on the position it was to save.

Whatever shape of position the venue shows, an operator's takeover comes through: it is open, protected, managed, and
ends regularly. The table of transitions says for every state and every event what follows, or that nothing does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from books import compare
from bot_kit import SOL, D, Rig, Row, rig
from incident_kit import attempt, by_hand, held, must_be_seen, picture, protections

from tradectl.domain import lifecycle
from tradectl.domain.lifecycle import Origin, PositionEvent, PositionState, advance
from tradectl.domain.order import BracketLeg, OrderSide, OrderType, TriggerBy
from tradectl.domain.position import Protection
from tradectl.execution.reconcile_sides import ActionKind
from tradectl.operations import reconcile
from tradectl.operations.killswitch_venue import Books
from tradectl.operations.opening import Desk
from tradectl.operations.stop_rules import stop_rules
from tradectl.sim.ops import SetLeverage, SetMarginMode
from tradectl.store import journal, ledger, positions
from tradectl.store.connection import Connection

BUY, SELL, MARKET, STOP = OrderSide.BUY, OrderSide.SELL, OrderType.MARKET, OrderType.STOP_MARKET
LAST = TriggerBy.LAST
DUST = "what is left of a larger one"
Shape = Callable[[Rig], None]
SHAPES: dict[str, Shape] = {}
KNOBS: dict[str, object] = {
    "perps.enabled": False,  # it manages what there is, and enters nothing
    f"sim.instruments.{SOL}": {"max_market_qty": 30, "qty_step": D("0.1"), "min_qty": D("0.2"), "max_leverage": 50},
}
LATER: list[Row] = [
    ("100", "100.2", "99.8", "100"),
    ("100", "100.2", "99.8", "100"),
    ("100", "100.1", "94", "94.5"),  # through the stop of a long
    ("94.5", "107", "94.4", "106"),  # and through that of a short
    ("106", "106.1", "105.9", "106"),
]


EARLIER: dict[str, list[Row]] = {
    "a_long_that_has_lost_more_than_a_stop_would_let_it": [("100", "100.1", "97.4", "97.5")],
    "a_short_that_has_lost_more_than_a_stop_would_let_it": [("100", "102.6", "99.9", "102.5")],
}


def shape(make: Shape) -> Shape:
    SHAPES[make.__name__.replace("_", " ").strip()] = make
    return make


@shape
def a_long(desk: Rig) -> None:
    by_hand(desk, BUY, MARKET, "4")


@shape
def a_short(desk: Rig) -> None:
    by_hand(desk, SELL, MARKET, "4")


@shape
def a_long_that_has_lost_more_than_a_stop_would_let_it(desk: Rig) -> None:
    by_hand(desk, BUY, MARKET, "4")
    desk.step()


@shape
def a_short_that_has_lost_more_than_a_stop_would_let_it(desk: Rig) -> None:
    by_hand(desk, SELL, MARKET, "4")
    desk.step()


@shape
def a_long_with_a_stop_and_a_target_of_somebody_elses(desk: Rig) -> None:
    by_hand(desk, BUY, MARKET, "4")
    by_hand(desk, SELL, STOP, "4", trigger_price=D(98), reduce_only=True)
    by_hand(desk, SELL, OrderType.LIMIT, "4", price=D(103), reduce_only=True)


@shape
def a_short_with_a_stop_for_a_part_of_it(desk: Rig) -> None:
    by_hand(desk, SELL, MARKET, "4")
    by_hand(desk, BUY, STOP, "1.5", trigger_price=D(103), reduce_only=True)


@shape
def a_long_with_its_bracket_attached(desk: Rig) -> None:
    by_hand(desk, BUY, MARKET, "4", stop=BracketLeg(D("98.5"), LAST), target=BracketLeg(D(103), LAST))


@shape
def a_long_with_a_stop_that_closes_all_of_it(desk: Rig) -> None:
    by_hand(desk, BUY, MARKET, "4")
    by_hand(desk, SELL, STOP, None, trigger_price=D(98), close_position=True)


@shape
def a_long_whose_stop_lies_beyond_liquidation(desk: Rig) -> None:
    assert desk.embedded.host.execute(SetLeverage(SOL, D(25), desk.embedded.host.state.server_ms)).reply is None
    by_hand(desk, BUY, MARKET, "4")
    by_hand(desk, SELL, STOP, "4", trigger_price=D(90), reduce_only=True)


@shape
def a_long_on_cross_margin(desk: Rig) -> None:
    assert desk.embedded.host.execute(SetMarginMode(SOL, "cross", desk.embedded.host.state.server_ms)).reply is None
    by_hand(desk, BUY, MARKET, "4")


@shape
def more_than_the_largest_order(desk: Rig) -> None:
    for _ in range(3):
        by_hand(desk, BUY, MARKET, "30")


@shape
def a_long_covered_but_for_less_than_the_smallest_order(desk: Rig) -> None:
    by_hand(desk, BUY, MARKET, "4")
    by_hand(desk, SELL, STOP, "3.9", trigger_price=D(98), reduce_only=True)


@shape
def what_is_left_of_a_larger_one(desk: Rig) -> None:
    by_hand(desk, BUY, MARKET, "4")
    by_hand(desk, SELL, MARKET, "3.9", reduce_only=True)


@shape
def a_position_that_was_turned_over(desk: Rig) -> None:
    by_hand(desk, BUY, MARKET, "4")
    by_hand(desk, SELL, MARKET, "9")


@shape
def more_than_the_books_hold(desk: Rig) -> None:
    ours(desk)
    by_hand(desk, BUY, MARKET, "3")


@shape
def less_than_the_books_hold(desk: Rig) -> None:
    ours(desk)
    by_hand(desk, SELL, MARKET, "0.5", reduce_only=True)


@shape
def the_other_side_of_what_the_books_hold(desk: Rig) -> None:
    ours(desk)
    by_hand(desk, SELL, MARKET, "5")


@shape
def none_where_the_books_hold_one(desk: Rig) -> None:
    ours(desk)
    by_hand(desk, SELL, MARKET, "2", reduce_only=True)


@shape
def ours_whose_record_is_gone(desk: Rig) -> None:
    ours(desk)
    desk.write(lambda conn: [conn.execute(f"DELETE FROM {name}") for name in ("targets", "positions")])


@shape
def ours_partly_closed_whose_record_is_gone(desk: Rig) -> None:
    ours_whose_record_is_gone(desk)
    by_hand(desk, SELL, MARKET, "1.5", reduce_only=True)


def ours(desk: Rig) -> None:
    assert desk.run(desk.bot.door.submit(desk.entry("2"))).confirmed
    assert attempt(desk, step=False)


def adopt(desk: Rig) -> reconcile.Applied:
    """`tradectl reconcile --adopt SOLUSDT --apply` of an operator."""
    with desk.elsewhere() as other:
        books, counter = Books(desk.db.path, other), Desk(desk.bot.venue, desk.bot.clock)
        rules = stop_rules(books, ())

        async def whole() -> reconcile.Applied:
            shown = await reconcile.plan(books, counter, rules, frozenset({SOL}))
            return await reconcile.apply(books, counter, rules, shown, reason="mine", actor="ann")

        try:
            return desk.run(whole())
        except Exception as error:
            raise AssertionError(f"the takeover fell over: {type(error).__name__}: {error}") from error


def it_is_taken_over_and_lives_to_its_regular_end(folder: Path, make: Shape) -> None:
    """The check: nothing is closed by it, the position is open, covered and managed, and ends with its stop."""
    with rig(folder, [*EARLIER.get(make.__name__, []), *LATER], KNOBS) as desk:
        make(desk)
        before, dust = held(desk), make is SHAPES[DUST]
        done = adopt(desk)
        assert held(desk) == before, "a takeover trades nothing"
        assert all(one.failed == (dust and one.action.kind is ActionKind.PROTECT) for one in done.done)
        for _ in range(2):
            open_and_covered(desk, before, dust=dust)
            assert attempt(desk) and held(desk) == before
        for _ in LATER[2:]:
            assert attempt(desk)
        if not dust:
            assert held(desk) == {} and desk.read(positions.alive) == {}
            mine = [one for one in picture(desk).orders if one.client_id is None or not one.client_id.startswith("web")]
            assert mine == []
        moves = [(row.body["from"], row.body["to"]) for row in desk.read(_changes)]
        assert moves and set(moves) <= LEGAL
    assert dust or [one for one in compare(folder / "bot.db").differences if "(web-" not in one] == []


def open_and_covered(desk: Rig, before: dict[str, Decimal], *, dust: bool) -> None:
    managed = desk.read(positions.alive)
    assert managed.keys() == before.keys()
    for symbol, one in managed.items():
        assert one.state is PositionState.OPEN and one.side.sign * before[symbol] > 0
        assert desk.read(ledger.open_trades)[symbol].lot.qty == before[symbol]
        assert one.stop_price is not None
    assert set(protections(desk).values()) <= {Protection.NAKED if dust else Protection.COVERED}


def _changes(conn: Connection) -> list[journal.Entry]:
    return [row for row in journal.page(conn, limit=1000, kind="state") if row.subject == f"position:{SOL}"]


@contextmanager
def the_takeover_leads_to_a_state_that_does_not_exist() -> Iterator[None]:
    """The old fault."""
    nowhere = (SimpleNamespace(value="active", alive=True), "taken over from the venue")
    with patch.dict(lifecycle._NEXT, {(None, PositionEvent.TAKEN_OVER): nowhere}):
        yield


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_position_is_taken_over(tmp_path: Path, name: str) -> None:
    it_is_taken_over_and_lives_to_its_regular_end(tmp_path, SHAPES[name])


# The others are known to the books already, or gone: nothing is taken over.
TAKEN = [name for name in SHAPES if "than the books" not in name and "none where" not in name]


@pytest.mark.parametrize("name", TAKEN)
def test_a_takeover_into_a_state_that_does_not_exist_is_seen(tmp_path: Path, name: str) -> None:
    with the_takeover_leads_to_a_state_that_does_not_exist(), must_be_seen("the takeover fell over"):
        it_is_taken_over_and_lives_to_its_regular_end(tmp_path, SHAPES[name])


# The table

_S, _E = PositionState, PositionEvent
FOLLOWS: dict[PositionState | None, dict[PositionEvent, PositionState]] = {
    None: {_E.ENTRY_RECORDED: _S.PENDING, _E.TAKEN_OVER: _S.OPEN},
    _S.PENDING: {
        _E.ENTRY_RECORDED: _S.PENDING,
        _E.FILLED: _S.OPEN,
        _E.QUANTITY_SEEN: _S.OPEN,
        _E.ENTRY_FAILED: _S.CLOSED,
        _E.ABSORBED: _S.CLOSED,
    },
    _S.OPEN: {_E.ENTRY_RECORDED: _S.OPEN, _E.EXIT_SENT: _S.CLOSING, _E.FLAT: _S.CLOSED},
    _S.CLOSING: {_E.EXIT_SENT: _S.CLOSING, _E.EXIT_ENDED: _S.OPEN, _E.FLAT: _S.CLOSED},
    _S.CLOSED: {},
}
LEGAL = {(before.value if before else None, after.value) for before, row in FOLLOWS.items() for after in row.values()}


def the_table_says_what_follows_every_event_in_every_state() -> None:
    """The check."""
    assert FOLLOWS.keys() == {None, *PositionState}
    for before, on in product(FOLLOWS, PositionEvent):
        expected = FOLLOWS[before].get(on)
        if expected is None:
            with pytest.raises(ValueError, match="knows no"):
                advance(before, on)
            continue
        try:
            after, sentence = advance(before, on)
        except ValueError as error:
            raise AssertionError(f"no answer to {on.value}: {error}") from error
        assert after is expected and sentence, f"{before} on {on.value}"
    assert {on for row in FOLLOWS.values() for on in row} == set(PositionEvent), "every event means something"
    assert len(lifecycle.POSITION_TRANSITIONS) == sum(len(row) for row in FOLLOWS.values())


def test_every_event_has_its_answer_in_every_state() -> None:
    the_table_says_what_follows_every_event_in_every_state()


@pytest.mark.parametrize("row", lifecycle.POSITION_TRANSITIONS, ids=lambda row: f"{row[0]} on {row[2]}")
def test_each_row_that_is_missing_or_wrong_is_seen(row: Any) -> None:
    before, _, on, sentence = row
    nowhere = (SimpleNamespace(value="active"), sentence)
    with patch.dict(lifecycle._NEXT, {(before, on): nowhere}), must_be_seen(f"on {on.value}"):
        the_table_says_what_follows_every_event_in_every_state()
    with patch.dict(lifecycle._NEXT), must_be_seen(f"no answer to {on.value}"):
        del lifecycle._NEXT[(before, on)]
        the_table_says_what_follows_every_event_in_every_state()


def test_the_store_takes_every_state_and_origin_and_no_other(tmp_path: Path) -> None:
    with rig(tmp_path, LATER) as desk:
        for state, origin in [*product(PositionState, Origin)]:
            desk.write(_insert, state.value, origin.value)
        for state_, origin_ in (("active", "adopted"), ("open", "ghost")):
            with pytest.raises(sqlite3.IntegrityError):
                desk.write(_insert, state_, origin_)


def _insert(conn: Connection, state: str, origin: str) -> None:
    count = conn.execute("SELECT count(*) FROM positions").fetchone()[0]
    conn.execute(
        "INSERT INTO positions (symbol, side, state, origin, entry_key, opened_ms, changed_ms, entry_qty, break_even,"
        " trailing) VALUES (?, 'long', ?, ?, '', 0, 0, '1', 0, 0)",
        (f"SYM{count}", state, origin),
    )
