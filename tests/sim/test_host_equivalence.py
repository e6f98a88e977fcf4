"""A file and a memory host give the same answers to the same operations, reopened or shared as it may be."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sim_actions import SYMBOL, Action, Cancel, Place, Step, actions, begun, client_id, config, in_memory, op_of, wall

from tradectl.domain.order import Confirmed, OrderSide, OrderType, Rejected
from tradectl.sim.embedded import Embedded, open_embedded
from tradectl.sim.host import open_orders
from tradectl.sim.ops import CancelOrder, PlaceOrder
from tradectl.sim.rows import changed_rows, cold_rows, hot_row, read_state


def do(exchange: Embedded, action: Action, number: int) -> object:
    if isinstance(action, Step):
        return exchange.step()
    return exchange.host.execute(op_of(action, exchange.host.state, number))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    todo=st.lists(st.tuples(actions, st.sampled_from(["ours", "ours", "other", "reopen"])), min_size=1, max_size=30),
    kept=st.sampled_from(["open", "ever"]),
    most=st.sampled_from([None, 3]),
)
def test_file_and_memory_agree_across_processes_and_reopening(
    todo: list[tuple[Action, str]], kept: str, most: int | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exchange.db"
        memory = begun(path, client_ids=kept, max_conditional_orders=most)
        ours = open_embedded(config(), path, wall_ms=wall, durable=False)
        other = open_embedded(config(), path, wall_ms=wall, durable=False)
        assert ours.host.state == memory.host.state
        for number, (action, who) in enumerate(todo):
            if who == "reopen":
                ours.host.close()
                ours = open_embedded(config(), path, wall_ms=wall, durable=False)
            actor = other if who == "other" else ours
            assert do(actor, action, number) == do(memory, action, number)
            assert actor.host.state == memory.host.state
        assert ours.host.state == other.host.state == memory.host.state
        assert list(ours.host.state.orders) == list(memory.host.state.orders)
        assert ours.host.events_after(0, 10_000) == memory.host.events_after(0, 10_000)
        assert ours.host.account_events(0, 10_000) == memory.host.account_events(0, 10_000)
        for number in range(len(todo)):
            assert ours.host.find_order(client_id(number)) == memory.host.find_order(client_id(number))
        for market in (ours, other):
            assert market.feed.candles(SYMBOL, "5m", 300, market.host.state.market_ms) == memory.feed.candles(
                SYMBOL, "5m", 300, memory.host.state.market_ms
            )
        ours.host.close()
        other.host.close()


def test_an_id_that_was_used_is_refused_for_ever_by_every_holder_of_the_exchange(tmp_path: Path) -> None:
    """Also within one commit, across reopening, and for an order that another process ended."""
    memory = begun(tmp_path / "exchange.db", client_ids="ever")

    def opened() -> Embedded:
        return open_embedded(config(), tmp_path / "exchange.db", wall_ms=wall, durable=False)

    ours, other = opened(), opened()
    resting = Place(OrderSide.BUY, OrderType.LIMIT, 10, -20, False, False)
    for exchange in (memory, ours):
        state = exchange.host.state
        first, second = op_of(resting, state, 1), op_of(resting, state, 2)
        assert isinstance(first, PlaceOrder)
        gone = CancelOrder(SYMBOL, f"o{state.next_order}", first.at_ms, first.at_ms + 5000)
        replies = [one.reply for one in exchange.host.execute_many((first, gone, first, second))]
        assert [type(reply) for reply in replies] == [Confirmed, Confirmed, Rejected, Confirmed]
        assert isinstance(replies[2], Rejected) and replies[2].code == "duplicate_client_id"
    assert isinstance(other.host.execute(op_of(Cancel(0), other.host.state, 0)).reply, Confirmed)
    memory.host.execute(op_of(Cancel(0), memory.host.state, 0))
    for exchange in (memory, ours, other, opened()):
        for number in (1, 2):
            assert isinstance(exchange.host.execute(op_of(resting, exchange.host.state, number)).reply, Rejected)
        assert list(open_orders(exchange.host.state)) == []


def test_an_id_is_free_again_where_it_is_taken_only_while_open(tmp_path: Path) -> None:
    memory = begun(tmp_path / "exchange.db", client_ids="open")
    ours = open_embedded(config(), tmp_path / "exchange.db", wall_ms=wall, durable=False)
    resting = Place(OrderSide.BUY, OrderType.LIMIT, 10, -20, False, False)
    for exchange in (memory, ours):
        for expected in (Confirmed, Rejected):
            assert isinstance(exchange.host.execute(op_of(resting, exchange.host.state, 1)).reply, expected)
        exchange.host.execute(op_of(Cancel(0), exchange.host.state, 0))
        assert isinstance(exchange.host.execute(op_of(resting, exchange.host.state, 1)).reply, Confirmed)


@settings(max_examples=40, deadline=None)
@given(todo=st.lists(actions, max_size=25))
def test_rows_hold_a_state_exactly_and_changes_bring_one_to_the_next(todo: list[Action]) -> None:
    exchange = in_memory()
    before = exchange.host.state
    rows = {(kind, key): body for kind, key, body in cold_rows(before)}
    for number, action in enumerate(todo):
        do(exchange, action, number)
        after = exchange.host.state
        for kind, key, body in changed_rows(before, after):
            if body is None:
                del rows[(kind, key)]
            else:
                rows[(kind, key)] = body
        before = after
    cold = [(kind, key, body) for (kind, key), body in rows.items() if body is not None]
    assert read_state(hot_row(before), cold) == before


def test_a_quiet_bar_changes_one_row_only() -> None:
    exchange = in_memory(funding_rate=0)
    before = exchange.host.state
    assert exchange.step()
    assert list(changed_rows(before, exchange.host.state)) == []
    assert hot_row(before) != hot_row(exchange.host.state)
    assert not list(open_orders(exchange.host.state))
