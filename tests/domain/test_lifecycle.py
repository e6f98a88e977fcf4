"""The life of a position: the table is all there is, and the store refuses whatever it refuses."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from bot_kit import FLAT, SOL, D, Rig, rig
from hypothesis import given
from hypothesis import strategies as st

from tradectl.domain.lifecycle import (
    POSITION_TRANSITIONS,
    Managed,
    Origin,
    PositionEvent,
    PositionState,
    Target,
    advance,
    split_targets,
)
from tradectl.domain.money import ONE, ZERO, floor_to_step
from tradectl.domain.position import Side
from tradectl.errors import ToolError
from tradectl.store import journal, positions

STATES = (None, *PositionState)
_S, _E = PositionState, PositionEvent

# As the specification has it: what may follow, and nothing else.
SPECIFIED: dict[tuple[PositionState | None, PositionEvent], PositionState] = {
    (None, _E.ENTRY_RECORDED): _S.PENDING,
    (None, _E.TAKEN_OVER): _S.OPEN,
    (_S.PENDING, _E.ENTRY_RECORDED): _S.PENDING,
    (_S.PENDING, _E.FILLED): _S.OPEN,
    (_S.PENDING, _E.QUANTITY_SEEN): _S.OPEN,
    (_S.PENDING, _E.ENTRY_FAILED): _S.CLOSED,
    (_S.PENDING, _E.ABSORBED): _S.CLOSED,
    (_S.OPEN, _E.ENTRY_RECORDED): _S.OPEN,
    (_S.OPEN, _E.EXIT_SENT): _S.CLOSING,
    (_S.OPEN, _E.FLAT): _S.CLOSED,
    (_S.CLOSING, _E.EXIT_SENT): _S.CLOSING,
    (_S.CLOSING, _E.EXIT_ENDED): _S.OPEN,
    (_S.CLOSING, _E.FLAT): _S.CLOSED,
}
PAIRS = [(state, event) for state in STATES for event in PositionEvent]


def named(pair: tuple[PositionState | None, PositionEvent]) -> str:
    return f"{pair[0].value if pair[0] else 'none'}-{pair[1].value}"


@pytest.mark.parametrize("pair", PAIRS, ids=named)
def test_every_event_in_every_state_moves_as_specified_or_is_refused(pair):
    state, event = pair
    if pair in SPECIFIED:
        after, sentence = advance(state, event)
        assert after is SPECIFIED[pair] and sentence
    else:
        with pytest.raises(ValueError, match=f"knows no {event.value}"):
            advance(state, event)


def test_each_change_stands_in_the_table_once():
    keys = [(before, on) for before, _, on, _ in POSITION_TRANSITIONS]
    assert len(keys) == len(set(keys)) and set(keys) == set(SPECIFIED)


def test_a_closed_position_is_never_left_and_every_other_can_be_closed():
    assert not [event for event in PositionEvent if (_S.CLOSED, event) in SPECIFIED]
    assert not _S.CLOSED.alive and all(state.alive for state in PositionState if state is not _S.CLOSED)
    reached = {_S.CLOSED}
    for _ in PositionState:
        reached |= {before for (before, _), after in SPECIFIED.items() if before is not None and after in reached}
    assert reached == set(PositionState)


def test_every_state_is_reached_from_nothing():
    reached: set[PositionState | None] = {None}
    for _ in PositionState:
        reached |= {after for (before, _), after in SPECIFIED.items() if before in reached}
    assert reached == set(STATES)


# Through the store.


@pytest.fixture
def desk(tmp_path: Path):
    with rig(tmp_path, [FLAT] * 2, ready=False, warm=2) as made:
        yield made


def put(desk: Rig, state: PositionState) -> Managed:
    """A position in this state, however it got there."""
    desk.write(take_over)
    desk.db.conn.execute("UPDATE positions SET state = ?", (state.value,))
    return replace(desk.read(row), state=state)


def take_over(conn) -> Managed:
    return positions.take_over(
        conn, SOL, Side.LONG, Origin.ADOPTED, trade_number=1, entry_qty=D(2), stop_price=D(99), at_ms=5
    )


def row(conn) -> Managed:
    columns = positions._COLUMNS
    return positions._managed(conn.execute(f"SELECT {columns} FROM positions").fetchone(), ())


def moves(desk: Rig) -> list[tuple[object, object, object]]:
    """(from, to, sentence) of every journalled change, oldest first."""
    rows = [one for one in desk.read(journal.latest, 1000)[::-1] if one.subject == f"position:{SOL}"]
    return [(one.body["from"], one.body["to"], one.body["sentence"]) for one in rows]


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[0] is not None], ids=named)
def test_the_store_refuses_what_the_table_refuses_and_journals_each_change_once(desk, pair):
    state, event = pair
    before = put(desk, state)
    said = len(moves(desk))
    if pair not in SPECIFIED:
        with pytest.raises(ToolError, match=event.value):
            desk.write(positions._move, before, event, 9)
        assert desk.read(row) == before and len(moves(desk)) == said
        return
    desk.write(positions._move, before, event, 9)
    after, sentence = advance(state, event)
    assert desk.read(row) == replace(before, state=after)
    assert moves(desk)[said:] == ([] if after is state else [(state.value, after.value, sentence)])


def test_one_symbol_has_one_position_that_lives(desk):
    desk.write(take_over)
    with pytest.raises(Exception, match="UNIQUE"):
        desk.write(take_over)
    assert len(moves(desk)) == 1
    desk.write(positions.flat, SOL, 7)
    desk.write(take_over)
    assert [after for _, after, _ in moves(desk)] == ["open", "closed", "open"]


def test_what_fills_without_a_position_is_a_fault(desk):
    with pytest.raises(ToolError, match="has no position"):
        desk.write(positions.filled, SOL, 1, D(2), 7)


# Targets.

STEPS = [D("0.001"), D("0.1"), D(1), D("2.5")]
fractions = st.lists(st.integers(1, 100).map(lambda part: D(part) / 100), min_size=1, max_size=2)
whole = st.integers(1, 99).map(lambda part: [D(part) / 100, 1 - D(part) / 100])


def plan_of(shares: list[Decimal]) -> list[Target]:
    return [Target(f"tp{place}", D(100 + place), share) for place, share in enumerate(shares, 1)]


@given(fractions | whole, st.integers(1, 5000), st.sampled_from(STEPS))
def test_targets_are_whole_steps_and_never_more_than_the_entry(shares, steps, step):
    entry = steps * step
    sized = split_targets(plan_of(shares), entry, step)
    assert [(one.name, one.price, one.fraction) for one in sized] == [
        (one.name, one.price, one.fraction) for one in plan_of(shares)
    ]
    assert all(one.qty % step == 0 and one.qty >= 0 for one in sized)
    total = sum((one.qty for one in sized), ZERO)
    assert total <= entry
    assert sized[0].qty == (floor_to_step(entry * shares[0], step) if len(shares) > 1 or sum(shares) < 1 else entry)
    if sum(shares) >= ONE:
        assert total == entry, "what rounding leaves is the last one's"
    else:
        assert all(one.qty == floor_to_step(entry * one.fraction, step) for one in sized)


@given(whole, st.integers(1, 5000), st.integers(0, 6000))
def test_a_target_is_hit_once_all_of_its_share_has_filled(shares, steps, done):
    step = D("0.1")
    plan = [replace(one, filled=done * step) for one in plan_of(shares)]
    for one in split_targets(plan, steps * step, step):
        assert one.filled == done * step, "what has filled is kept"
        assert one.open_qty == max(one.qty - one.filled, ZERO)
        assert one.hit is (one.qty > 0 and one.open_qty == 0)


@pytest.mark.parametrize(("side", "better", "worse"), [(Side.LONG, "99.1", "98.9"), (Side.SHORT, "98.9", "99.1")])
def test_only_a_smaller_loss_is_tighter(side, better, worse):
    plain = Managed(1, SOL, side, PositionState.OPEN, Origin.ADOPTED, "", None, 1, 0, D(2), D(99))
    assert plain.tighter(D(better)) and not plain.tighter(D(worse)) and not plain.tighter(D(99))
    assert replace(plain, stop_price=None).tighter(D(worse))
