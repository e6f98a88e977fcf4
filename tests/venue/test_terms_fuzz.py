"""Whatever one value of an answer becomes: nothing is raised, nothing is made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from venue_on_loopback import Answer, asked, exchange

VENUES = ("binanceusdm", "bybit")
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8),
    st.sampled_from(["-1", "0", "1e400", "NaN", "", "9" * 99]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


def places(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


def replaced(body: Any, path: tuple[Any, ...], value: Any, drop: bool) -> Any:
    if not path:
        return value
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return copy


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_one_field_becomes_the_rest_is_read_and_nothing_is_made_up(venue: str, data: st.DataObject) -> None:
    """One value anywhere in one answer is replaced or taken away: what is told could be so, and the rest is untold."""
    ending = data.draw(st.sampled_from(ENDINGS[venue]))
    value, drop, place = data.draw(LEAVES), data.draw(st.booleans()), data.draw(st.integers(0, 10_000))

    def how(answer: Answer) -> Answer:
        known = places(answer.body)
        return Answer(replaced(answer.body, known[place % len(known)], value, drop))

    with exchange(venue, "SOLUSDT", "BTCUSDT") as on:
        on.spoil(ending, how)
        told = asked(on)
    for one in told.instruments.values():
        assert one.tick_size > 0 and one.qty_step > 0 and one.min_qty > 0 and one.max_market_qty > 0
    assert all(price > 0 for price in told.prices.values())
    assert told.equity is None or told.equity > 0
    assert all(one.why for one in told.untold)
    untouched = {"SOLUSDT", "BTCUSDT"} - set(told.unlisted)
    if not told.untold:
        assert set(told.instruments) == set(told.prices) == untouched


ENDINGS = {
    "binanceusdm": [
        "time",
        "exchangeInfo",
        "premiumIndex",
        "bookTicker",
        "leverageBracket",
        "commissionRate",
        "account",
    ],
    "bybit": ["time", "instruments-info", "tickers", "risk-limit", "fee-rate", "wallet-balance"],
}
