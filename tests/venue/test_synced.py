"""The synced clock: never ahead of the venue, whatever happens to the machine's own clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradectl.venue.synced import KEPT_MS, SyncedClock


class Machine:
    """True time, a monotonic clock that follows it, and a clock on the wall that anybody can set."""

    def __init__(self) -> None:
        self.true_ms = 1_700_000_000_000
        self.booted_ms = self.true_ms - 12_345
        self.wall_offset_ms = 0
        self.clock = SyncedClock(
            monotonic_ms=lambda: self.true_ms - self.booted_ms, wall_ms=lambda: self.true_ms + self.wall_offset_ms
        )

    def ask(self, out_ms: int, back_ms: int) -> None:
        self.true_ms += out_ms
        answered = self.true_ms
        self.true_ms += back_ms
        self.clock.observe(answered)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 3_000), st.integers(0, 3_000)),
        st.tuples(st.just("pass"), st.integers(0, 2 * KEPT_MS), st.just(0)),
        st.tuples(st.just("set"), st.integers(-(10**7), 10**7), st.just(0)),
    ),
    max_size=40,
)


@given(steps, st.integers(0, 3_000))
def test_it_is_never_ahead_and_behind_by_no_more_than_the_quickest_answers_way_back(taken, last_back):
    machine = Machine()
    for kind, first, second in taken:
        if kind == "ask":
            machine.ask(first, second)
        elif kind == "pass":
            machine.true_ms += first
        else:
            machine.wall_offset_ms = first
    machine.ask(5, last_back)
    behind = machine.true_ms - machine.clock.now_ms()
    assert 0 <= behind <= last_back
    assert machine.clock.skew_ms() == machine.wall_offset_ms + behind


def test_setting_the_machines_clock_moves_nothing_but_the_skew():
    machine = Machine()
    machine.ask(10, 10)
    before = machine.clock.now_ms()
    machine.wall_offset_ms = -3_600_000
    assert machine.clock.now_ms() == before
    assert machine.clock.skew_ms() == -3_600_000 + 10


def test_before_the_first_answer_the_machines_own_time_stands_in():
    machine = Machine()
    machine.wall_offset_ms = 77
    assert machine.clock.now_ms() == machine.true_ms + 77
    assert machine.clock.skew_ms() == 0
