"""The pace: never more than N requests in any second nor M in any minute, and never slower than that needs."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradectl.venue.pace import MINUTE_MS, SECOND_MS, Pace


class Timeline:
    """A clock whose sleeps pass at once."""

    def __init__(self) -> None:
        self.at_ms = 1_000_000
        self.set_by_ms = 0

    def now_ms(self) -> int:
        return self.at_ms + self.set_by_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def wall_ms(self) -> int:
        return self.at_ms

    def skew_ms(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        self.at_ms += round(seconds * 1000)


def send(pace: Pace, clock: Timeline, gaps_ms: list[int]) -> list[int]:
    async def all_of_them() -> list[int]:
        sent = []
        for gap in gaps_ms:
            clock.at_ms += gap
            await pace.turn()
            sent.append(clock.at_ms)
        return sent

    return asyncio.run(all_of_them())


@given(
    st.integers(1, 8),
    st.integers(1, 20),
    st.lists(st.integers(0, 2_000), min_size=1, max_size=80),
)
def test_no_window_ever_holds_more_than_its_limit(per_second: int, per_minute: int, gaps: list[int]) -> None:
    clock = Timeline()
    sent = send(Pace(per_second, per_minute, clock), clock, gaps)
    for at in sent:
        assert sum(1 for other in sent if at - SECOND_MS < other <= at) <= per_second
        assert sum(1 for other in sent if at - MINUTE_MS < other <= at) <= per_minute


@given(st.integers(1, 8), st.lists(st.integers(0, 500), min_size=2, max_size=40))
def test_a_request_waits_only_when_a_window_is_full(per_second: int, gaps: list[int]) -> None:
    clock = Timeline()
    pace = Pace(per_second, 10_000, clock)
    asked = []

    async def run() -> list[int]:
        sent: list[int] = []
        for gap in gaps:
            clock.at_ms += gap
            asked.append(clock.at_ms)
            await pace.turn()
            sent.append(clock.at_ms)
        return sent

    sent = asyncio.run(run())
    for index, (want, at) in enumerate(zip(asked, sent, strict=True)):
        if at > want:
            assert sent[index - per_second] + SECOND_MS == at


@pytest.mark.parametrize(("per_second", "waited"), [(1, 9_000), (2, 4_000), (5, 1_000), (10, 0)])
def test_the_per_second_knob_sets_how_long_ten_requests_take(per_second: int, waited: int) -> None:
    clock = Timeline()
    pace = Pace(per_second, 1_000, clock)
    send(pace, clock, [0] * 10)
    assert pace.take_throttled_ms() == waited
    assert pace.take_throttled_ms() == 0


def test_the_stricter_of_the_two_limits_waits() -> None:
    clock = Timeline()
    pace = Pace(5, 6, clock)
    sent = send(pace, clock, [0] * 7)
    assert sent[6] - sent[0] == MINUTE_MS


def test_protection_is_counted_but_never_waits() -> None:
    clock = Timeline()
    pace = Pace(1, 100, clock)

    async def run() -> tuple[int, int]:
        await pace.turn()
        await pace.turn(urgent=True)
        urgent_at = clock.at_ms
        await pace.turn()
        return urgent_at, clock.at_ms

    urgent_at, next_at = asyncio.run(run())
    assert urgent_at == 1_000_000
    assert next_at == 1_001_000


def test_a_wait_is_logged_with_its_tag_and_limit(caplog: pytest.LogCaptureFixture) -> None:
    clock = Timeline()
    with caplog.at_level("DEBUG", logger="tradectl"):
        send(Pace(4, 100, clock), clock, [0, 0, 0, 0, 750])
    lines = [record for record in caplog.records if getattr(record, "tag", "") == "SAFETY_RATE_LIMIT"]
    assert [record.getMessage() for record in lines] == ["Sleeping 0.250s to respect per-second limit (sec=4)"]


def test_a_venue_that_asks_to_be_left_alone_is_left_alone() -> None:
    clock = Timeline()
    pace = Pace(10, 100, clock)
    pace.hold(7_500)
    pace.hold(2_000)  # a shorter wish does not shorten the longer one
    send(pace, clock, [0])
    assert clock.at_ms == 1_007_500
    assert pace.take_throttled_ms() == 7_500


def test_protection_does_not_wait_for_a_venue_that_asks_to_be_left_alone() -> None:
    clock = Timeline()
    pace = Pace(10, 100, clock)
    pace.hold(7_500)
    asyncio.run(pace.turn(urgent=True))
    assert clock.at_ms == 1_000_000


def test_a_clock_that_the_venue_sets_back_makes_nobody_wait() -> None:
    """The machine's clock was 90 s ahead until the venue's first answer was in (chaos seed 2250)."""
    clock = Timeline()
    clock.set_by_ms = 90_000
    pace = Pace(2, 100, clock)
    pace.hold(1_000)
    send(pace, clock, [0, 0])
    clock.set_by_ms = 0
    send(pace, clock, [0])
    assert clock.at_ms == 1_002_000
