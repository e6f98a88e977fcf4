"""How a fault is put into the product on purpose: a context manager that breaks one mechanism and puts it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

Fault = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Planted:
    """`laws`: those of the checker that have to notice it; that the code stumbles over the fault is not enough.

    `seed`: one that showed it, to be tried first.
    """

    fault: Fault
    laws: frozenset[str]
    seed: int


FAULTS: dict[str, Planted] = {}


def plants(*laws: str, seed: int) -> Callable[[Callable[[], Iterator[None]]], Fault]:
    def keep(make: Callable[[], Iterator[None]]) -> Fault:
        fault = contextmanager(make)
        FAULTS[make.__name__] = Planted(fault, frozenset(laws), seed)
        return fault

    return keep
