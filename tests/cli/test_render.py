"""JSON, tables, narrow terminals: values keep their digits and lines stay inside the width."""

from __future__ import annotations

import dataclasses
import enum
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.cli import render
from tradectl.cli.context import Invocation


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass(frozen=True)
class Row:
    symbol: str
    qty: Decimal
    colour: Colour


def invoked(*, as_json: bool = False) -> tuple[Invocation, io.StringIO]:
    out = io.StringIO()
    inv = Invocation((), None, as_json, False, 0, False, io.StringIO(), out, io.StringIO())
    return inv, out


def test_json_keeps_decimals_as_text_and_carries_its_schema() -> None:
    inv, out = invoked(as_json=True)
    render.answer(inv, "state show", [Row("BTC", Decimal("0.10"), Colour.RED)], lambda screen: None)
    assert json.loads(out.getvalue()) == {
        "schema": "tradectl/state-show/1",
        "items": [{"symbol": "BTC", "qty": "0.1", "colour": "red"}],
    }


def test_json_knows_paths_sets_cells_and_no_infinities() -> None:
    body = {"path": Path("a/b"), "set": {"b", "a"}, "cell": render.Cell(Decimal(1), "bad"), "inf": float("inf")}
    assert render.plain(body) == {"path": "a/b", "set": ["a", "b"], "cell": {"value": "1", "tone": "bad"}, "inf": None}


def test_json_refuses_what_it_has_no_form_for() -> None:
    with pytest.raises(TypeError):
        render.plain(object())


def test_control_characters_never_reach_the_terminal() -> None:
    assert render.shown("a\x1b[2Jb\nc") == "a\N{REPLACEMENT CHARACTER}[2Jb c"


def test_numbers_align_right_and_text_left() -> None:
    inv, out = invoked()
    render.Screen(inv, width=60).table(("symbol", "qty"), [("BTC", Decimal("1.5")), ("DOGE", Decimal(12345))])
    assert out.getvalue().splitlines() == ["symbol    qty", "BTC       1.5", "DOGE    12345"]


def test_an_empty_table_says_so() -> None:
    inv, out = invoked()
    render.Screen(inv).table(("symbol",), [], title="positions", empty="no open positions")
    assert out.getvalue() == "positions\nno open positions\n"


def test_a_table_too_wide_for_wrapping_becomes_blocks_of_lines() -> None:
    inv, out = invoked()
    columns = [f"column{number}" for number in range(9)]
    render.Screen(inv, width=60).table(columns, [[f"value{number}" for number in range(9)]])
    assert out.getvalue().splitlines()[0] == "column0  value0"
    assert len(out.getvalue().splitlines()) == 9


WORD = st.text(alphabet="abcXYZ019.-", min_size=1, max_size=12)
TEXT = st.lists(WORD, min_size=1, max_size=15).map(" ".join)


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), min_size=1, max_size=5), width=st.integers(40, 120))
def test_no_word_is_lost_and_no_line_is_wider_than_the_screen(rows: list[tuple[str, ...]], width: int) -> None:
    inv, out = invoked()
    render.Screen(inv, width=width).table(("a", "bb", "ccc", "dddd"), rows)
    printed = out.getvalue()
    assert all(len(line) <= width for line in printed.splitlines())
    words = sorted(word for row in rows for cell in row for word in cell.split())
    shown = printed.split()
    assert all(shown.count(word) >= words.count(word) for word in set(words))
