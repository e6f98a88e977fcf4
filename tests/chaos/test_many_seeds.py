"""The driver of many seeds, where its processes end before it has heard of it."""

from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

import pytest

from tradectl.scenarios.chaos import many

LONG_S = 20  # until what never comes is given up


class Slow(ProcessPoolExecutor):
    """It is told to end only after it has noticed that its workers are gone: the other way round is the usual one."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with suppress(BrokenProcessPool):
            _until_done(self)
        super().shutdown(wait, cancel_futures=cancel_futures)


def _until_done(pool: ProcessPoolExecutor) -> None:
    wait([pool.submit(int)], timeout=LONG_S)


def test_who_stops_reading_is_not_told_of_a_fault_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: faults.append(repr(args.exc_value)))
    monkeypatch.setattr(many, "ProcessPoolExecutor", Slow)
    coming = many.verdicts(range(200), 2)
    assert next(coming).seed == 0
    coming.close()
    assert faults == []
