"""What the exchange's file holds reads back as exactly what was written."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradectl.sim.codec import CodecError, decode, encode
from tradectl.sim.events import Event
from tradectl.sim.ops import Op
from tradectl.sim.rows import changed_rows, cold_rows, hot_row, read_state
from tradectl.sim.state import ExchangeState

money = st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15)
for_decimal = st.one_of(money, st.sampled_from([Decimal("1E+3"), Decimal("-0"), Decimal("1E-18")]))
st.register_type_strategy(Decimal, for_decimal)
states = st.from_type(ExchangeState)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*get_args(Event), *get_args(Op)]).flatmap(lambda kind: st.from_type(kind)))
def test_every_event_and_operation_reads_back_as_written(value: object) -> None:
    kind = type(value)
    body = encode(kind, value)
    assert decode(kind, body) == value
    assert encode(kind, decode(kind, body)) == body


@settings(max_examples=50, deadline=None)
@given(state=states)
def test_a_state_reads_back_as_written(state: ExchangeState) -> None:
    assert read_state(hot_row(state), [(k, n, b) for k, n, b in cold_rows(state) if b is not None]) == state


@settings(max_examples=50, deadline=None)
@given(before=states, after=states)
def test_the_changed_rows_turn_one_state_into_another(before: ExchangeState, after: ExchangeState) -> None:
    rows = {(kind, key): body for kind, key, body in cold_rows(before)}
    for kind, key, body in changed_rows(before, after):
        rows[(kind, key)] = body
    left = [(kind, key, body) for (kind, key), body in rows.items() if body is not None]
    assert read_state(hot_row(after), left) == after
    assert list(changed_rows(after, after)) == []


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"seq": 1}', '{"seq": 1, "nonsense": 2}'])
def test_text_of_another_kind_is_refused(body: str) -> None:
    with pytest.raises(CodecError):
        decode(get_args(Event)[0], body)
